"""A mesh that ends and comes back, a log that is left and looked at again, what is asked for and what is not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from minimesh.control.client import Parameters, RefusedError
from minimesh_tui.app import MeshApp
from tests.tui.stage import LOGS, Play, drive, line, live, pressed, settled, text_of, until


def source_of(screen: MeshApp) -> Play:
    play = screen._source
    assert isinstance(play, Play)
    return play


def asked(play: Play, path: str) -> list[object]:
    return [parameters for asked, parameters in play.asked if asked == path]


def test_a_mesh_that_comes_back_is_followed_again() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        play = source_of(screen)
        play.end()
        await until(pilot, lambda: "mesh lost 14:02:11" in text_of(screen))
        assert "U starts it again" in text_of(screen)
        assert "129.4" in text_of(screen)
        play.running = True
        play.lives = [live(project="again")]
        await until(pilot, lambda: " again " in text_of(screen))

    shown = drive(act, Play())
    assert "mesh lost" not in shown
    assert "LIVE" in shown


def test_a_mesh_that_is_too_old_for_the_screens_says_so() -> None:
    class Old(Play):
        async def stream(self, path: str, parameters: Parameters) -> AsyncIterator[list[Any]]:
            raise RefusedError(404, "no_such_path", f"GET {path}")
            yield []

    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await until(pilot, lambda: "the mesh refuses /v1/" in text_of(screen))

    drive(act, Old(lives=[]))


def test_nothing_can_be_restarted_in_a_mesh_that_has_gone() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        source_of(screen).end()
        await until(pilot, lambda: "mesh lost" in text_of(screen))
        await pressed("j", "r", "y")(pilot, screen)
        assert source_of(screen).posted == []

    drive(act, Play())


def test_logs_are_asked_for_only_while_they_are_on_screen_and_go_on_where_they_were() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        play = source_of(screen)
        assert asked(play, "/v1/logs") == []
        await pilot.press("4")
        await until(pilot, lambda: screen.logs.lines.kept == len(LOGS))
        await pilot.press("2")
        await until(pilot, lambda: not play._queues["/v1/logs"])
        await pilot.press("4")
        await until(pilot, lambda: len(asked(play, "/v1/logs")) == 2)
        first, second = asked(play, "/v1/logs")
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert first["since"] is None
        assert second["since"] == LOGS[-1]["time"]
        await until(pilot, lambda: bool(play._queues["/v1/logs"]))
        play.tell("/v1/logs", LOGS[-1], line("new in the same moment", "api", -0.120), line("later", "api", 1))
        await until(pilot, lambda: screen.logs.lines.kept == len(LOGS) + 2)

    shown = drive(act, Play())
    assert shown.count("GET /orders/8812 200 9ms") == 1
    assert "new in the same moment" in shown


def test_what_was_left_out_is_told() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await pilot.press("4")
        await until(pilot, lambda: screen.logs.lines.kept == len(LOGS))
        source_of(screen).tell("/v1/logs", {"dropped": 1_234})
        await until(pilot, lambda: screen.logs.dropped == 1_234)

    assert "1,234 left out" in drive(act, Play())


def test_a_paused_screen_asks_for_nothing() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        play = source_of(screen)
        await pilot.press("space")
        await until(pilot, lambda: not play._queues["/v1/live"])
        await pilot.press("space")
        await until(pilot, lambda: bool(play._queues["/v1/live"]))

    assert "LIVE" in drive(act, Play())


def test_the_window_is_asked_for() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await pressed("t", "t", "t", "colon", *"window 15m", "enter")(pilot, screen)
        await until(pilot, lambda: len(asked(source_of(screen), "/v1/live")) >= 2)
        await settled(pilot)

    play = Play()
    assert "15m window" in drive(act, play)
    last = asked(play, "/v1/live")[-1]
    assert isinstance(last, dict)
    assert last["window_ms"] == 900_000


def test_services_that_are_not_on_screen_are_asked_for_less_often() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await pilot.press("4")
        await until(pilot, lambda: len(asked(source_of(screen), "/v1/live")) == 2)
        await pilot.press("2")
        await until(pilot, lambda: len(asked(source_of(screen), "/v1/live")) == 3)

    play = Play()
    drive(act, play)
    assert [each["every_ms"] for each in asked(play, "/v1/live") if isinstance(each, dict)] == [500, 2_000, 500]


def test_a_filter_is_kept_for_editing_and_can_be_turned_off() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await pressed("f", *"pay", "enter")(pilot, screen)
        assert screen.services.table.count == 1
        await pressed("F")(pilot, screen)
        assert screen.services.table.count == 8
        await pressed("f", *"x", "escape")(pilot, screen)
        assert screen.services.words == "pay"
        await pressed("f", "backspace", "backspace", "enter")(pilot, screen)
        assert screen.services.words == "p"

    drive(act, Play())


def test_copying_leaves_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    drive(pressed("j", "y"), Play(), folder=tmp_path)
    file = tmp_path / "copied.txt"
    assert file.read_text() == "web  running  127.0.0.1:8101\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_click_selects_a_row() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        await pilot.click("#table", offset=(5, 5))
        await settled(pilot)
        assert screen.services.table.selected == "payments"

    assert "KeyError: 'STRIPE_KEY'" in drive(act, Play())


def test_from_a_red_line_to_its_cause_and_its_log_in_three_keys() -> None:
    assert "stderr    KeyError: 'STRIPE_KEY'" in drive(pressed("o", "enter"), Play(), (80, 24))
    assert "| KeyError: 'STRIPE_KEY'" in drive(pressed("o", "l"), Play(), (80, 24))


def test_growing_out_of_too_small() -> None:
    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        assert "needs 60x15" in text_of(screen)
        await pilot.resize_terminal(80, 24)

    assert "payments" in drive(act, Play(), (40, 10))
