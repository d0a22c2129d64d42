"""Restart or not, and when: decisions without a clock or a process."""

import signal
from dataclasses import dataclass
from random import Random

from minimesh.model.service import Restart, RestartPolicy
from minimesh.supervise.status import State

JITTER = 0.1
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
    steady = ran >= max(STEADY, 2 * settings.backoff_max) or (ready is not None and ready >= STEADY)
    return 0 if steady else row


def decide(settings: Restart, code: int, row: int, rng: Random) -> Verdict:
    """What to do with a service that ended with `code` after `row` restarts in a row."""
    wanted = settings.policy is RestartPolicy.ALWAYS or (settings.policy is RestartPolicy.ON_FAILURE and code != 0)
    if not wanted:
        return Verdict(State.EXITED)
    if row >= settings.max:
        return Verdict(State.CRASH_LOOP)
    return Verdict(State.BACKOFF, backoff(settings, row, rng))


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
