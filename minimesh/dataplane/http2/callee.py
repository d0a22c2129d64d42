"""The role of a connection that was dialled: its room, its retiring, and its end (see life.py)."""

from __future__ import annotations

import asyncio
from typing import cast

from minimesh.dataplane.connections import MultiplexedConnection, MultiplexedHome
from minimesh.dataplane.http2.callee_stream import CalleeStream
from minimesh.dataplane.http2.frames import Code, name_of
from minimesh.dataplane.http2.life import NO_SLOTS, ConnectionLife
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import UPSTREAM_PROTOCOL, UPSTREAM_RESET

MOST_STREAMS = 100
"""At once, on one connection, as long as the endpoint does not say what it takes; and never more than this."""
LOOK = 1.0
ALLOWANCE = 8 * 1024 * 1024
"""Bytes that all answers of an endpoint together may have on their way."""

SLOTS = ("_hub", "_next", "heard", "leaving", "most", "reserved", "served", "told", "tunnels")


class Callee(ConnectionLife):
    """`most`: streams that the endpoint takes at once. `served`: exchanges that are over. `heard`: reads so far.
    `leaving`: it takes no more. `told`: the first SETTINGS of the endpoint came. `tunnels`: it takes WebSocket."""

    __slots__ = NO_SLOTS

    _hub: MultiplexedHome
    _next: int
    most: int
    reserved: int
    served: int
    heard: int
    leaving: bool
    told: bool
    tunnels: bool

    def dial_for(self, hub: MultiplexedHome) -> None:
        self._hub = hub
        self._next = 1
        self.most = MOST_STREAMS
        self.reserved = self.served = self.heard = 0
        self.leaving = self.told = self.tunnels = False

    @property
    def _itself(self) -> MultiplexedConnection:
        """Which every class with this role is."""
        return cast("MultiplexedConnection", self)

    @property
    def hub(self) -> MultiplexedHome:
        return self._hub

    @property
    def transport(self) -> asyncio.Transport:
        return self._transport

    @property
    def active(self) -> int:
        return len(self.streams) + self.reserved

    @property
    def room(self) -> bool:
        return not self.leaving and len(self.streams) + self.reserved < self.most and not self.blocked

    def give_back(self) -> None:
        """A stream that got no head."""
        self.reserved -= 1
        if not self.leaving:
            self._hub.roomier(self._itself)
        elif not self.streams and not self.reserved:
            self.end()

    # --- from the transport ------------------------------------------------------------------------------------

    def _strange(self, detail: str) -> None:
        self.ending = self.leaving = True
        streams = self._streams_taken()
        self._transport.abort()
        self._hub.strange(self._itself, detail)
        for stream in streams:
            stream.cut(UPSTREAM_PROTOCOL, detail, Fate.UNPROCESSED)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        told, ended = self.told, self.ending
        self.ending = self.leaving = True
        self.wheel.forget(self)
        self._hub.gone(self._itself)
        if not told and not ended:
            self._hub.strange(self._itself, "it closed the connection without a word")
        for stream in self._streams_taken():
            if not told:
                fate = Fate.UNPROCESSED
            elif stream.answered or not self.served or stream.heard != self.heard:
                fate = Fate.UNKNOWN
            else:
                fate = Fate.STALE
            stream.cut(UPSTREAM_RESET, "it closed the connection before its answer was whole", fate)

    # --- from the connection -----------------------------------------------------------------------------------

    def is_idle(self, number: int) -> bool:
        return number >= self._next or not number & 1

    def going_away(self, last: int, code: int, detail: str) -> None:
        self.withdraw()
        for number, stream in tuple(self.streams.items()):
            if number > last and self.streams.get(number) is stream:
                assert isinstance(stream, CalleeStream)
                stream.leave()
                stream.cut(UPSTREAM_RESET, f"it is going away: {name_of(code)} {detail}".rstrip(), Fate.UNPROCESSED)
        if not self.streams and not self.reserved:
            self.end()

    def withdraw(self) -> None:
        """Take no more streams."""
        if not self.leaving:
            self.leaving = True
            self._hub.withdrawn(self._itself)
            if not self.streams and not self.reserved:
                self.end()

    def empty(self) -> None:
        if self.leaving:
            if not self.reserved:
                self.end()
        else:
            self.wheel.arm(self, self.wheel.now + self._hub.keep_limit)

    def fail(self, code: Code, detail: str) -> None:
        self.leaving = True
        self._hub.withdrawn(self._itself)
        super().fail(code, detail)
        if not self.told:
            self._hub.strange(self._itself, detail)

    def reset_again(self) -> None:
        """As often as it likes: it can only reset what we open."""

    def abort(self) -> None:
        self.ending = self.leaving = True
        self._transport.abort()

    def _streams_taken(self) -> list[CalleeStream]:
        return [stream for stream in self.take_streams() if isinstance(stream, CalleeStream)]

    # --- time --------------------------------------------------------------------------------------------------

    def _arm(self, due: float) -> None:
        if due < self.due:
            self.wheel.arm(self, due)

    def timed_out(self) -> None:
        now = self.wheel.now
        if self.ending:
            self._transport.abort()
        elif self.streams:
            for stream in tuple(self.streams.values()):
                if stream.number in self.streams:
                    stream.timed_out(now)
            if self.streams and not self.ending:
                self._arm(now + LOOK)
        else:
            self.withdraw()
