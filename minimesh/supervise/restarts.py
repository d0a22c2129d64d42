"""Restart or not, and when: decisions without a clock or a process."""

import signal
from dataclasses import dataclass
from random import Random

from minimesh.model.service import Restart, RestartPolicy
from minimesh.supervise.status import State, Streak

JITTER = 0.1
LOOP = 3
"""Failures in a row that are a crash loop. One may be bad luck, and two where something else was late; whoever fails
a third time needs a person, who should not have to catch the moment to see it."""
PROVED = 1.0
"""Seconds that a program without a probe must run after a failure until it is called running again."""
STEADY = 10.0
"""Seconds of being ready after which earlier failures are forgotten. Running alone must last 2 x backoff_max
too, and this long at least: with a short backoff a slow crash would else be no crash loop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a process that ended: seconds until the restart, or None and a final state."""

    state: State
    delay: float | None = None


def backoff(settings: Restart, row: int, rng: Random) -> float:
    """Seconds before the restart that follows `row` restarts in a row: doubling, ± 10 %."""
    # 2.0 ** 1024 is an overflow; 63 doublings are more than any setting has room for.
    seconds = min(settings.backoff_max, settings.backoff_min * 2.0 ** min(row, 63))
    return seconds * (1 + JITTER * (2 * rng.random() - 1))


def row_after(settings: Restart, row: int, ran: float, ready: float | None) -> int:
    """Restarts in a row that still count after a run of `ran` seconds, `ready` of them ready (None: never)."""
    lasted = ran >= steady(settings, probed=False) or (ready is not None and ready >= STEADY)
    return 0 if lasted else row


def steady(settings: Restart, *, probed: bool) -> float:
    """Seconds that a run must be ready (probed), or only run, until earlier failures are forgotten."""
    return STEADY if probed else max(STEADY, 2 * settings.backoff_max)


def decide(settings: Restart, code: int, row: int, rng: Random) -> Verdict:
    """What to do with a service that ended with `code` after `row` restarts in a row."""
    wanted = settings.policy is RestartPolicy.ALWAYS or (settings.policy is RestartPolicy.ON_FAILURE and code != 0)
    if not wanted:
        return Verdict(State.EXITED)
    if row >= settings.max:
        return Verdict(State.CRASH_LOOP)
    state = State.CRASH_LOOP if row + 1 >= LOOP else State.BACKOFF
    return Verdict(state, backoff(settings, row, rng))


def failed(streak: Streak | None, row: int, verdict: Verdict, most: int, now: float) -> Streak | None:
    """What is told of the failures in a row, after one more; None where there is no restart to speak of.

    row: restarts in a row before this one. now: monotonic seconds.
    """
    if verdict.state not in (State.BACKOFF, State.CRASH_LOOP):
        return None
    first = streak.first if streak is not None and row else now
    return Streak(row + 1, first, now, None if verdict.delay is None else now + verdict.delay, most)


def outlook(streak: Streak, now: float) -> str:
    """`next try in 16 s (5 of 5, then stops)`, or `5 times in 62 s, not started again`; now: monotonic seconds."""
    if streak.next_try is None:
        often = f"{streak.failures} times in {_span(streak.latest - streak.first)}, " if streak.failures > 1 else ""
        return f"{often}not started again"
    last = ", then stops" if streak.failures >= streak.most else ""
    left = streak.next_try - now
    when = f"next try in {_span(left)}" if left > 0 else "being tried again"
    return f"{when} ({streak.failures} of {streak.most}{last})"


def _span(seconds: float) -> str:
    """`0.4 s`, `16 s`."""
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def decide_task(code: int) -> Verdict:
    """A task runs once."""
    return Verdict(State.COMPLETED if code == 0 else State.FAILED)


def exit_text(code: int, last_stderr: str = "") -> str:
    """`exit 1: KeyError: 'STRIPE_KEY'`, or `killed by SIGSEGV`."""
    text = f"exit {code}" if code >= 0 else f"killed by {signal_name(-code)}"
    return f"{text}: {last_stderr}" if last_stderr and code != 0 else text


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
