"""What is known of each instance, as values for whoever asks."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """PENDING: nobody asked for it yet. WAITING: for what it depends on. STARTING: runs, not ready yet.
    RUNNING: runs, and has no probe. BACKOFF: waits to be started again. CRASH_LOOP: failed again and again;
    stays so while it is tried again, until a run has lasted or it is given up (`streak.next_try` is None).
    EXITED: ended, and the policy wants no restart. COMPLETED: a task that ended well. FAILED: a task that
    ended badly, a program that cannot be started, or (with a pid) a service that was not ready in time and is
    still asked."""

    PENDING = "pending"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    READY = "ready"
    BACKOFF = "backoff"
    CRASH_LOOP = "crash-loop"
    STOPPING = "stopping"
    STOPPED = "stopped"
    EXITED = "exited"
    COMPLETED = "completed"
    FAILED = "failed"


MOVING = frozenset({State.STARTING, State.BACKOFF, State.STOPPING})
"""States that lead to another one without anybody's help. WAITING does where what it waits for does."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Runs that ended badly in a row. Times are monotonic seconds; next_try: None if there will be none.

    `first` and `latest` are the ends of the first and the last of them; `most` restarts in a row are allowed.
    """

    failures: int
    first: float
    latest: float
    next_try: float | None
    most: int


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One replica. Times are monotonic seconds and of the latest run; pid is None when nothing runs.

    `reason` says why it is where it is and stays until the state is a good one again. `probe` is what the
    last readiness probe saw, and where a program without one was seen to listen instead. `restarts` counts those
    made by the restart policy since `start`.
    exit_code and last_stderr are of the last run that ended; a negative code is a signal's number.
    """

    name: str
    replica: int
    task: bool = False
    state: State = State.PENDING
    reason: str = ""
    probe: str = ""
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    started_at: float | None = None
    ready_at: float | None = None
    exit_code: int | None = None
    last_stderr: str = ""
    streak: Streak | None = None

    @property
    def serving(self) -> bool:
        """May get traffic. So may one that is up but has to prove it, after failures: it has answers until it fails."""
        proving = self.state in (State.STARTING, State.CRASH_LOOP) and self.ready_at is not None
        return not self.task and (self.state in (State.READY, State.RUNNING) or proving)

    @property
    def good(self) -> bool:
        """Is what it is meant to be: up, and not only for a moment between two failures."""
        return (not self.task and self.state in (State.READY, State.RUNNING)) or self.state is State.COMPLETED
