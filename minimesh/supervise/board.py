"""The statuses of all instances, and who is told when one changes."""

from collections.abc import Callable, Iterable

import anyio

from minimesh.supervise.status import MOVING, InstanceStatus, State


class Board:
    """Kept up by the instances; `on_change` is called with each new status and must not wait.

    A change costs the same however many there are: whoever waits is woken for the name that it waits for alone.
    """

    def __init__(self, statuses: Iterable[InstanceStatus], on_change: Callable[[InstanceStatus], None]) -> None:
        self.statuses: dict[str, list[InstanceStatus]] = {}
        self._on_change = on_change
        self._events: dict[str | None, anyio.Event] = {}
        self._moving: set[tuple[str, int]] = set()
        self.replace(statuses)

    def replace(self, statuses: Iterable[InstanceStatus]) -> None:
        """These instances from now on, in this order. Everybody looks again at what they wait for."""
        self.statuses = {}
        for status in statuses:
            self.statuses.setdefault(status.name, []).append(status)
        self._moving = {
            (status.name, status.replica) for unit in self.statuses.values() for status in unit if _is_moving(status)
        }
        for name in tuple(self._events):
            self._wake(name)

    @property
    def moving(self) -> bool:
        """Some instance leads to another state by itself, whatever the others do."""
        return bool(self._moving)

    def publish(self, status: InstanceStatus) -> None:
        """Says nothing where nothing is new."""
        if not self.put(status):
            return
        self._wake(status.name)
        self._wake(None)
        self._on_change(status)

    def put(self, status: InstanceStatus) -> bool:
        """Notes a status and tells nobody, for what was known before; whether it is another one."""
        instances = self.statuses[status.name]
        index = next(i for i, known in enumerate(instances) if known.replica == status.replica)
        if instances[index] == status:
            return False
        instances[index] = status
        (self._moving.add if _is_moving(status) else self._moving.discard)((status.name, status.replica))
        return True

    async def changed(self, name: str | None = None) -> None:
        """Returns after the next change, of the instances of one name or of any."""
        await self._events.setdefault(name, anyio.Event()).wait()

    def _wake(self, name: str | None) -> None:
        event = self._events.pop(name, None)
        if event is not None:
            event.set()


def _is_moving(status: InstanceStatus) -> bool:
    return status.state in MOVING or (status.task and status.state is State.RUNNING)
