"""The role of a connection that was accepted: its limits, its draining, and its end (see life.py)."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import cast

from minimesh.dataplane.connections import WATERMARK, Entrance, ServerConnection, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http2.caller_stream import CallerStream
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    PREFACE,
    SETTINGS,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
)
from minimesh.dataplane.http2.life import NO_SLOTS, ConnectionLife
from minimesh.model import caller as who
from minimesh.model.project import Limits
from minimesh.model.reason import BAD_REQUEST, Cut

MOST_STREAMS = 100
"""At once, on one connection: what Envoy advises at the edge."""
LOOK = 1.0
"""Seconds between two looks at what stands still."""
# Costs that bring nobody anything (see windows.py): a head that was decoded and is too large; a stream too many.
TOO_LARGE, TURNED_AWAY = 200.0, 0.5
ALLOWANCE = 1024 * 1024
"""Bytes that all streams of a caller together may have on their way."""

_DRAINING = b"draining"
_FIRST = bytes((SETTINGS, 0))
"""Type and flags of a caller's first frame."""
_MOST_SKIPPED = 8

SLOTS = (
    "_begun",
    "_entrance",
    "_head_due",
    "_idle_due",
    "_leave_due",
    "_leaving",
    "_send_due",
    "_skipped",
    "_unsent",
    "caller",
    "loopback",
    "peer",
)


