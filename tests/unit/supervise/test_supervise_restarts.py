"""Restart decisions: tables of exit, policy and row."""

from random import Random

import pytest

from minimesh.model.service import Restart, RestartPolicy
from minimesh.supervise.restarts import Verdict, backoff, decide, decide_task, exit_text, row_after
from minimesh.supervise.status import State

NO, ON_FAILURE, ALWAYS = RestartPolicy.NO, RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS


class Middle(Random):
    """Jitter of nothing."""

    def random(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("policy", "code", "row", "state", "delay"),
    [
        (NO, 0, 0, State.EXITED, None),
        (NO, 1, 0, State.EXITED, None),
        (ON_FAILURE, 0, 0, State.EXITED, None),
        (ON_FAILURE, 0, 9, State.EXITED, None),
        (ON_FAILURE, 1, 0, State.BACKOFF, 1.0),
        (ON_FAILURE, -9, 2, State.BACKOFF, 4.0),
        (ON_FAILURE, 1, 3, State.CRASH_LOOP, None),
        (ALWAYS, 0, 0, State.BACKOFF, 1.0),
        (ALWAYS, 0, 3, State.CRASH_LOOP, None),
    ],
)
def test_decide(policy: RestartPolicy, code: int, row: int, state: State, delay: float | None) -> None:
    settings = Restart(policy, backoff_min=1.0, backoff_max=30.0, max=3)
    assert decide(settings, code, row, Middle()) == Verdict(state, delay)


def test_a_maximum_of_none_means_no_restart() -> None:
    assert decide(Restart(max=0), 1, 0, Middle()).state is State.CRASH_LOOP


@pytest.mark.parametrize(("row", "seconds"), [(0, 1.0), (1, 2.0), (4, 16.0), (5, 30.0), (6, 30.0), (5000, 30.0)])
def test_backoff_doubles_up_to_the_maximum(row: int, seconds: float) -> None:
    assert backoff(Restart(backoff_min=1.0, backoff_max=30.0), row, Middle()) == seconds


def test_jitter_is_a_tenth_either_way() -> None:
    rng = Random(1)
    delays = [backoff(Restart(backoff_min=1.0), 0, rng) for _ in range(1000)]
    assert 0.9 <= min(delays) < 0.91
    assert 1.09 < max(delays) <= 1.1


@pytest.mark.parametrize(
    ("ran", "ready", "row"),
    [
        (0.1, None, 4),
        (59.9, None, 4),
        (60.0, None, 0),
        (12.0, 9.9, 4),
        (12.0, 10.0, 0),
    ],
)
def test_a_steady_run_forgives_earlier_restarts(ran: float, ready: float | None, row: int) -> None:
    assert row_after(Restart(backoff_max=30.0), 4, ran, ready) == row


def test_a_short_backoff_does_not_make_a_short_run_a_steady_one() -> None:
    assert row_after(Restart(backoff_min=0.01, backoff_max=0.02), 4, 9.9, None) == 4
    assert row_after(Restart(backoff_min=0.01, backoff_max=0.02), 4, 10.0, None) == 0


@pytest.mark.parametrize(("code", "state"), [(0, State.COMPLETED), (3, State.FAILED), (-15, State.FAILED)])
def test_a_task_runs_once(code: int, state: State) -> None:
    assert decide_task(code) == Verdict(state)


@pytest.mark.parametrize(
    ("code", "stderr", "text"),
    [
        (0, "", "exit 0"),
        (0, "bye", "exit 0"),
        (1, "KeyError: 'STRIPE_KEY'", "exit 1: KeyError: 'STRIPE_KEY'"),
        (-11, "", "killed by SIGSEGV"),
        (-9, "out of memory", "killed by SIGKILL: out of memory"),
        (-40, "", "killed by signal 40"),
    ],
)
def test_exit_text(code: int, stderr: str, text: str) -> None:
    assert exit_text(code, stderr) == text
