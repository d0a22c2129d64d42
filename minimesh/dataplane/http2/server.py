"""The side towards the caller: an accepted connection with a stream for each exchange."""

from __future__ import annotations

import asyncio
from math import inf
from typing import cast

from minimesh.dataplane.connections import WATERMARK, Entrance, ServerConnection, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.http2.connection import Http2Connection
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    PREFACE,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
    goaway,
    ping,
    rst_stream,
    settings,
    window_update,
)
from minimesh.dataplane.http2.hpack import Decoder, HpackError, TooLarge
from minimesh.dataplane.http2.request import MEMORY, requests_of
from minimesh.dataplane.http2.response import read_trailers
from minimesh.dataplane.http2.server_stream import Http2ServerStream
from minimesh.model.project import Limits
from minimesh.model.reason import BAD_REQUEST, HEAD_TOO_LARGE, Cut

MOST_STREAMS = 100
"""At once, on one connection: what Envoy advises at the edge."""
_LOOK = 1.0
"""Seconds between two looks at what stands still."""
_DRAINING = b"draining"


class Http2Server(Http2Connection, ServerConnection):
    """`_preface`: what is still to come of the caller's. `_leaving`: no further stream is taken."""

    __slots__ = ("_entrance", "_leaving", "_preface", "_reader", "_told", "_unsent", "loopback", "peer")

    def __init__(self, entrance: Entrance) -> None:
        limits = entrance.limits
        decoder = Decoder(MEMORY, most_bytes=limits.head_size, most_fields=limits.fields)
        super().__init__(entrance.wheel, entrance.outbox, decoder)
        self._entrance = entrance
        self._reader = requests_of(limits)
        self._preface = PREFACE
        self._leaving = self._told = False
        self._unsent = 0
        self.peer = ""
        self.loopback = False

    @property
    def limits(self) -> Limits:
        return self._entrance.limits

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        name = transport.get_extra_info("peername")
        if name:
            self.peer = f"{name[0]}:{name[1]}"
            self.loopback = name[0].startswith("127.") or name[0] == "::1"
        self._entrance.opened(self)
        limits = self._entrance.limits
        self.write(
            settings(
                {
                    Setting.HEADER_TABLE_SIZE: 0,
                    Setting.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
                    Setting.INITIAL_WINDOW_SIZE: self.stream_allowance,
                    Setting.MAX_HEADER_LIST_SIZE: limits.head_size,
                    Setting.ENABLE_CONNECT_PROTOCOL: 1,
                }
            )
        )
        self.write(window_update(0, self.allowance - WINDOW))
        self.wheel.arm(self, self.wheel.now + limits.head)

    def data_received(self, data: bytes) -> None:
        if self._preface:
            data = self._read_preface(data)
            if not data:
                return
        super().data_received(data)

    def _read_preface(self, data: bytes) -> bytes:
        """What is behind it."""
        preface = self._preface
        if not data.startswith(preface) and not preface.startswith(data):
            self.fail(Code.PROTOCOL_ERROR, "this does not begin as HTTP/2 does")
            return b""
        self._preface = preface[len(data) :]
        if not self._preface:
            self.wheel.arm(self, self.wheel.now + self._entrance.limits.idle)
        return data[len(preface) :]

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ending = True
        self._cut_all(Cut.CLIENT_GONE, "the caller closed the connection")
        self._buffer = b""
        self.wheel.forget(self)
        self._entrance.closed(self)

    def pause_writing(self) -> None:
        """Who does not take answers may not ask for more."""
        super().pause_writing()
        self._transport.pause_reading()
        self._look_again()

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
        super().resume_writing()

    # --- requests in -------------------------------------------------------------------------------------------

    def is_idle(self, number: int) -> bool:
        return number > self._last or not number & 1

    def continuing(self, begins: bool) -> None:
        limits = self._entrance.limits
        rest = _LOOK if self.streams else limits.idle
        self.wheel.arm(self, self.wheel.now + (limits.head if begins else rest))

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        if number <= self._last:
            self._trailers(number, block, end)
            return
        if not number & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"a caller opened stream {number}")
        self._last = number
        try:
            head = self._reader.read(block, end and data is None, self._decoder)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except TooLarge as error:
            self._refuse(number, end, Malformed(HEAD_TOO_LARGE, error.detail))
            return
        except Malformed as error:
            self._refuse(number, end, error)
            return
        if self._leaving or len(self.streams) >= MOST_STREAMS:
            self.write(rst_stream(number, Code.REFUSED_STREAM))
            self.forgive(number)
            return
        if data is not None and head.length >= 0 and head.length != len(data):
            self._refuse(number, end, Malformed(BAD_REQUEST, "the body is not as long as Content-Length says"))
            return
        self._begin(number, head, end, data or b"")

    def _begin(self, number: int, head: RequestHead, end: bool, data: bytes) -> None:
        stream = Http2ServerStream(self, number)
        self.streams[number] = stream
        stream.remote_ended = end
        if not end:
            if head.length > 0:
                stream.expected = head.length
            stream.upload = not (head.grpc or head.upgrade)
            if head.upgrade:
                stream.early = []
        stream.exchange = exchange = self._entrance.exchange(stream, head)
        if self.due == inf or len(self.streams) == 1:
            self._arm(self.wheel.now + _LOOK)
        exchange.start(data, end)

    def _refuse(self, number: int, end: bool, error: Malformed) -> None:
        """A request that cannot be read: RFC 9113, section 8.1.1, wants a reset where the message is malformed."""
        stream = Http2ServerStream(self, number)
        self.streams[number] = stream
        stream.remote_ended = end
        stream.malformed = error.reason is BAD_REQUEST
        self._entrance.refuse(stream, error.reason, error.detail)
        if stream.malformed:
            self.reset_again()

    def _trailers(self, number: int, block: bytes, end: bool) -> None:
        stream = self.streams.get(number)
        try:
            trailers = read_trailers(block, self._decoder, BAD_REQUEST)
            if not end:
                raise Malformed(BAD_REQUEST, "a second head does not end the stream")
            if stream is not None and stream.expected > 0:
                raise Malformed(BAD_REQUEST, "the body is shorter than Content-Length says")
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge) as error:
            if stream is not None:
                self.break_stream(stream, Code.PROTOCOL_ERROR, error.detail)
            return
        if stream is None or stream.remote_ended:
            if number not in self._forgiven:
                raise ConnectionFault(Code.STREAM_CLOSED, f"there is a head on stream {number}, which is over")
            return
        assert isinstance(stream, Http2ServerStream)
        stream.remote_ended = True
        if stream.exchange is not None:
            stream.exchange.request_end(trailers)

    # --- its end -----------------------------------------------------------------------------------------------

    def empty(self) -> None:
        if self._leaving and self._told:
            self.end()
        elif not self.ending:
            self.wheel.arm(self, self.wheel.now + self._entrance.limits.idle)

    def going_away(self, last: int, code: int, detail: str) -> None:
        """A caller that opens no more streams; what runs goes on, and when it closes, it closes."""
        self._leaving = self._told = True
        if not self.streams:
            self.end()

    def drain(self) -> None:
        """Two steps (RFC 9113, section 6.8): a warning, and the last stream once the caller must have heard it."""
        if self._leaving or self.ending:
            return
        if self._preface or not self.streams:
            self._leaving = self._told = True
            self.end()
            return
        self.write(goaway(LAST_NUMBER, Code.NO_ERROR, "draining"))
        self.write(ping(_DRAINING))
        self._arm(self.wheel.now + _LOOK)

    def ponged(self) -> None:
        if not self._leaving and not self.ending:
            self._leave()

    def _leave(self) -> None:
        self._leaving = self._told = True
        self.write(goaway(self._last, Code.NO_ERROR, "draining"))
        if not self.streams:
            self.end()

    def abort(self, why: str = "the mesh stopped") -> None:
        self.ending = True
        cut(self._transport)
        self._cut_all(Cut.STOPPED, why)

    def _cut_all(self, how: Cut, detail: str) -> None:
        streams = tuple(self.streams.values())
        self.streams.clear()
        self.stalled.clear()
        for stream in streams:
            assert isinstance(stream, Http2ServerStream)
            stream.cut(how, detail)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """It is not handed over: what is new goes to another connection, which waits for the next image."""
        self.drain()

    def thaw(self) -> None:
        """Callers connect again."""

    def busy_since(self) -> float | None:
        began = [stream.exchange.started for stream in self._all() if stream.exchange is not None]
        return min(began) if began else inf

    def _all(self) -> list[Http2ServerStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, Http2ServerStream)]

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

    def _arm(self, due: float) -> None:
        if due < self.due:
            self.wheel.arm(self, due)

    def _look_again(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self.wheel.arm(self, self.wheel.now + self._entrance.limits.send)

    def timed_out(self) -> None:
        now, limits = self.wheel.now, self._entrance.limits
        if self.ending:
            self._transport.abort()
        elif self._preface or self._continued is not None:
            self.fail(Code.ENHANCE_YOUR_CALM, "a head was not whole in time")
        elif self.blocked:
            if self._transport.get_write_buffer_size() < self._unsent:
                self._look_again()
            else:
                cut(self._transport)
                self._cut_all(Cut.SLOW_READER, f"the caller took nothing for {limits.send:g} s")
        elif self.streams:
            self._look(now)
        else:
            self.end()

    def _look(self, now: float) -> None:
        """At every stream: its deadline, and whether it stands still."""
        again = now + _LOOK
        for stream in tuple(self.streams.values()):
            if stream.number in self.streams:
                again = min(again, stream.timed_out(now))
        if self.streams and not self.ending:
            self._arm(again)
