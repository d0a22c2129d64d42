"""What listeners and pools see of a connection, and what it sees of them; every codec fits in between."""

import asyncio
import socket
import struct
from typing import Protocol

from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.streams import ClientEvents, ClientStream, ServerEvents, ServerStream
from minimesh.dataplane.wheel import Wheel
from minimesh.model.caller import Caller
from minimesh.model.project import Limits
from minimesh.model.reason import Reason

WATERMARK = 64 * 1024
"""Bytes of a connection that wait, either way, before whoever sends them is held back."""

_RESET = struct.pack("ii", 1, 0)


def cut(transport: asyncio.Transport) -> None:
    """Close at once; the peer sees a reset, so that nothing that was cut looks whole."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def is_secured(transport: asyncio.Transport) -> bool:
    """It speaks TLS: what it has agreed on is this process's alone."""
    return transport.get_extra_info("ssl_object") is not None


class Starts(ServerEvents, Protocol):
    """An exchange, seen from the side that makes it begin."""

    @property
    def started(self) -> float:
        """Monotonic seconds."""
        ...

    @property
    def in_line(self) -> bool:
        """It waits until its service has less to do; nothing was sent yet."""
        ...

    def start(self, data: bytes, end: bool) -> None:
        """`data` is the first of the request's body; `end`: it is all of it."""
        ...


class ServerConnection(asyncio.Protocol):
    """An accepted connection."""

    __slots__ = ()

    def known_as(self, caller: Caller) -> None:
        """More is known of who calls than when it was accepted."""
        raise NotImplementedError

    def drain(self) -> None:
        """Take no further request: close when idle, else after the answer."""
        raise NotImplementedError

    def abort(self, why: str = "the mesh stopped") -> None:
        """Close at once; the peer sees a reset, so that nothing that was cut looks whole."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Begin no further request, and leave what the caller sends unread; what is under way goes on."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Go on as before `freeze`."""
        raise NotImplementedError

    def busy_since(self) -> float | None:
        """When what is under way began, monotonic seconds: `-inf` for a tunnel, which ends when it likes, `inf` for
        an answer that is only not taken yet. None: a frozen connection is between two requests."""
        raise NotImplementedError

    def cut_short(self, why: str) -> bool:
        """Cut what is under way, or answered but not taken yet; whether there was anything."""
        raise NotImplementedError

    def hand_over(self) -> tuple[int, bytes]:
        """The descriptor of a frozen connection that is not busy, and what was read of it but not understood yet."""
        raise NotImplementedError

    def inherit(self, early: bytes) -> None:
        """Before it is connected to an inherited socket: `early` was read of that before."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Look at what was inherited; it may be a whole request."""
        raise NotImplementedError


class Entrance(Protocol):
    """What a connection needs of the listener that accepted it. caller: who comes in by it, as far as that tells.
    connects: CONNECT is taken there."""

    connects: bool
    caller: Caller
    limits: Limits
    wheel: Wheel
    outbox: Outbox
    draining: bool

    def successor(self, connection: ServerConnection) -> ServerConnection:
        """Of a connection whose caller turned out to speak HTTP/2: the protocol to go on with."""
        ...

    def exchange(self, server: ServerStream, head: RequestHead) -> Starts: ...

    def refuse(self, server: ServerStream, reason: Reason, detail: str) -> None:
        """Answer what never became a request."""
        ...

    def opened(self, connection: ServerConnection) -> None: ...

    def closed(self, connection: ServerConnection) -> None: ...


class Dialled(asyncio.Protocol):
    """A dialled connection, whatever is said on it."""

    __slots__ = ()

    transport: asyncio.Transport


class Loose(Protocol):
    """What a pool sees of whoever sends to its endpoint without a connection."""

    @property
    def owed(self) -> bool:
        """An answer may be under way."""
        ...

    def leave(self) -> None:
        """The endpoint is to get nothing more."""
        ...


class ClientConnection(ClientStream, Dialled):
    """A dialled connection: a ClientStream for one exchange at a time, kept for the next when an answer is whole.

    `served` counts the exchanges that are over: a connection that has served may be stale.
    """

    __slots__ = ()

    served: int

    def attend(self, exchange: ClientEvents) -> None:
        """Serve this exchange from now on."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Just made, and nobody needs it yet: idle, and when it is used it may be stale."""
        raise NotImplementedError


class MultiplexedConnection(asyncio.Protocol):
    """A dialled connection that carries many exchanges at once, each on a stream of its own. `told`: the endpoint has
    said what it takes; `tunnels`: upgrades too."""

    __slots__ = ()

    told: bool
    tunnels: bool

    @property
    def transport(self) -> asyncio.Transport:
        raise NotImplementedError

    @property
    def active(self) -> int:
        """Exchanges that it has."""
        raise NotImplementedError

    @property
    def room(self) -> bool:
        """It can take one more exchange now."""
        raise NotImplementedError

    def open(self, exchange: ClientEvents) -> ClientStream:
        """A stream for it; where it asks for an upgrade, only once the endpoint has settled."""
        raise NotImplementedError

    def withdraw(self) -> None:
        """Take no more exchanges, and close after those that there are."""
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


class MultiplexedHome(Protocol):
    """The hub that such a connection belongs to; limits as in Home."""

    wheel: Wheel
    outbox: Outbox

    @property
    def idle_limit(self) -> float: ...

    @property
    def keep_limit(self) -> float: ...

    def settled(self, connection: MultiplexedConnection) -> None:
        """The endpoint has shown that it speaks the protocol."""
        ...

    def strange(self, connection: MultiplexedConnection, detail: str) -> None:
        """Its first bytes are something else, or it closed without any: it has taken nothing."""
        ...

    def withdrawn(self, connection: MultiplexedConnection) -> None:
        """It takes no more exchanges; those that it has go on."""
        ...

    def roomier(self, connection: MultiplexedConnection) -> None:
        """It may take more exchanges than before."""
        ...

    def gone(self, connection: MultiplexedConnection) -> None: ...


class Home(Protocol):
    """The pool that a connection belongs to."""

    wheel: Wheel
    idle_limit: float
    """Seconds without a byte either way, while there is an exchange."""
    keep_limit: float
    """Seconds that an idle connection is kept, if the endpoint does not say less."""

    def speaks_http2(self) -> None:
        """So it has shown, where HTTP/1 was expected."""
        ...

    def release(self, connection: ClientConnection) -> None:
        """It can serve again."""
        ...

    def lost(self, connection: Dialled) -> None: ...


class Opens(Protocol):
    """What a pool needs of whoever wants a connection for itself alone."""

    def far_side(self, home: Home) -> Dialled:
        """What the connection is to be read by; asked for once for each address that is tried."""
        ...

    def opened(self) -> None:
        """It is there."""
        ...

    def not_opened(self, reason: Reason, detail: str) -> None: ...
