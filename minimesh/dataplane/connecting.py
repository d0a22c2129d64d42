"""A connection to one address, be that a port or the file of a Unix-domain socket."""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from minimesh.model.address import Address, Dialable
from minimesh.model.reason import Reason

P = TypeVar("P", bound=asyncio.BaseProtocol)

FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05


class DialError(OSError):
    """There is no connection, and more is known of why than that nobody accepted it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


async def connect(loop: asyncio.AbstractEventLoop, make: Callable[[], P], address: Dialable) -> P:
    """Waits as long as it takes: put a limit around it. Raises OSError."""
    if isinstance(address, Address):
        _, connection = await loop.create_connection(make, address.host, address.port)
        return connection
    return await join(loop, make, await _reach(address.path))


async def join(loop: asyncio.AbstractEventLoop, make: Callable[[], P], connected: socket.socket) -> P:
    """The protocol of a socket that is connected already. Raises OSError."""
    create = loop.create_unix_connection if connected.family == socket.AF_UNIX else loop.create_connection
    _, connection = await create(make, sock=connected)
    return connection


async def _reach(path: str) -> socket.socket:
    """A socket connected to whoever listens at a file. That takes no time; but where the line of those that wait to be
    accepted is full Linux says EAGAIN (connect(2)), where a port would let us wait, and loops take that for "under
    way". So this asks again."""
    dialling = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dialling.setblocking(False)
    pause = FIRST_PAUSE
    try:
        while True:
            try:
                dialling.connect(path)
            except BlockingIOError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return dialling
    except BaseException:
        dialling.close()
        raise
