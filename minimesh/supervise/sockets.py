"""Which sockets there are, and which process has one open. On Linux; elsewhere nothing is found.

By sock_diag(7), where the kernel picks out what is asked for, else from /proc/net/tcp. A socket is known by its inode,
and whoever has it open shows that in /proc/<pid>/fd. Calls take from 0.1 ms to some ten, the more the more processes
are looked through: not on the loop.
"""

import os
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from minimesh.model.address import Address
from minimesh.model.attest import Ends

ESTABLISHED, LISTEN = 1, 10
"""States of a socket, as in the kernel's tcp_states.h."""

_SOCK_DIAG, _BY_FAMILY = 4, 20
_ONE, _DUMP = 0x1, 0x301
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
# inet_diag_req_v2 and inet_diag_msg: family, state(s), two ports, two hosts; of the message the user and the inode.
_REQUEST = struct.Struct("=BBBxI2s2s16s16sI8s")
_MESSAGE = struct.Struct("=BBxx2s2s16s16s24xII")
_ANY_COOKIE = b"\xff" * 8
_BYTECODE, _JUMP, _D_EQ = 1, 1, 12
_CONDITION, _OPERATION = struct.Struct("=BBHxxH"), struct.Struct("=BBH")
_ANY_HOST = ("0.0.0.0", "::")
_MAPPED = bytes(10) + b"\xff\xff"
_PORTS_AT_ONCE = 256
_PATIENCE = 2.0


class Socket(NamedTuple):
    """A socket of this machine: its own end, the other one (port 0 where it listens), its inode (0: it belongs to no
    process any more), and its user."""

    local: Address
    remote: Address
    inode: int
    user: int = -1


def listening(port: int | None = None) -> list[Socket]:
    """The sockets that listen, on one port or on any."""
    with suppress(OSError, struct.error):
        return [one for one in _ask(LISTEN, sport=port or 0) if port in (None, one.local.port)]
    return [one for one in _table(LISTEN) if port in (None, one.local.port)]


def callers(ports: Collection[int]) -> list[Socket]:
    """The established sockets whose other end is one of these ports, on any address."""
    wanted = sorted(set(ports))
    pieces = [wanted[start : start + _PORTS_AT_ONCE] for start in range(0, len(wanted), _PORTS_AT_ONCE)]
    with suppress(OSError, struct.error):
        return [one for piece in pieces for one in _ask(ESTABLISHED, dports=piece)]
    among = frozenset(wanted)
    return [one for one in _table(ESTABLISHED) if one.remote.port in among] if wanted else []


def exactly(wanted: Sequence[Ends]) -> list[Socket | None]:
    """The socket that has each of these as its ends; None: there is none (any more), or it belongs to no process.

    A socket of datagrams need not know its other end. In some 5 µs each, however many sockets there are.
    """
    try:
        return _ask_each(wanted)
    except (OSError, struct.error):
        tables = {kind: list(_table(ESTABLISHED, kind)) for kind in map(_protocol, wanted)}
        return [_listed_with(each, tables[_protocol(each)]) for each in wanted]


def owners(inodes: Iterable[int], pids: Iterable[int]) -> dict[int, int]:
    """By inode, the first of `pids` that has the socket open. Who may not be looked at has none."""
    missing = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, int] = {}
    for pid in pids:
        if not missing:
            break
        for target in _open_files(pid):
            if (inode := missing.pop(target, None)) is not None:
                found[inode] = pid
                if not missing:
                    break
    return found


