"""Who starts after whom, and what they are said to wait for."""

from graphlib import CycleError

import pytest

from minimesh.model.service import Condition, Dependency
from minimesh.supervise.order import blocker, levels, settled
from minimesh.supervise.status import InstanceStatus, State

READY, STARTED, COMPLETED = Condition.READY, Condition.STARTED, Condition.COMPLETED


def test_levels_go_from_what_nobody_waits_for_upwards() -> None:
    depends_on = {"web": ["api", "seed"], "api": ["db"], "db": [], "seed": ["db", "elsewhere"]}
    assert levels(depends_on) == [["db"], ["api", "seed"], ["web"]]


def test_a_cycle_is_refused() -> None:
    with pytest.raises(CycleError):
        levels({"a": ["b"], "b": ["a"]})


def status(
    state: State, reason: str = "", *, task: bool = False, started: bool = True, code: int | None = None
) -> InstanceStatus:
    at = 1.0 if started else None
    return InstanceStatus("api", 1, task, state=state, reason=reason, started_at=at, exit_code=code)


@pytest.mark.parametrize(
    ("condition", "instance", "cause"),
    [
        (READY, status(State.READY), None),
        (READY, status(State.RUNNING), None),
        (READY, status(State.COMPLETED, task=True), None),
        (READY, status(State.RUNNING, task=True), "still running"),
        (READY, status(State.STARTING, "/healthz 503 for 0.6 s"), "not ready, /healthz 503 for 0.6 s"),
        (READY, status(State.STARTING), "not ready"),
        (READY, status(State.CRASH_LOOP, "exit 1: KeyError"), "crash-loop, exit 1: KeyError"),
        (READY, status(State.FAILED, "exit 2"), "failed, exit 2"),
        (READY, status(State.WAITING, "waiting for db: not ready"), "waiting for db: not ready"),
        (READY, status(State.PENDING, started=False), "pending"),
        (STARTED, status(State.STARTING), None),
        (STARTED, status(State.BACKOFF), None),
        (STARTED, status(State.WAITING, "waiting for db: pending", started=False), "waiting for db: pending"),
        (STARTED, status(State.STOPPED), "stopped"),
        (COMPLETED, status(State.COMPLETED, task=True), None),
        (COMPLETED, status(State.EXITED, "exit 0", code=0), None),
        (COMPLETED, status(State.EXITED, "exit 1", code=1), "exited, exit 1"),
        (COMPLETED, status(State.READY), "still running"),
    ],
)
def test_what_is_waited_for(condition: Condition, instance: InstanceStatus, cause: str | None) -> None:
    expected = None if cause is None else f"waiting for api: {cause}"
    assert blocker([Dependency("api", condition)], {"api": [instance]}) == expected


def test_of_several_replicas_the_late_one_is_named() -> None:
    replicas = [InstanceStatus("api", 1, state=State.READY), InstanceStatus("api", 2, state=State.STARTING)]
    assert blocker([Dependency("api", READY)], {"api": replicas}) == "waiting for api/2: not ready"


def test_nobody_waits_for_what_is_not_supervised() -> None:
    assert blocker([Dependency("payments", READY)], {}) is None


@pytest.mark.parametrize(
    ("api", "done"),
    [
        (status(State.READY), False),  # web is about to go on
        (status(State.STARTING), False),
        (status(State.BACKOFF), False),
        (status(State.RUNNING, task=True), False),
        (status(State.FAILED), True),
        (status(State.CRASH_LOOP), True),
        (status(State.STOPPED), True),
    ],
)
def test_settled_means_that_nothing_moves_by_itself(api: InstanceStatus, done: bool) -> None:
    statuses = {"api": [api], "web": [InstanceStatus("web", 1, state=State.WAITING)]}
    assert settled({"web": [Dependency("api", READY)]}, statuses) is done


def test_stuck_at_any_distance_is_settled() -> None:
    depends_on = {"web": [Dependency("api", READY)], "api": [Dependency("db", READY)]}
    statuses = {
        "db": [InstanceStatus("db", 1, state=State.CRASH_LOOP)],
        "api": [InstanceStatus("api", 1, state=State.WAITING)],
        "web": [InstanceStatus("web", 1, state=State.WAITING)],
    }
    assert settled(depends_on, statuses)


def test_one_that_moves_does_not_help_where_another_is_stuck() -> None:
    depends_on = {"web": [Dependency("api", READY), Dependency("db", READY)]}
    statuses = {
        "api": [InstanceStatus("api", 1, state=State.FAILED)],
        "db": [InstanceStatus("db", 1, state=State.READY)],
        "web": [InstanceStatus("web", 1, state=State.WAITING)],
    }
    assert settled(depends_on, statuses)
