"""The statuses of all instances, and who is told when one changes."""

from collections.abc import Callable, Iterable

import anyio

from minimesh.supervise.status import InstanceStatus


class Board:
    """Kept up by the instances; `on_change` is called with each new status and must not wait."""

    def __init__(self, statuses: Iterable[InstanceStatus], on_change: Callable[[InstanceStatus], None]) -> None:
        self.statuses: dict[str, list[InstanceStatus]] = {}
        for status in statuses:
            self.statuses.setdefault(status.name, []).append(status)
        self._on_change = on_change
        self._changed = anyio.Event()

    def publish(self, status: InstanceStatus) -> None:
        """Says nothing where nothing is new."""
        instances = self.statuses[status.name]
        index = next(i for i, known in enumerate(instances) if known.replica == status.replica)
        if instances[index] == status:
            return
        instances[index] = status
        self._changed.set()
        self._changed = anyio.Event()
        self._on_change(status)

    async def changed(self) -> None:
        """Returns after the next change."""
        await self._changed.wait()
