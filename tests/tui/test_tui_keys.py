"""The table of keys: one key, one meaning; what changes something asks; and the manual says the same."""

import re
from collections import Counter
from pathlib import Path

import pytest

from minimesh_tui.app import MeshApp
from minimesh_tui.keys import EVERYWHERE, KEYS, key_of, told
from minimesh_tui.manual import key_table
from tests.tui.stage import Play, drive, pressed

MANUAL = Path(__file__).parents[2] / "docs" / "ui.md"


def test_no_key_has_two_meanings() -> None:
    counted = Counter(pressed for key in KEYS for pressed in key.keys)
    assert [pressed for pressed, times in counted.items() if times > 1] == []
    assert len({key.id for key in KEYS}) == len(KEYS)


def test_no_key_that_multiplexers_shells_or_terminals_have() -> None:
    forbidden = re.compile(r"ctrl\+(?!c$)|alt\+|f\d+$")
    assert [pressed for key in KEYS for pressed in key.keys if forbidden.match(pressed)] == []


def test_h_and_l_are_verbs_and_never_move() -> None:
    moving = {pressed for key in KEYS if key.id in ("left", "right", "up", "down") for pressed in key.keys}
    assert not moving & {"h", "l"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_does_something(key: object) -> None:
    (row,) = [each for each in KEYS if each is key]
    assert callable(getattr(MeshApp, f"do_{row.id}"))
    assert set(row.screens) <= set(EVERYWHERE)
    assert all(key_of(pressed, screen) is row for pressed in row.keys for screen in row.screens)


@pytest.mark.parametrize("screen", EVERYWHERE)
def test_the_help_tells_every_key_of_a_screen(screen: str) -> None:
    """Those without a text of their own are the other half of the one before them."""
    tells = [*told(screen)]
    assert all(key.about for key in tells)
    places = {key.id: place for place, key in enumerate(KEYS)}
    for key in KEYS:
        if screen in key.screens and not key.shown:
            assert KEYS[places[key.id] - 1].shown


def test_the_manual_has_the_same_keys() -> None:
    assert key_table() in MANUAL.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "posted"),
    [
        (["r", "enter"], ["/v1/services/web/restart"]),
        (["r", "n"], []),
        (["r", "escape"], []),
        (["s", "enter"], []),
        (["s", "y"], ["/v1/services/web/stop"]),
        (["s", "x", "n"], []),
        (["colon", *"stop web", "enter", "enter"], []),
        (["colon", *"stop web", "enter", "y"], ["/v1/services/web/stop"]),
        (["colon", *"rest web", "enter", "y"], ["/v1/services/web/restart"]),
        (["colon", *"start web", "enter"], ["/v1/services/web/start"]),
        (["k", "r", "y"], []),  # the gateway is the mesh itself
        (["k", "s", "y"], []),
    ],
    ids=lambda value: "-".join(value) if value and len(value[0]) < 12 else None,
)
def test_what_changes_something_asks_first(keys: list[str], posted: list[str]) -> None:
    play = Play()
    drive(pressed("j", *keys), play)
    assert play.posted == posted


@pytest.mark.parametrize("keys", [[key.keys[0]] for key in KEYS if key.changes] + [["colon", *"stop web", "enter"]])
def test_read_only_refuses_all_of_it(keys: list[str]) -> None:
    play = Play()
    shown = drive(pressed("j", *keys), play, read_only=True)
    assert play.posted == []
    assert "not with --read-only" in shown


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
@pytest.mark.parametrize("before", [[], ["question_mark"], ["f", "x"]], ids=["screen", "help", "prompt"])
def test_leaving(key: str, before: list[str]) -> None:
    left = []

    async def act(pilot: object, screen: MeshApp) -> None:
        await pressed(*before, key)(pilot, screen)  # type: ignore[arg-type]  # the pilot of this application
        left.append(screen._exit)

    drive(act, Play())
    assert left == [key == "ctrl+c" or not before]


def test_ctrl_q_does_not_leave() -> None:
    shown = drive(pressed("ctrl+q"), Play())
    assert "gateway" in shown
