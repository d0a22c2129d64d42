"""What the other commands show beside a mesh that runs in another terminal, and how they end."""

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terminal.kit import RUN, Open, Project, Screen, marked, processes_of, url_of, write

pytestmark = pytest.mark.slow

SHOP = f"""
[services.web]
{RUN}
depends_on = ["api"]
ready = "/"
[services.api]
{RUN}
ready = "/"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write(folder, SHOP)
    return folder


@pytest.fixture(scope="module")
def first(shop: Path) -> Iterator[Screen]:
    """The terminal in which the mesh runs."""
    with Screen(shop, 80, 24) as screen:
        screen.show("minimesh up")
        screen.until("^stop: Ctrl-C")
        yield screen
        screen.press("C-c")
        lines = screen.finished()
        assert lines[-2].endswith("0 processes left")
        assert "Traceback" not in "\n".join(lines)


@pytest.fixture(scope="module")
def beside(shop: Path, first: Screen) -> Iterator[Screen]:
    with Screen(shop, 80, 24) as screen:
        yield screen


@pytest.fixture
def second(beside: Screen) -> Iterator[Screen]:
    """The terminal beside it, with a shell that waits."""
    yield beside
    beside.press("C-c")
    beside.resize(80, 24)
    beside.run("clear")


@pytest.mark.parametrize(
    ("command", "shows"),
    [
        ("up", r"^runs already   http://localhost:\d+   leave: Ctrl-C   stop: minimesh down$"),
        ("logs -f", r"^web +\| listening$"),
        ("events -f", r"minimesh +ready +ready in"),
        ("stat -w", r"^NAME .*(\n.*)*^api "),
        ("top", r"^requests since the start of this command"),
        ("tap", r"^no request yet, waiting for any; try: curl http://localhost:\d+/$"),
    ],
)
def test_ctrl_c_leaves_a_view_and_a_clean_terminal(
    first: Screen, second: Screen, shop: Path, command: str, shows: str
) -> None:
    running = processes_of(shop)
    second.show(f"stty -a > before; minimesh {command}")
    second.until(shows)
    second.press("C-c")
    lines = second.finished(130)
    assert lines[-2].endswith("^C"), "the prompt has a line of its own"
    assert "Traceback" not in "\n".join(lines)
    second.show("stty -a | diff before -")
    assert len(second.finished()) == 1
    assert second.flag("cursor_flag")
    assert not second.flag("alternate_on")
    assert not processes_of(shop) - running, "a view leaves no process behind"


def test_a_view_is_repainted_in_place_at_every_width(second: Screen) -> None:
    second.show("minimesh stat -w")
    for columns, last in ((80, "TCP_CONN"), (50, "LATENCY_P99"), (120, "TCP_CONN"), (80, "TCP_CONN")):
        second.resize(columns, 24)
        second.until(rf"\ANAME .* {last}\ngateway .*\nweb .*\napi .*\Z")
    second.press("C-c")
    second.finished(130)


@pytest.mark.parametrize("command", ["ps", "stat", "edges", "routes"])
def test_tables_fit_a_narrow_window(second: Screen, command: str) -> None:
    second.resize(60, 24)
    second.run(f"minimesh {command} > wide.txt 2>&1")
    second.finished()
    second.show(f"minimesh {command}")
    lines = second.finished()[:-1]
    wide = (Path(second.folder) / "wide.txt").read_text().splitlines()
    assert len(lines) == len(wide), "\n".join(lines)
    assert {line.split()[0] for line in lines} == {line.split()[0] for line in wide}


def test_changes_from_another_terminal_are_told_in_the_first(first: Screen, second: Screen, shop: Path) -> None:
    write(shop, f'{SHOP}\n[services.recommendations]\n{RUN}\nready = "/"\n')
    second.show("minimesh reload")
    told = second.finished()
    assert told[0] == "  recommendations  added"
    assert re.fullmatch(r"reload: 1 added, 2 unchanged, \d+ ms", told[1])
    first.until(r"^note: reload: \+recommendations, ")
    first.until(r"^  ok  recommendations  ready: GET / 200   127\.0\.0\.1:\d+")
    second.show("minimesh scale api=2; minimesh restart web")
    second.finished()
    first.until(r"^  ok  api/2 +ready: GET / 200   127\.0\.0\.1:\d+")
    first.until(r"^  --  web +stopped(.*\n)*^  ok  web +ready: GET / 200")
    write(shop, f"{SHOP}\ndepnds_on = []\n")
    second.show("minimesh reload")
    refused = second.finished(2)
    assert "   | ^^^^^^^^^" in [line[: len("   | ^^^^^^^^^")] for line in refused]
    first.until(r"^note: reload refused, nothing changed: minimesh.toml:\d+: unknown")
    assert not marked(first.lines(scrolled=True), "..")
    write(shop, SHOP)


@pytest.mark.parametrize(("columns", "colour"), [(120, True), (80, True), (60, True), (80, False)])
def test_mistakes_in_the_file(open_screen: Open, project: Project, columns: int, colour: bool) -> None:
    folder = project(
        f'{SHOP}depnds_on = []\nenv = {{ TITLE = "日本語テキスト", NUMBER = 12, LONG = "{"x" * 120}", LAST = 3 }}\n'
    )
    screen = open_screen(folder, columns, 30, **({} if colour else {"NO_COLOR": "1"}))
    screen.show("minimesh validate")
    lines = screen.finished(2)
    for meant in ("depnds_on", "12", "3"):
        at = next(at for at, line in enumerate(lines) if re.search(rf"\| +\^{{{len(meant)}}}( |$)", line))
        column = lines[at].index("^")
        assert cells(lines[at - 1], column).startswith(meant), "\n".join(lines[at - 1 : at + 1])
    assert ("\x1b[31m" in "\n".join(screen.lines(escapes=True))) == colour


def cells(line: str, column: int) -> str:
    """What stands from a column of the screen on, where some characters take two."""
    from unicodedata import east_asian_width

    for index, character in enumerate(line):
        if column <= 0:
            return line[index:]
        column -= 2 if east_asian_width(character) in "WF" else 1
    return ""


def test_up_after_kill_9(open_screen: Open, project: Project) -> None:
    folder = project(SHOP)
    screen = open_screen(folder, 80, 24)
    screen.show("minimesh up")
    screen.until("^stop: Ctrl-C")
    pid = json.loads((folder / ".minimesh" / "run.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    screen.finished(137)
    screen.show("minimesh up")
    lines = screen.until("^stop: Ctrl-C")
    told = " ".join(lines)
    assert re.search(rf"note: previous run \(pid {pid}\) did not stop cleanly: .*stopped 2 leftover processes", told), (
        told
    )
    assert urllib.request.urlopen(url_of(lines)).read() == b"ok\n"
    screen.press("C-c")
    screen.finished()
    assert not processes_of(folder)


def test_a_view_says_that_the_mesh_has_stopped(open_screen: Open, project: Project) -> None:
    folder = project(SHOP)
    screens = [open_screen(folder, 80, 24) for _ in range(3)]
    screens[0].show("minimesh up")
    screens[0].until("^stop: Ctrl-C")
    for screen, command in zip(screens[1:], ("logs -f", "events -f"), strict=True):
        screen.show(f"minimesh {command}")
        screen.until("ready")
    screens[0].press("C-c")
    screens[0].finished()
    for screen in screens[1:]:
        assert screen.finished()[-2] == "the mesh has stopped"


def test_two_copies_side_by_side(open_screen: Open, project: Project) -> None:
    screens = [open_screen(project(SHOP, name), 80, 24) for name in ("one", "two")]
    for screen in screens:
        screen.show("minimesh up")
    urls = {url_of(screen.until("^stop: Ctrl-C")) for screen in screens}
    assert len(urls) == 2
    assert {urllib.request.urlopen(url).read() for url in urls} == {b"ok\n"}
    for screen in screens:
        screen.press("C-c")
        screen.finished()


def test_up_without_a_file(open_screen: Open, tmp_path: Path) -> None:
    screen = open_screen(tmp_path, 80, 24)
    screen.show("minimesh up")
    lines = screen.finished(2)
    assert lines[0] == "error[MM412]: no minimesh.toml here or above"
    assert lines[1].startswith("  help: minimesh init")
    assert not [*tmp_path.glob(".minimesh*")]
