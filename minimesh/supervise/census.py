"""Which replica listens where: one look at the machine serves all who ask within a moment, however many they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio import to_thread

from minimesh.model.address import Address
from minimesh.model.clock import Clock
from minimesh.supervise import sockets
from minimesh.supervise.children import processes
from minimesh.supervise.kin import Kin

FRESH = 0.5
"""Seconds for which a look counts."""


class Held(NamedTuple):
    """A socket that listens, and a process of the replica that has it open."""

    local: Address
    pid: int


@dataclass(frozen=True, slots=True)
class Seen:
    """held: by replica (`payments/1`), in the order of the ports. taken: the ports on which anybody listens."""

    held: Mapping[str, Sequence[Held]] = field(default_factory=dict)
    taken: frozenset[int] = frozenset()


class Census:
    """Of one run. leaders: the replicas that run now, by the pids that the mesh started. Asked on the loop."""

    def __init__(self, run_id: str, leaders: Callable[[], Mapping[int, str]], clock: Clock) -> None:
        self._run_id = run_id
        self._leaders = leaders
        self._clock = clock
        self._lock = anyio.Lock()
        self._seen = Seen()
        self._until = 0.0

    async def look(self) -> Seen:
        """As it is now, or was a moment ago."""
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                kin = Kin(self._run_id, dict(self._leaders()))
                self._seen = await to_thread.run_sync(count, kin)
                self._until = self._clock.monotonic() + FRESH
            return self._seen


def count(kin: Kin) -> Seen:
    """Reads /proc, in some 0.1 ms for each process of the run: not on the loop."""
    listening = {one.inode: one.local for one in sockets.listening()}
    whose = {pid: instance for pid in processes() if (instance := kin.instance_of(pid))}
    held: dict[str, list[Held]] = {}
    for inode, pid in sockets.owners(listening, _leaders_first(whose, kin.leaders)).items():
        held.setdefault(whose[pid], []).append(Held(listening[inode], pid))
    return Seen(
        {instance: sorted(found, key=lambda one: one.local.port) for instance, found in held.items()},
        frozenset(address.port for address in listening.values()),
    )


def _leaders_first(pids: Mapping[int, str], leaders: Mapping[int, str]) -> list[int]:
    """Of several processes that share a socket the one is named that people know."""
    return sorted(pids, key=lambda pid: (pid not in leaders, pid))
