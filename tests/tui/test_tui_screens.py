"""What the screens show, line by line, in every state and size: `GOLDEN=write` writes the files anew."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.pilot import Pilot

from minimesh_tui.app import MeshApp
from minimesh_tui.look import ASCII, Look
from tests.tui.stage import LOGS, SERVICES, Act, Play, drive, line, live, pressed, service, until

GOLDEN = Path(__file__).parents[1] / "golden" / "tui"
BIG, COMMON, SMALL = (120, 36), (80, 24), (60, 15)
PLAIN = Look(ASCII, "mono")


async def the_mesh_ends(pilot: Pilot[None], screen: MeshApp) -> None:
    play = screen._source
    assert isinstance(play, Play)
    play.tell("/v1/live", live(state="stopping"))
    await until(pilot, lambda: screen.board.mesh is not None and screen.board.mesh["state"] == "stopping")
    play.end()
    await until(pilot, lambda: "mesh stopped" in screen.gone)


async def more_comes_while_frozen(pilot: Pilot[None], screen: MeshApp) -> None:
    await pilot.press("4")
    await until(pilot, lambda: screen.logs.lines.count == len(LOGS))
    await pilot.press("space")
    play = screen._source
    assert isinstance(play, Play)
    play.tell("/v1/logs", *(line(f"late {number}", "web", number) for number in range(37)))
    await until(pilot, lambda: screen.logs.lines.news == 37)


class Case(NamedTuple):
    name: str
    size: tuple[int, int]
    act: Act = pressed()
    play: Callable[[], Play] = Play
    look: Look | None = None
    read_only: bool = False


def waiting() -> Play:
    return Play(lives=[])


def nothing_yet() -> Play:
    return Play(lives=[live(SERVICES[:4], traffic=False)], logs=[])


def many() -> Play:
    return Play(lives=[live([*SERVICES, *(service(f"worker-{number}") for number in range(40))])])


CASES = [
    Case("services-120x36", BIG),
    Case("services-80x24", COMMON),
    Case("services-60x15", SMALL),
    Case("services-80x24-ascii", COMMON, look=PLAIN),
    Case("services-crash-loop-120x36", BIG, pressed("o")),
    Case("services-crash-loop-opened-80x24", COMMON, pressed("o", "enter")),
    Case("services-crash-loop-opened-60x15", SMALL, pressed("o", "enter")),
    Case("services-waiting-80x24", COMMON, play=waiting),
    Case("services-no-traffic-80x24", COMMON, play=nothing_yet),
    Case("services-filtered-80x24", COMMON, pressed("f", *"pay", "enter")),
    Case("services-filter-hides-all-80x24", COMMON, pressed("f", *"zebra", "enter")),
    Case("services-many-at-the-end-80x24", COMMON, pressed("G"), play=many),
    Case("services-many-120x36", BIG, play=many),
    Case("services-paused-80x24", COMMON, pressed("space")),
    Case("services-stopped-mesh-120x36", BIG, the_mesh_ends),
    Case("services-stopped-mesh-60x15", SMALL, the_mesh_ends),
    Case("services-read-only-80x24", COMMON, read_only=True),
    Case("services-read-only-refuses-80x24", COMMON, pressed("j", "s"), read_only=True),
    Case("services-ask-stop-80x24", COMMON, pressed("j", "s")),
    Case("services-help-120x36", BIG, pressed("question_mark")),
    Case("services-help-60x15", SMALL, pressed("question_mark")),
    Case("logs-help-scrolled-60x15", SMALL, pressed("4", "question_mark", "pagedown", "pagedown", "pagedown")),
    Case("services-help-80x36-ascii", (80, 36), pressed("question_mark"), look=PLAIN),
    Case("services-stopped-mesh-80x24-ascii", COMMON, the_mesh_ends, look=PLAIN),
    Case("logs-frozen-80x24-ascii", COMMON, more_comes_while_frozen, look=PLAIN),
    Case("services-palette-80x24", COMMON, pressed("colon", *"logs w")),
    Case("services-too-small-59x15", (59, 15)),
    Case("services-too-small-60x14", (60, 14)),
    Case("logs-120x36", BIG, pressed("4")),
    Case("logs-80x24", COMMON, pressed("4")),
    Case("logs-60x15", SMALL, pressed("4")),
    Case("logs-80x24-ascii", COMMON, pressed("4"), look=PLAIN),
    Case("logs-wrapped-60x15", SMALL, pressed("4", "w")),
    Case("logs-to-the-right-60x15", SMALL, pressed("4", "right")),
    Case("logs-of-one-80x24", COMMON, pressed("o", "l")),
    Case("logs-level-80x24", COMMON, pressed("4", "L", "L", "L")),
    Case("logs-found-80x24", COMMON, pressed("4", "slash", *"order", "enter", "n")),
    Case("logs-filter-hides-all-80x24", COMMON, pressed("4", "f", *"zebra", "enter")),
    Case("logs-frozen-80x24", COMMON, more_comes_while_frozen),
    Case("logs-empty-80x24", COMMON, pressed("4"), play=nothing_yet),
    Case("logs-choose-80x24", COMMON, pressed("4", "v", "j", "space")),
    Case("logs-stopped-mesh-80x24", COMMON, the_mesh_ends),
    Case("events-80x24", COMMON, pressed("colon", *"events", "enter")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_screen_is_what_it_was(case: Case) -> None:
    shown = drive(case.act, case.play(), case.size, case.look, read_only=case.read_only)
    file = GOLDEN / f"{case.name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")
    if case.look is PLAIN:
        assert shown.isascii()


def test_every_golden_file_is_a_case() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == {case.name for case in CASES}
