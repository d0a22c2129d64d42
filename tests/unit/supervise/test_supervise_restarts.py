"""Restart decisions: tables of exit, policy and row."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.service import Restart, RestartPolicy
from minimesh.supervise.restarts import (
    LOOP,
    STEADY,
    Verdict,
    backoff,
    decide,
    decide_task,
    exit_text,
    failed,
    outlook,
    row_after,
)
from minimesh.supervise.status import State, Streak

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
        (ON_FAILURE, 1, 1, State.BACKOFF, 2.0),
        (ON_FAILURE, -9, 2, State.CRASH_LOOP, 4.0),
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


@given(
    st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 12),
    st.integers(0, 2**32),
)
def test_failures_in_a_row_are_counted_until_a_run_has_lasted(
    runs: list[tuple[float, bool]], most: int, seed: int
) -> None:
    """Whatever the runs are: what is told of them is what a list of their ends says."""
    settings, rng = Restart(backoff_min=1.0, backoff_max=30.0, max=most), Random(seed)
    now, row, ends = 0.0, 0, list[float]()
    streak: Streak | None = None
    for ran, ready in runs:
        now += ran
        row = row_after(settings, row, ran, ran if ready else None)
        if ran >= 60.0 or (ready and ran >= STEADY):
            assert row == 0
            ends.clear()
        verdict = decide(settings, 1, row, rng)
        streak = failed(streak, row, verdict, most, now)
        ends.append(now)
        row += 1
        assert streak is not None
        assert (streak.failures, streak.first, streak.latest) == (len(ends), ends[0], ends[-1])
        assert (verdict.state is State.CRASH_LOOP) == (len(ends) >= LOOP or len(ends) > most)
        assert (streak.next_try is None) == (len(ends) > most)
        if verdict.delay is None:
            break
        now += verdict.delay
        assert streak.next_try == now


def test_where_nothing_is_started_again_there_is_no_streak() -> None:
    assert failed(Streak(2, 0.0, 1.0, 2.0, 5), 2, Verdict(State.EXITED), 5, 9.0) is None


@pytest.mark.parametrize(
    ("streak", "now", "text"),
    [
        (Streak(4, 0.0, 62.0, 70.0, 5), 62.0, "next try in 8.0 s (4 of 5)"),
        (Streak(5, 0.0, 62.0, 78.0, 5), 62.0, "next try in 16 s (5 of 5, then stops)"),
        (Streak(5, 0.0, 62.0, 78.0, 5), 70.0, "next try in 8.0 s (5 of 5, then stops)"),
        (Streak(5, 0.0, 62.0, 78.0, 5), 78.5, "being tried again (5 of 5, then stops)"),
        (Streak(6, 0.0, 62.0, None, 5), 99.0, "6 times in 62 s, not started again"),
        (Streak(1, 5.0, 5.0, None, 0), 99.0, "not started again"),
    ],
)
def test_outlook(streak: Streak, now: float, text: str) -> None:
    assert outlook(streak, now) == text