class Caller(ConnectionLife):
    """`_begun`: of the preface and the first frame's head; None once they are read. `_leaving`: no further stream is
    taken. `_skipped`: the numbers that were passed over last. `…_due`: when a head has to be whole, some of what waits
    taken, the caller told of the last stream, a connection without streams closed."""

    __slots__ = NO_SLOTS

    _begun: bytes | None
    _entrance: Entrance
    _head_due: float
    _idle_due: float
    _leave_due: float
    _leaving: bool
    _send_due: float
    _skipped: deque[range]
    _unsent: int
    caller: who.Caller
    loopback: bool
    peer: str

    def accept_for(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self.caller = entrance.caller
        self._begun = b""
        self._leaving = False
        self._skipped = deque(maxlen=_MOST_SKIPPED)
        self._unsent = 0
        self._head_due = self._idle_due = self._leave_due = self._send_due = inf
        self.peer = ""
        self.loopback = False

    def known_as(self, caller: who.Caller) -> None:
        self.caller = caller

    @property
    def limits(self) -> Limits:
        return self._entrance.limits

    # --- the codec ---------------------------------------------------------------------------------------------

    def new_stream(self, number: int, end: bool) -> CallerStream:
        """Opened by the caller; `end`: its side of it is whole already."""
        raise NotImplementedError

    def turn_away(self, number: int) -> None:
        """Nothing was done for this stream, and its caller may try again."""
        raise NotImplementedError

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        name = transport.get_extra_info("peername")
        if name:
            self.peer = f"{name[0]}:{name[1]}"
            self.loopback = name[0].startswith("127.") or name[0] == "::1"
        self._entrance.opened(cast("ServerConnection", self))  # which every class with this role is
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
            Setting.INITIAL_WINDOW_SIZE: WINDOW,
            Setting.MAX_HEADER_LIST_SIZE: self._entrance.limits.head_size,
            Setting.ENABLE_CONNECT_PROTOCOL: 1,
        }
        self.greet(ours, ALLOWANCE)
        self.continuing(True)

    def _read_preface(self, begun: bytes) -> bytes:
        """What is behind it, once the frame that has to come next has begun: SETTINGS (RFC 9113, section 3.4)."""
        frame = begun[len(PREFACE) :][3:5]
        if not begun.startswith(PREFACE[: len(begun)]) or not _FIRST.startswith(frame):
            self.fail(Code.PROTOCOL_ERROR, "this does not begin as HTTP/2 does")
            return b""
        if frame != _FIRST:
            self._begun = begun
            return b""
        self._begun = None
        self.continuing(False)
        self._rest()
        return begun[len(PREFACE) :]

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ending = True
        self._cut_all(Cut.CLIENT_GONE, "the caller closed the connection")
        self.wheel.forget(self)
        self._entrance.closed(cast("ServerConnection", self))

    def pause_writing(self) -> None:
        """Who does not take answers may not ask for more."""
        super().pause_writing()
        self._transport.pause_reading()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._send_due = inf
        if self._head_due != inf:
            self.continuing(True)
        if not self._transport.is_closing():
            self._transport.resume_reading()
        super().resume_writing()

    # --- requests in -------------------------------------------------------------------------------------------

    def is_new(self, number: int) -> bool:
        """It is the next that a caller may open, and is opened by this; else one that there was. Raises
        ConnectionFault."""
        if number <= self._last:
            return False
        if not number & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"a caller opened stream {number}")
        if number > self._last + 2:
            self._skipped.append(range((self._last + 1) | 1, number, 2))
        self._last = number
        return True

    def is_idle(self, number: int) -> bool:
        return number > self._last or not number & 1

    def continuing(self, begins: bool) -> None:
        self._head_due = self.wheel.now + self._entrance.limits.head if begins else inf
        self.look_at(self._head_due)

    def _refuse(self, number: int, end: bool, error: Malformed) -> None:
        """A request that cannot be read: RFC 9113, section 8.1.1, wants a reset where the message is malformed."""
        if self._leaving or len(self.streams) >= MOST_STREAMS:
            self.turn_away(number)
            return
        stream = self.new_stream(number, end)
        stream.malformed = error.reason is BAD_REQUEST
        self._entrance.refuse(stream, error.reason, error.detail)
        if stream.malformed:
            self.reset_again()

    def _late_head(self, number: int) -> None:
        if not number & 1 or any(number in passed for passed in self._skipped):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"stream {number} is opened behind stream {self._last}")
        if number not in self.forgiven:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is a head on stream {number}, which is over")

    # --- its end -----------------------------------------------------------------------------------------------

    def empty(self) -> None:
        if self._leaving:
            self.end()
        else:
            self._rest()

    def going_away(self, last: int, code: int, detail: str) -> None:
        """A caller that opens no more streams; what runs goes on, and when it closes, it closes."""
        self._leaving = True
        if not self.streams:
            self.end()

    def drain(self) -> None:
        """Two steps (RFC 9113, section 6.8): a warning, and the last stream once the caller must have heard it."""
        if self._leaving or self.ending or self._leave_due != inf:
            return
        if self._begun is not None or not self.streams:
            self._leaving = True
            self.end()
            return
        self.say_farewell(LAST_NUMBER)
        self.say_ping(_DRAINING)
        self._leave_due = self.wheel.now + LOOK
        self.look_at(self._leave_due)

    def ponged(self) -> None:
        if self._leave_due != inf:
            self._leave()

    def _leave(self) -> None:
        self._leave_due = inf
        self._leaving = True
        if self.streams:
            self.say_farewell(self._last)
        else:
            self.end()

    def abort(self, why: str = "the mesh stopped") -> None:
        self.ending = True
        cut(self._transport)
        self._cut_all(Cut.STOPPED, why)

    def _cut_all(self, how: Cut, detail: str) -> None:
        for stream in self.take_streams():
            assert isinstance(stream, CallerStream)
            stream.cut(how, detail)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """It is not handed over: what is new goes to another connection, which waits for the next image."""
        self.drain()

    def thaw(self) -> None:
        """Callers connect again."""

    def busy_since(self) -> float | None:
        streams = [stream for stream in self._all() if stream.exchange is not None]
        began = [stream.exchange.started for stream in streams if stream.exchange is not None and not stream.tunnel]
        return max(began) if began else -inf if streams else inf

    def _all(self) -> list[CallerStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, CallerStream)]

    def cut_short(self, why: str) -> bool:
        if not self.streams and not self._transport.get_write_buffer_size():
            return False
        self.abort(why)
        return True

    def hand_over(self) -> tuple[int, bytes]:
        raise NotImplementedError  # never asked for: busy_since is never None

    def inherit(self, early: bytes) -> None:
        raise NotImplementedError

    def go_on(self) -> None:
        raise NotImplementedError

    # --- time --------------------------------------------------------------------------------------------------

    def look_at(self, due: float) -> None:
        """Not later than then."""
        if due < self.due:
            self.wheel.arm(self, due)

    def _rest(self) -> None:
        """There is no stream."""
        self._idle_due = self.wheel.now + self._entrance.limits.idle
        self.look_at(self._idle_due)

    def _wait_for_reader(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self._send_due = self.wheel.now + self._entrance.limits.send
        self.look_at(self._send_due)

    def timed_out(self) -> None:
        now, limits = self.wheel.now, self._entrance.limits
        if self.ending:
            self._transport.abort()
            return
        if now >= self._head_due and not self.blocked:
            self.fail(Code.ENHANCE_YOUR_CALM, "a head was not whole in time")
            return
        if now >= self._send_due:
            if self._transport.get_write_buffer_size() >= self._unsent:
                cut(self._transport)
                self._cut_all(Cut.SLOW_READER, f"the caller took nothing for {limits.send:g} s")
                return
            self._wait_for_reader()
        if now >= self._leave_due:
            self._leave()
        self._look(now)
        if not self.ending:
            self.look_at(min(self._head_due, self._send_due, self._leave_due))

    def _look(self, now: float) -> None:
        """At every stream: its deadline, and whether it stands still."""
        again = now + LOOK
        for stream in tuple(self.streams.values()):
            if stream.number in self.streams:
                again = min(again, stream.timed_out(now))
        if self.streams:
            self.look_at(again)
        elif now >= self._idle_due:
            self.end()
        elif not self.ending:
            self.look_at(self._idle_due)
