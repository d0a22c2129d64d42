"""What happened to the services and the mesh: the latest kept, the rest for whoever follows."""

from collections import deque
from collections.abc import Callable, Iterable

from minimesh.control.views import EventView
from minimesh.model.clock import Clock
from minimesh.supervise.restarts import exit_text, outlook
from minimesh.supervise.status import InstanceStatus, State
from minimesh.telemetry.accesslog import timestamp

KEPT = 1_000
MESH = "minimesh"
"""The service of events of the mesh itself; no service can be called so and be shown as anything else."""


class Journal:
    """Bounded; followers are called on the loop and must not wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[EventView] = deque(maxlen=KEPT)
        self._followers: list[Callable[[EventView], None]] = []

    def add(self, service: str, kind: str, message: str) -> None:
        event: EventView = {
            "time": timestamp(self._clock.wall()),
            "service": service,
            "kind": kind,
            "message": message,
        }
        self._kept.append(event)
        for follower in tuple(self._followers):
            follower(event)

    def restore(self, events: Iterable[EventView]) -> None:
        """Those of an earlier image of this program: kept, and told to nobody."""
        self._kept.extend(events)

    def kept(self) -> list[EventView]:
        """Oldest first."""
        return list(self._kept)

    def follow(self, follower: Callable[[EventView], None]) -> Callable[[], None]:
        """Calls `follower` with all that comes from now on; returns what ends that."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)


def message_of(status: InstanceStatus) -> str:
    """One line that says where an instance is, for people."""
    match status.state:
        case State.READY:
            return f"ready: {status.probe}" if status.probe else "ready"
        case State.RUNNING:
            return status.probe or ("running" if status.task else "running (no health check)")
        case State.STARTING:
            return status.reason or "started"
        case State.BACKOFF | State.CRASH_LOOP if status.streak is not None:
            return f"{status.reason}; {outlook(status.streak, status.streak.latest)}"
        case State.STOPPED | State.EXITED if status.exit_code is not None and not status.reason:
            return f"{status.state}: {exit_text(status.exit_code)}"
        case _:
            return status.reason or status.state.value