def _open_files(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # it has ended, or belongs to somebody else
        for descriptor in os.listdir(folder):  # noqa: PTH208 - a mesh has thousands, and paths cost ten times as much
            with suppress(OSError):
                yield os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115


def _ask(state: int, sport: int = 0, dports: Collection[int] = ()) -> list[Socket]:
    """Raises OSError where there is no sock_diag."""
    if sys.platform != "linux":
        return []
    condition = _any_of(dports)
    found: list[Socket] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.settimeout(_PATIENCE)
        for family in (socket.AF_INET, socket.AF_INET6):
            body = _REQUEST.pack(
                family, socket.IPPROTO_TCP, 0, 1 << state, sport.to_bytes(2), b"", b"", b"", 0, _ANY_COOKIE
            )
            length = _HEADER.size + len(body) + len(condition)
            netlink.send(_HEADER.pack(length, _BY_FAMILY, _DUMP, 0, 0) + body + condition)
            found += _answers(netlink)
    return found


def _ask_each(wanted: Sequence[Ends]) -> list[Socket | None]:
    """Raises OSError where there is no sock_diag."""
    if sys.platform != "linux":
        return [None] * len(wanted)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.settimeout(_PATIENCE)
        return [_ask_one(netlink, each) for each in wanted]


def _ask_one(netlink: socket.socket, ends: Ends) -> Socket | None:
    family = socket.AF_INET6 if ":" in ends.local.host else socket.AF_INET
    # Of datagrams the kernel wants to know where one would come from, and the socket's own end second.
    ordered = (ends.remote, ends.local) if ends.datagrams else (ends.local, ends.remote)
    hosts = [socket.inet_pton(family, each.host) for each in ordered]
    ports = [each.port.to_bytes(2) for each in ordered]
    protocol = socket.IPPROTO_UDP if ends.datagrams else socket.IPPROTO_TCP
    body = _REQUEST.pack(family, protocol, 0, 0xFFFFFFFF, *ports, *hosts, 0, _ANY_COOKIE)
    netlink.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _ONE, 0, 0) + body)
    try:
        found = next(_answers(netlink))
    except FileNotFoundError:
        return None
    # Where no connection has these ends the kernel looks for who listens there.
    return found if found.inode and _has(found, ends) else None


def _has(found: Socket, ends: Ends) -> bool:
    if ends.datagrams:
        hosts, ports = (*_ANY_HOST, ends.local.host), (0, ends.remote.port)
        return found.local.port == ends.local.port and found.local.host in hosts and found.remote.port in ports
    return (found.local, found.remote) == (ends.local, ends.remote)


def _protocol(ends: Ends) -> str:
    return "udp" if ends.datagrams else "tcp"


def _listed_with(ends: Ends, table: Iterable[Socket]) -> Socket | None:
    return next((one for one in table if one.inode and _has(one, ends)), None)


def _any_of(ports: Collection[int]) -> bytes:
    """A program for the kernel's filter: the other end's port is one of these. b"": any will do.

    A condition that holds falls through to a jump to the end, where a socket is taken; one that does not goes on to
    the next condition. After the last one there is no jump, and its other way leads beyond the end: left out.
    """
    if not ports:
        return b""
    step = _CONDITION.size + _OPERATION.size
    size = len(ports) * step - _OPERATION.size
    program = b""
    for port in ports:
        program += _CONDITION.pack(_D_EQ, _CONDITION.size, step, port)
        if len(program) < size:
            program += _OPERATION.pack(_JUMP, _OPERATION.size, size - len(program))
    return struct.pack("=HH", 4 + size, _BYTECODE) + program


def _answers(netlink: socket.socket) -> Iterator[Socket]:
    while True:
        data = netlink.recv(65_536)
        at = 0
        while at < len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind == _DONE:
                return
            if kind == _ERROR:
                (number,) = struct.unpack_from("=i", data, at + _HEADER.size)
                raise OSError(-number, "sock_diag")
            yield _socket(data, at + _HEADER.size)
            at += (length + 3) & ~3


def _socket(data: bytes, at: int) -> Socket:
    family, _, sport, dport, source, destination, user, inode = _MESSAGE.unpack_from(data, at)
    return Socket(_address(family, source, sport), _address(family, destination, dport), inode, user)


def _address(family: int, host: bytes, port: bytes) -> Address:
    if family == socket.AF_INET:
        text = socket.inet_ntop(family, host[:4])
    elif host.startswith(_MAPPED):  # a connection over IPv4 to a socket for both kinds is shown as what it is
        text = socket.inet_ntop(socket.AF_INET, host[len(_MAPPED) :])
    else:
        text = socket.inet_ntop(family, host)
    return Address(text, int.from_bytes(port))


def _table(state: int, protocol: str = "tcp") -> Iterator[Socket]:
    """proc_pid_net(5): columns 1, 2, 3, 7 and 9; addresses in words of this machine's byte order. Sockets of datagrams
    have no states, so there any will do."""
    for table in (protocol, f"{protocol}6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                columns = line.split()
                if protocol == "udp" or int(columns[3], 16) == state:
                    yield Socket(_listed(columns[1]), _listed(columns[2]), int(columns[9]), int(columns[7]))


def _listed(text: str) -> Address:
    host, _, port = text.partition(":")
    words = [int(host[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(host), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return _address(family, b"".join(words), int(port, 16).to_bytes(2))
