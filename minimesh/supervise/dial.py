"""What probes do on a socket: connect, or ask for a page. Small enough to need no HTTP library."""

import asyncio
import errno
import os
import re
import socket
from urllib.parse import quote

from minimesh.model.address import Address

MAX_HEAD = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class DialError(Exception):
    """Nobody answers at an address; the text says so, with the address."""


async def dial(address: Address) -> socket.socket:
    """A connected socket. Raises DialError. Waits as long as it takes: put a limit around it."""
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
    found = _STATUS.match(head)
    return int(found[1]) if found else None


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
