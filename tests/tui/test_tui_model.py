"""What is told of services: how they are, in which order, how their traffic looks; and what can be commanded."""

from dataclasses import replace

import pytest

from minimesh.control.views import ServiceView, StatView
from minimesh_tui.commands import MisunderstoodError, completions, understand
from minimesh_tui.look import Health
from minimesh_tui.model import SECONDS, Board, Order, arranged, bars, health
from minimesh_tui.screens.detail import facts
from tests.tui.stage import SERVICES, STATS, instance, live, service, stat

GOOD, BAD = stat("x", 10, 1.0, (1, 2, 3)), stat("x", 10, 0.98, (1, 2, 3))


@pytest.mark.parametrize(
    ("view", "traffic", "expected"),
    [
        (service("x"), GOOD, Health.OK),
        (service("x"), None, Health.OK),
        (service("x"), BAD, Health.DEGRADED),
        (service("x", [instance(1), instance(2, state="starting")], state="starting"), None, Health.DEGRADED),
        (service("x", [instance(1, state="starting")], state="starting"), None, Health.STARTING),
        (service("x", [instance(1, state="waiting")], state="waiting"), None, Health.STARTING),
        (service("x", [instance(1, state="backoff")], state="backoff"), None, Health.DOWN),
        (service("x", [instance(1, state="crash-loop")], state="crash-loop"), None, Health.DOWN),
        (service("x", [instance(1), instance(2, state="failed")], state="failed"), GOOD, Health.DEGRADED),
        (service("x", [instance(1, state="stopped")], state="stopped"), BAD, Health.STOPPED),
        (service("x", [instance(1, state="exited", exit_code=0)], state="exited"), None, Health.STOPPED),
        (service("x", [instance(1, state="exited", exit_code=3)], state="exited"), None, Health.DOWN),
        (service("x", [instance(1, state="pending")], state="pending"), None, Health.STOPPED),
        (service("x", [instance(1, state="completed")], state="completed", kind="task"), None, Health.OK),
        (service("x", [instance(1, state="failed")], state="failed", kind="task"), None, Health.DOWN),
    ],
)
def test_health(view: ServiceView, traffic: StatView | None, expected: Health) -> None:
    assert health(view, traffic) is expected


def board() -> Board:
    made = Board()
    made.take(live())
    return made


def test_tasks_are_not_counted_among_the_services() -> None:
    counts = board().counts()
    assert sum(counts.values()) == len(SERVICES) - 1
    assert (counts[Health.DOWN], counts[Health.DEGRADED]) == (1, 1)


@pytest.mark.parametrize(
    ("order", "first"),
    [
        (Order.FILE, ["gateway", "web"]),
        (Order.WORST, ["payments", "orders"]),
        (Order.BUSIEST, ["gateway", "api"]),
        (Order.SLOWEST, ["payments", "orders"]),
    ],
)
def test_orders(order: Order, first: list[str]) -> None:
    assert [row.name for row in arranged(board().rows, order, "")][:2] == first


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("pay", ["payments"]),
        ("CRASH", ["payments"]),
        ("degraded", ["orders"]),
        ("stripe_key pay", ["payments"]),
        ("pay web", []),
        ("  ", [view["name"] for view in SERVICES]),
    ],
)
def test_filters(words: str, names: list[str]) -> None:
    assert [row.name for row in arranged(board().rows, Order.FILE, words)] == names


def test_the_history_grows_by_what_each_line_adds_and_begins_anew_with_a_stream() -> None:
    made = Board()
    made.take(live(seconds=10))
    made.take(live(seconds=3))
    row = made.row("web")
    assert row is not None
    assert len(row.history) == 13
    made.take(live(seconds=60))
    row = made.row("web")
    assert row is not None
    assert len(row.history) == SECONDS
    made.begin()
    made.take(live(seconds=2))
    row = made.row("web")
    assert row is not None
    assert len(row.history) == 2


@pytest.mark.parametrize(
    ("history", "columns", "expected"),
    [
        ((), 10, ""),
        ((0,) * 60, 6, "000000"),
        ((1,) * 60, 6, "333333"),
        ((0,) * 30 + (3,) * 30, 6, "000333"),
        ((3,) * 10, 6, "     3"),
        ((0,) * 59 + (60,), 60, "0" * 59 + "3"),
        ((1,) * 60, 100, "3" * 60),
        ((1,) * 60, 0, ""),
    ],
)
def test_bars(history: tuple[float, ...], columns: int, expected: str) -> None:
    assert bars(history, columns, "0123") == expected


NAMES = ["web", "orders"]


@pytest.mark.parametrize(
    ("line", "verb", "words"),
    [
        ("logs", "logs", ()),
        ("  logs web orders ", "logs", ("web", "orders")),
        ("ser", "services", ()),
        ("window 10s", "window", ("10s",)),
        ("stop web", "stop", ("web",)),
        ("q", "quit", ()),
    ],
)
def test_commands(line: str, verb: str, words: tuple[str, ...]) -> None:
    order = understand(line, NAMES)
    assert order is not None
    assert (order.verb, order.words) == (verb, words)


def test_nothing_said_is_nothing_done() -> None:
    assert understand("  ", NAMES) is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lgos", "did you mean :logs"),
        ("st", "could be any of stop, start"),
        ("stop", "takes one service"),
        ("stop wbe", "did you mean web"),
        ("window 3h", "10s, 1m, 15m"),
    ],
)
def test_what_is_not_understood_says_what_was_meant(line: str, told: str) -> None:
    with pytest.raises(MisunderstoodError, match=told):
        understand(line, NAMES)


def test_every_completion_is_understood() -> None:
    verbs = ("stop", "start", "restart", "window")
    assert all(understand(each, NAMES) for each in completions(NAMES) if each not in verbs)
    assert len(STATS) == len(SERVICES)


def test_what_grpc_calls_came_to_is_told_where_there_were_any() -> None:
    made = board()
    row = next(row for row in made.rows if row.stat is not None)
    assert row.stat is not None
    silent = [part for line in facts(row, made, None, (), 80) for part, _ in line]
    assert not any("gRPC" in part for part in silent)
    counted: StatView = {**row.stat, "grpc": {"OK": 7, "UNAVAILABLE": 9}, "messages_in": 16, "messages_out": 30}
    row = replace(row, stat=counted)
    told = ["".join(part for part, _ in line).split(maxsplit=1) for line in facts(row, made, None, (), 80)]
    assert ["gRPC", "UNAVAILABLE x9   OK x7   messages 16 in, 30 out"] in told
