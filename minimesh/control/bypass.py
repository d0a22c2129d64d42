"""Calls around the mesh: who has a connection to the real port of a replica, with no mesh between.

A look every two seconds finds what is connected at that moment. Whoever connects and leaves between two looks is
missed, and a connection that is only waiting to be forgotten (TIME_WAIT) has no process any more. On Linux.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import anyio
from anyio import to_thread

from minimesh.model.address import LOOPBACK
from minimesh.supervise import sockets
from minimesh.supervise.children import processes
from minimesh.supervise.kin import Kin, program_of
from minimesh.supervise.sockets import Socket
from minimesh.supervise.status import InstanceStatus

EVERY = 2.0
MOST_KEPT = 256
"""Callers that are remembered; whoever comes after them is not told of."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """service: of ours, that the caller belongs to; "" for a stranger. variable: where it finds the address to use."""

    caller: str
    service: str
    pid: int
    callee: str
    port: int
    variable: str

    def __str__(self) -> str:
        """`web (pid 4312) calls orders at 10123 directly, around the mesh: use $ORDERS_URL`."""
        said = f"{self.caller} (pid {self.pid}) calls {self.callee} at {self.port} directly, around the mesh"
        return f"{said}: use ${self.variable}" if self.service else said


class Bypasses:
    """Each caller of a service is told of once: a service of ours by its name, others by their program."""

    def __init__(
        self,
        run_id: str,
        statuses: Callable[[], Iterable[InstanceStatus]],
        tell: Callable[[Bypass], None],
        variable: Callable[[str], str],
    ) -> None:
        """statuses: of the replicas that others are to call through the mesh. variable: by the service's name."""
        self._run_id = run_id
        self._statuses = statuses
        self._tell = tell
        self._variable = variable
        self._known: dict[tuple[str, str], Bypass] = {}
        self._seen = frozenset[int]()

    def known(self) -> tuple[Bypass, ...]:
        """All callers that were seen since the start."""
        return tuple(self._known.values())

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await anyio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        running = {each.port: each for each in self._statuses() if each.pid is not None and each.port is not None}
        if not running:
            return
        for found in await to_thread.run_sync(self._find, running):
            key = (found.caller, found.callee)
            if key not in self._known and len(self._known) < MOST_KEPT:
                self._known[key] = found
                self._tell(found)

    def _find(self, running: Mapping[int, InstanceStatus]) -> list[Bypass]:
        calls = {one.inode: one for one in sockets.callers(running) if one.inode and _is_local(one)}
        # Connections live long, and looking for an owner reads the descriptors of all processes: once for each.
        new = calls.keys() - self._seen
        self._seen = frozenset(calls)
        unknown = new - sockets.owners(new, [os.getpid()]).keys()
        kin = Kin(self._run_id, {each.pid: f"{each.name}/{each.replica}" for each in running.values() if each.pid})
        found = []
        for inode, pid in sockets.owners(unknown, processes()).items():
            callee = running[calls[inode].remote.port]
            service = kin.instance_of(pid).partition("/")[0]
            if service != callee.name:
                port = calls[inode].remote.port
                caller, variable = service or program_of(pid) or "a process", self._variable(callee.name)
                found.append(Bypass(caller, service, pid, callee.name, port, variable))
        return found


def _is_local(one: Socket) -> bool:
    """The other end is on this machine: another one may have the same port."""
    return one.remote.host in LOOPBACK or one.remote.host.startswith("127.") or one.remote.host == one.local.host
