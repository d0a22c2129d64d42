"""What probes do on a socket: connect, or ask for a page. Small enough to need no HTTP library."""

import asyncio
import errno
import os
import re
import socket
from contextlib import suppress
from urllib.parse import quote

import anyio

from minimesh.model.address import Address, Dialable, UnixAddress

MAX_HEAD = 16 * 1024
LINGER = 0.2
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


def label(address: Dialable) -> str:
    """`tcp 127.0.0.1:8103`, `unix:/run/pay.sock`."""
    return f"tcp {address}" if isinstance(address, Address) else str(address)


class DialError(Exception):
    """Nobody answers at an address; the text says so, with the address."""


async def dial(address: Dialable) -> socket.socket:
    """A connected socket. Raises DialError. Waits as long as it takes: put a limit around it."""
    return await _dial_port(address) if isinstance(address, Address) else _dial_file(address)


def _dial_file(address: UnixAddress) -> socket.socket:
    """At once: one that has no room for us just now does not make us wait."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(address.path)
    except BlockingIOError as error:
        sock.close()
        raise DialError(f"{address}: does not accept") from error
    except OSError as error:
        sock.close()
        raise DialError(f"{address}: {_said(error)}") from error
    return sock


async def _dial_port(address: Address) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DialError(f"tcp {address}: {getattr(error, 'strerror', None) or error}") from error
    family, kind, protocol, _, name = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, name)
        # A port that nobody listens on may be chosen for our own end: TCP then connects to itself.
        if sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
    except OSError as error:
        sock.close()
        raise DialError(f"tcp {address}: {_said(error)}") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def get_status(sock: socket.socket, path: str, host: str) -> int | None:
    """The status of `GET path`; None for an answer that is not HTTP/1. Raises OSError."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, request(path, host))
    head = b""
    while b"\n" not in head and len(head) < MAX_HEAD:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            break
        head += data
    return status_in(head)


def status_in(head: bytes) -> int | None:
    found = _STATUS.match(head)
    return int(found[1]) if found else None


async def hear_out(sock: socket.socket) -> None:
    """Take what is left of an answer, within reason: who writes to a socket file whose other end is closed fails, where
    a port would take it."""
    with anyio.move_on_after(LINGER), suppress(OSError):
        for _ in range(MAX_HEAD // 1024):
            if not await asyncio.get_running_loop().sock_recv(sock, 64 * 1024):
                return


def request(path: str, host: str) -> bytes:
    """RFC 9112 section 3; whatever may not stand in a target is percent-encoded."""
    target = quote(path, safe="/?&=%:@!$'()*+,;~-._[]")
    return (
        f"GET {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: minimesh-probe\r\n"
        "accept: */*\r\nconnection: close\r\n\r\n"
    ).encode("ascii")


def _said(error: OSError) -> str:
    """In lower case and without the address, which is said already. uvloop's errors have only a number."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
