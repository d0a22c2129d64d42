"""The two sides of a tunnel: what one reads the other writes.

Until they are joined a side keeps what it reads, at most one read of it, and its end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, cast

from minimesh.dataplane.connections import WATERMARK, Dialled, Home, ServerConnection, cut
from minimesh.model.caller import Caller
from minimesh.model.reason import Cut

if TYPE_CHECKING:
    from minimesh.dataplane.tunnel.tunnel import Tunnel
    from minimesh.dataplane.tunnel.way import Entry
    from minimesh.dataplane.wheel import Wheel
    from minimesh.telemetry.counters import RouteCounters


class Side(asyncio.Protocol):
    """`blocked`: its peer does not take what is sent. `ended`: its peer has shut its own sending side. `_onward` writes
    to the other side; None before they are joined and after this one is gone. `_early`: what was read before."""

    __slots__ = (
        "_counters",
        "_early",
        "_idle",
        "_onward",
        "_other",
        "_tunnel",
        "_wheel",
        "blocked",
        "ended",
        "transport",
    )

    transport: asyncio.Transport
    _counters: RouteCounters
    _tunnel: Tunnel
    _wheel: Wheel

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._other: Side | None = None
        self._onward: Callable[[bytes], None] | None = None
        self._early = b""
        self._idle = inf
        self.blocked = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            # There may be no limit on silence, so it is the kernel that finds out when a machine is gone.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def join(self, other: Side, wheel: Wheel, idle: float, counters: RouteCounters) -> None:
        """What it reads goes to the other from now on."""
        self._wheel, self._idle, self._counters = wheel, idle, counters
        self._other = other
        self._onward = other.transport.write

    def go(self) -> None:
        """Pass on what came before the two were joined."""
        early, other = self._early, self._other
        self._early = b""
        assert other is not None
        if early:
            self.data_received(early)
        if not self.ended:
            self.hold(other.blocked)
        elif not self._end():
            self.transport.close()

    def hold(self, paused: bool) -> None:
        if self.ended or self.transport.is_closing():
            return
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.blocked = True
        if self._other is not None:
            self._other.hold(True)

    def resume_writing(self) -> None:
        self.blocked = False
        if self._other is not None:
            self._other.hold(False)

    def eof_received(self) -> bool:
        """True keeps its own sending side open: the peer may have shut only its own."""
        self.ended = True
        return self._other is None or self._end()

    def _end(self) -> bool:
        """Pass the end on. False: the other side had ended before, so both close."""
        other = self._other
        assert other is not None
        if not other.ended:
            if not other.transport.is_closing():
                other.transport.write_eof()
            return True
        self._tunnel.shut()
        other.transport.close()
        return False

    def gone(self) -> None:
        """Keep no reference to what is over."""
        self._onward = self._other = None
        self._early = b""


class NearSide(Side, ServerConnection):
    """Towards the caller. `_frozen`: it has not begun, and is not to."""

    __slots__ = ("_begun", "_entry", "_frozen")

    def __init__(self, tunnel: Tunnel, entry: Entry) -> None:
        super().__init__(tunnel)
        self._entry = entry
        self._begun = self._frozen = False

    def known_as(self, caller: Caller) -> None:
        self._tunnel.caller = caller

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._entry.opened(self)
        if not self._frozen:
            self._begin()

    def _begin(self) -> None:
        self._begun = True
        name = self.transport.get_extra_info("peername")
        self._tunnel.begin(f"{name[0]}:{name[1]}" if name else "")

    def data_received(self, data: bytes) -> None:
        onward = self._onward
        if onward is None:
            self._keep(data)
            return
        tunnel = self._tunnel
        size = len(data)
        tunnel.bytes_in += size
        self._counters.bytes_in += size
        tunnel.due = self._wheel.now + self._idle
        onward(data)

    def _keep(self, data: bytes) -> None:
        self._early += data
        if not (self._begun and self._tunnel.wants(self._early)):
            self.hold(True)

    def eof_received(self) -> bool:
        if self._begun:
            self._tunnel.wants_end()
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone()
        self._entry.closed(self)
        if self._begun:
            self._tunnel.left(self, error)

    # --- from the listener -------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Bytes have no end that could be waited for but their own."""

    def abort(self, why: str = "the mesh stopped") -> None:
        if self._begun:
            self._tunnel.cut(Cut.STOPPED, why)
        cut(self.transport)

    def freeze(self) -> None:
        self._frozen = True

    def thaw(self) -> None:
        self._frozen = False
        if not self._begun and not self.transport.is_closing():
            self._begin()

    def busy_since(self) -> float | None:
        return -inf if self._begun else None

    def cut_short(self, why: str) -> bool:
        if self._begun:
            self.abort(why)
        return self._begun

    def hand_over(self) -> tuple[int, bytes]:
        descriptor: int = self.transport.get_extra_info("socket").fileno()
        return descriptor, self._early

    def inherit(self, early: bytes) -> None:
        self._early = early

    def go_on(self) -> None:
        early, self._early = self._early, b""
        self._keep(early)


class FarSide(Side, Dialled):
    """Towards an endpoint."""

    __slots__ = ("_home",)

    def __init__(self, tunnel: Tunnel, home: Home) -> None:
        super().__init__(tunnel)
        self._home = home

    def data_received(self, data: bytes) -> None:
        onward = self._onward
        if onward is None:
            self._early += data
            self.hold(True)
            return
        tunnel = self._tunnel
        size = len(data)
        tunnel.bytes_out += size
        self._counters.bytes_out += size
        tunnel.due = self._wheel.now + self._idle
        onward(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.gone()
        self._home.lost(self)
        self._tunnel.left(self, error)
