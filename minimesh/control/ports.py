"""Ports that the mesh chooses: free, the same at every `up`, and out of the way of the kernel's own choices."""

import errno
import hashlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from minimesh.model.address import LOOPBACK
from minimesh.supervise.privatefile import write_private

LOWEST, HIGHEST = 10_000, 65_535
USUAL_EPHEMERAL = (32_768, 60_999)
_EPHEMERAL_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")

IsFree = Callable[[int], bool]


class NoPortError(Exception):
    """Every port that might do is taken."""


class PortBook:
    """Remembers the port of each purpose ("gateway", "web->orders", "orders/2")."""

    def __init__(
        self,
        seed: str,
        known: Mapping[str, int],
        ephemeral: tuple[int, int],
        is_free: IsFree,
        held: Mapping[str, int] | None = None,
    ) -> None:
        """seed: tells this project's ports from those of others, so that two seldom want the same.

        held: the purposes that have their ports now, which are not free because they are ours."""
        self._seed = seed
        self._held = dict(held or {})
        self._known = {**known, **self._held}
        self._usable = _outside(ephemeral)
        self._is_free = is_free
        self._taken: set[int] = set()
        self._promised = set(self._known.values())

    @property
    def known(self) -> Mapping[str, int]:
        return self._known

    def reserve(self, port: int) -> None:
        """Somebody else of this project has it, by what is written in the file."""
        self._taken.add(port)

    def choose(self, purpose: str, wish: int | None = None, is_free: IsFree | None = None) -> int:
        """The port of a purpose: the one it has or had, else the wish, else any. Raises NoPortError.

        is_free: where it is told in another way than for others."""
        free = is_free or self._is_free
        held = self._held.get(purpose)
        if held is not None and held not in self._taken:
            self._taken.add(held)
            return held
        for port in self._candidates(purpose, wish):
            if port not in self._taken and free(port):
                self._taken.add(port)
                self._known[purpose] = port
                return port
        raise NoPortError(f"no free port for {purpose}")

    def _candidates(self, purpose: str, wish: int | None) -> Iterator[int]:
        if wish is not None:
            yield wish
        if purpose in self._known:
            yield self._known[purpose]
        digest = hashlib.sha256(f"{self._seed}\0{purpose}".encode()).digest()
        start = int.from_bytes(digest[:4]) % len(self._usable)
        for offset in range(len(self._usable)):
            port = self._usable[(start + offset) % len(self._usable)]
            if port not in self._promised:
                yield port


def load_ports(path: Path) -> dict[str, int]:
    """What `save_ports` wrote; a file that is missing or damaged only costs the old choices."""
    return _read(path) or {}


def are_lost(path: Path) -> bool:
    """Whether the file is there and says nothing any more."""
    return path.exists() and _read(path) is None


def _read(path: Path) -> dict[str, int] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    return {purpose: port for purpose, port in content.items() if isinstance(port, int) and 0 < port <= HIGHEST}


def save_ports(path: Path, ports: Mapping[str, int]) -> None:
    write_private(path, json.dumps(dict(ports), indent=1, sort_keys=True) + "\n")


def ephemeral_range(file: Path = _EPHEMERAL_FILE) -> tuple[int, int]:
    """First and last port that the kernel gives to outgoing connections."""
    try:
        first, last = map(int, file.read_text().split())
    except (OSError, ValueError):
        return USUAL_EPHEMERAL
    return first, last


def is_free(port: int) -> bool:
    """Nobody listens on it, on either loopback address."""
    return all(_can_bind(host, port, socket.SOCK_STREAM) for host in LOOPBACK)


def is_free_for_datagrams(port: int) -> bool:
    """Likewise, of UDP, which has ports of its own."""
    return all(_can_bind(host, port, socket.SOCK_DGRAM) for host in LOOPBACK)


def free(datagrams: bool) -> IsFree:
    return is_free_for_datagrams if datagrams else is_free


def _can_bind(host: str, port: int, kind: socket.SocketKind) -> bool:
    """What else goes wrong (no IPv6, a port for root alone) does not mean that somebody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def _outside(ephemeral: tuple[int, int]) -> list[int]:
    first, last = ephemeral
    usable = [port for port in range(LOWEST, HIGHEST + 1) if not first <= port <= last]
    return usable or list(range(LOWEST, HIGHEST + 1))
