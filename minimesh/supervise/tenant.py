"""Is it the program itself that answers at its port, and if nobody does, where does it listen instead?"""

from collections.abc import Iterable
from dataclasses import dataclass

from minimesh.model.address import LOOPBACK, Address
from minimesh.supervise import sockets
from minimesh.supervise.census import Seen
from minimesh.supervise.children import processes
from minimesh.supervise.kin import Kin, program_of
from minimesh.supervise.sockets import Socket

ANY = ("0.0.0.0", "::")
FORWARDERS = frozenset({"docker-proxy", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "pasta.avx2", "conmon"})
"""They hold a port for a container, whoever started it: their answers are believed."""
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Tenant:
    """A running replica and the port that it was given."""

    name: str
    instance: str
    leader: int
    port: int
    run_id: str

    def usurper(self, address: Address) -> str:
        """`port 8103 answers, but it is node, pid 4312, not payments`.

        "" where it is the replica's own, or cannot be told: another user's process, or no Linux.
        Reads /proc: not on the loop.
        """
        for one in answering(sockets.listening(self.port), address):
            pid = self._stranger(one)
            if pid is not None and (program := program_of(pid)) not in FORWARDERS:
                return f"port {self.port} answers, but it is {program or 'a process'}, pid {pid}, not {self.name}"
        return ""

    def elsewhere(self, seen: Seen) -> str:
        """Where the replica listens, if not where it is called; "" where it listens nowhere, or all is well."""
        own = seen.held.get(self.instance, ())
        here = [one for one in own if one.local.port == self.port]
        if not own or any(one.local.host in (*ANY, *LOOPBACK) for one in here):
            return ""
        if here:
            return f"listens on {here[0].local} (pid {here[0].pid}), where nobody calls it; listen on {LOOPBACK[0]}"
        ports = list(dict.fromkeys(one.local.port for one in own))
        named = " and ".join(map(str, ports[:_MOST_NAMED]))
        return f"listens on {named} (pid {own[0].pid}), not on $PORT {self.port}; write port = {ports[0]} or read $PORT"

    def _stranger(self, one: Socket) -> int | None:
        """Who has a socket open, if it is none of the replica's processes: they may share it with others."""
        if not one.inode or sockets.owners([one.inode], [self.leader]):
            return None
        kin = Kin(self.run_id, {self.leader: self.instance})
        first = None
        for pid in _likely_first(self.leader, processes()):
            if sockets.owners([one.inode], [pid]):
                if kin.instance_of(pid) == self.instance:
                    return None
                first = first or pid
        return first


def answering(found: Iterable[Socket], address: Address) -> list[Socket]:
    """Which of the sockets that listen on a port the kernel gives a connection to: the most exact ones."""
    found = list(found)
    hosts = (address.host, *(ANY if ":" not in address.host else ANY[1:]))
    for host in hosts:
        if exact := [one for one in found if one.local == Address(host, address.port)]:
            return exact
    return []


def _likely_first(leader: int, pids: Iterable[int]) -> list[int]:
    """The leader, then who started after it: children mostly have higher numbers."""
    return sorted(pids, key=lambda pid: (pid != leader, pid < leader, pid))
