"""The widget of lines and what stands on it: what is drawn again, where the cursor stays, what programs may not do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from minimesh_tui.look import ASCII, Look, Role
from minimesh_tui.widgets.bars import Bar
from minimesh_tui.widgets.entry import CUT, Entry
from minimesh_tui.widgets.log import KEPT, KEPT_IN_ALL, TIDY_EVERY, LogLines
from minimesh_tui.widgets.table import Cell, Column, Table, fit

COLUMNS = (
    Column("NAME"),
    Column("N", right=True, drop=1),
    Column("BARS", drop=2, most=10, least=4, paint=lambda v, r: str(v) * r),
)


class Alone(App[None]):
    """One widget and nothing else."""

    CSS = "Lines { height: 1fr; scrollbar-size: 1 1; scrollbar-gutter: stable; overflow-x: hidden; }"

    def __init__(self, widget: Widget) -> None:
        super().__init__(ansi_color=True)
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


def alone(widget: Widget, act: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = (40, 10)) -> list[str]:
    """Lines of the screen after `act`."""

    async def run() -> list[str]:
        app = Alone(widget)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(pilot)
            await pilot.pause()
            return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]

    return asyncio.run(run())


class Counting(Table):
    """Remembers which rows were drawn."""

    def __init__(self) -> None:
        super().__init__(Look(), COLUMNS)
        self.drawn: list[int] = []

    def draw(self, index: int) -> Strip:
        self.drawn.append(index)
        return super().draw(index)


def rows(*names: str, **numbers: int) -> dict[str, tuple[Cell, ...]]:
    return {name: ((name, Role.TEXT), (numbers.get(name, 0), Role.DIM), ("x", Role.SPARK)) for name in names}


def test_only_lines_that_differ_are_drawn_again() -> None:
    table = Counting()
    names = [f"r{number}" for number in range(6)]

    async def act(pilot: Pilot[None]) -> None:
        table.show(rows(*names))
        await pilot.pause()
        table.drawn.clear()
        table.show(rows(*names, r3=5))
        await pilot.pause()
        assert table.drawn == [3]
        table.drawn.clear()
        table.show(rows(*names, r3=5))
        await pilot.pause()
        assert table.drawn == []
        table.move_to(2)
        await pilot.pause()
        assert sorted(table.drawn) == [0, 2]

    alone(table, act)


def test_the_cursor_stays_with_its_row() -> None:
    table = Counting()

    async def act(pilot: Pilot[None]) -> None:
        table.show(rows("a", "b", "c"))
        table.move_to(1)
        table.show(rows("c", "b2", "a", "b"))
        assert table.selected == "b"
        table.show(rows("c", "a"))
        assert table.selected == "a"
        table.show({})
        assert table.selected is None
        table.show(rows("z"))
        assert table.selected == "z"

    alone(table, act)


def test_scrolling_keeps_the_cursor_and_the_head_on_screen() -> None:
    table = Table(Look(), COLUMNS)

    async def act(pilot: Pilot[None]) -> None:
        table.show(rows(*[f"r{number}" for number in range(50)]))
        await pilot.pause()
        table.move_to(49)
        await pilot.pause()

    shown = alone(table, act)
    assert shown[0].split() == ["NAME", "N", "BARS"]
    assert shown[-1].split()[0] == "r49"
    assert shown[1].split()[0] == "r41"


@pytest.mark.parametrize(
    ("room", "expected"),
    [(40, {0: 5, 1: 3, 2: 10}), (18, {0: 5, 1: 3, 2: 6}), (15, {0: 5, 1: 3}), (7, {0: 5}), (2, {0: 5})],
)
def test_columns_go_by_their_rank_and_the_painted_one_takes_the_rest(room: int, expected: dict[int, int]) -> None:
    assert fit(COLUMNS, [5, 3, 4], room) == expected


def test_wide_characters_take_two_columns() -> None:
    table = Table(Look(), (Column("NAME"), Column("AFTER")))

    async def act(pilot: Pilot[None]) -> None:
        table.show({"a": (("日本", Role.TEXT), ("|", Role.TEXT)), "b": (("abcd", Role.TEXT), ("|", Role.TEXT))})

    lines = alone(table, act)
    assert lines[1].startswith(" 日本  |")
    assert lines[2].startswith(" abcd  |")


def line(number: int, service: str = "web", text: str = "") -> Entry:
    return Entry("2026-05-04T14:02:11.000Z", service, text or f"line {number}", "stdout")


def log(act: Callable[[LogLines, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (60, 10)) -> list[str]:
    lines = LogLines(Look())
    return alone(lines, lambda pilot: act(lines, pilot), size)


def test_the_end_is_followed_until_somebody_moves() -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        lines.add(line(number) for number in range(100))
        await pilot.pause()
        assert lines.at_end
        lines.follow(False)
        lines.move_to(50)
        lines.add(line(number) for number in range(100, 110))
        await pilot.pause()
        assert (lines.news, lines.cursor, lines.at_end) == (10, 50, False)
        lines.follow(True)
        await pilot.pause()
        assert (lines.news, lines.cursor, lines.at_end) == (0, None, True)

    assert log(act)[-1].endswith("| line 109")


def test_each_service_has_a_ring_of_its_own() -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        lines.add(line(number, "quiet") for number in range(10))
        for begin in range(0, KEPT + 3_000, 500):
            lines.add(line(number, "noisy") for number in range(begin, begin + 500))
        lines.add(line(0, "other") for _ in range(TIDY_EVERY))
        assert lines.kept == 10 + KEPT + TIDY_EVERY
        assert lines._entries[10].plain == "line 3000"

    log(act)


def test_there_is_an_end_to_what_is_kept_of_all() -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        for number in range(KEPT_IN_ALL // 4_000 + 2):
            lines.add(line(place, f"s{number}") for place in range(4_000))
        assert KEPT_IN_ALL >= lines.kept > KEPT_IN_ALL - 4_000

    log(act)


def test_what_is_looked_at_stays_while_the_ring_turns() -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        lines.add(line(number) for number in range(KEPT))
        await pilot.pause()
        lines.follow(False)
        lines.move_to(3_000)
        await pilot.pause()
        before = lines.selected
        lines.add(line(number) for number in range(KEPT, KEPT + TIDY_EVERY))
        await pilot.pause()
        assert before is not None
        assert before.plain == "line 3000"
        assert lines.selected is before
        assert before in [lines._shown[row][0] for row in lines.on_screen]

    log(act)


def test_finding_goes_round() -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        lines.add(line(number) for number in range(30))
        await pilot.pause()
        lines.find("LINE 1")
        assert lines.matches == [1, *range(10, 20)]
        assert [lines.next_match(True) for _ in range(2)] == [0, 1]
        assert lines.next_match(False) == 0
        assert lines.next_match(False) == 10
        lines.add([line(0, text="and line 1 again")])
        assert lines.matches[-1] == 30

    log(act)


NASTY = [
    "\x1b[2J\x1b[H\x1b]0;title\x07gone",
    "[bold red]markup[/] [@click=app.quit]x[/]",
    "\x9b31mC1 \x08\x08back \r over",
    "\u202eevil\u202c",
    "tab\there",
    "\udce9 lone",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_that_a_program_writes_reaches_the_terminal_as_a_command(text: str, wrapped: bool) -> None:
    async def act(lines: LogLines, pilot: Pilot[None]) -> None:
        lines.wrap(wrapped)
        lines.add([line(0, text=text), line(1, "ev\x1b[31mil", text="x")])
        await pilot.pause()

    shown = "".join(log(act, (100, 6)))
    assert shown.isprintable()
    if text.startswith("[bold"):
        assert text in shown


def test_colours_of_programs_are_shown_as_colours() -> None:
    lines = LogLines(Look())
    found: list[Segment] = []

    async def act(pilot: Pilot[None]) -> None:
        lines.add([line(0, text="\x1b[31mred\x1b[0m plain")])
        await pilot.pause()
        found.extend(lines.draw(0))

    alone(lines, act)
    (red,) = [segment for segment in found if segment.text == "red"]
    assert red.style is not None
    assert red.style.color is not None
    assert red.style.color.number == 1
    assert any(segment.text == " plain" for segment in found)


def test_without_colours_there_is_none() -> None:
    lines = LogLines(Look(ASCII, "mono"))

    async def act(pilot: Pilot[None]) -> None:
        lines.add([line(0, text="\x1b[31mred\x1b[0m plain")])
        await pilot.pause()
        assert all(segment.style is None or segment.style.color is None for segment in lines.draw(0))

    alone(lines, act)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "日" * 1_000_000, "\x1b[31mab" * 200_000, "\t\x00" * 500_000], ids=len
)
def test_a_line_of_a_megabyte_does_not_hold_a_frame_up(text: str, wrapped: bool) -> None:
    """100 ms of a core, the best of three: the machine may have other things to do."""

    def took() -> float:
        seconds: list[float] = []

        async def act(lines: LogLines, pilot: Pilot[None]) -> None:
            lines.wrap(wrapped)
            began = time.thread_time()
            lines.add([line(0, text=text)])
            seconds.append(time.thread_time() - began)
            await pilot.pause()
            began = time.thread_time()
            lines.all_changed()
            pilot.app.screen._compositor.render_strips()
            seconds.append(time.thread_time() - began)

        log(act)
        return max(seconds)

    assert len(line(0, text=text).plain) <= CUT * 4 + 50
    assert min(took() for _ in range(3)) < 0.1


@pytest.mark.parametrize(
    ("text", "source", "level"),
    [
        ("INFO started", "stdout", 1),
        ("level=debug x", "stdout", 0),
        ("2026 WARN slow", "stdout", 2),
        ("KeyError: 'x'", "stderr", 3),
        ("GET / 200", "stdout", 1),
        ("Traceback (most recent call last):", "stderr", 2),
        ("mirror of things", "stdout", 1),
    ],
)
def test_levels(text: str, source: str, level: int) -> None:
    assert Entry("", "x", text, source).level == level


def test_a_bar_is_drawn_again_only_when_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = Bar(Look())
    drawn: list[Any] = []

    async def act(pilot: Pilot[None]) -> None:
        bar.show([("a", Role.TEXT)])
        monkeypatch.setattr(bar, "refresh", lambda: drawn.append(1))
        bar.show([("a", Role.TEXT)])
        assert not drawn
        bar.show([("b", Role.TEXT)])
        assert drawn

    alone(bar, act)
