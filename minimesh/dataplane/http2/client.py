"""The side towards an endpoint: a dialled connection that carries the exchanges of many callers at once."""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS
from minimesh.dataplane.connections import WATERMARK, MultiplexedConnection, MultiplexedHome
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.client_stream import Http2ClientStream
from minimesh.dataplane.http2.connection import Http2Connection
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    PREFACE,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
    name_of,
    settings,
    window_update,
)
from minimesh.dataplane.http2.hpack import Decoder, HpackError, TooLarge
from minimesh.dataplane.http2.response import MEMORY
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.model.reason import UPSTREAM_PROTOCOL, UPSTREAM_RESET

MOST_STREAMS = 100
"""At once, on one connection, as long as the endpoint does not say what it takes; and never more than this."""
_LOOK = 1.0


@apart
class Http2Client(Http2Connection, MultiplexedConnection):
    """`most`: streams that the endpoint takes at once. `served`: exchanges that are over. `heard`: reads so far.
    `leaving`: it takes no more. `told`: the first SETTINGS of the endpoint came. `tunnels`: it takes WebSocket."""

    __slots__ = ("_hub", "_next", "heard", "leaving", "most", "reserved", "served", "told", "tunnels")

    allowance: ClassVar[int] = 8 * 1024 * 1024
    half_allowance: ClassVar[int] = allowance // 2

    def __init__(self, hub: MultiplexedHome) -> None:
        decoder = Decoder(MEMORY, most_bytes=LARGEST_HEAD, most_fields=MOST_FIELDS)
        super().__init__(hub.wheel, hub.outbox, decoder)
        self._hub = hub
        self._next = 1
        self.most = MOST_STREAMS
        self.reserved = self.served = self.heard = 0
        self.leaving = self.told = self.tunnels = False

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

    def open(self, exchange: ClientEvents) -> Http2ClientStream:
        """It gets its number with its head."""
        self.reserved += 1
        return Http2ClientStream(self, exchange)

    def give_back(self) -> None:
        """A stream that got no head."""
        self.reserved -= 1
        if not self.leaving:
            self._hub.roomier(self)
        elif not self.streams and not self.reserved:
            self.end()

    def enter(self, stream: Http2ClientStream) -> int:
        """Its number: streams are numbered as their heads go out (RFC 9113, section 5.1.1)."""
        self.reserved -= 1
        number = self._next
        self._next = number + 2
        if self._next > LAST_NUMBER:
            self.withdraw()
        self.streams[number] = stream
        if len(self.streams) == 1:
            self._arm(self.wheel.now + _LOOK)
        return number

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: self.stream_allowance,
            Setting.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
        }
        self.write(PREFACE + settings(ours))
        self.write(window_update(0, self.allowance - WINDOW))

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        if not self.told and not self.ending:
            start = self._buffer + data
            # The first frame is SETTINGS, whatever its size (RFC 9113, section 3.4).
            if start[3:5] != b"\x04\x00"[: max(len(start) - 3, 0)] or start[:1] not in (b"", b"\0"):
                self._strange("what it sent first is not HTTP/2")
                return
        super().data_received(data)

    def _strange(self, detail: str) -> None:
        self.ending = self.leaving = True
        streams = self._take_streams()
        self._transport.abort()
        self._hub.strange(self, detail)
        for stream in streams:
            stream.cut(UPSTREAM_PROTOCOL, detail, Fate.UNPROCESSED)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        told, ended = self.told, self.ending
        self.ending = self.leaving = True
        self.wheel.forget(self)
        self._hub.gone(self)
        if not told and not ended:
            self._hub.strange(self, "it closed the connection without a word")
        for stream in self._take_streams():
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

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            self._late_head(number, block)
            return
        assert isinstance(stream, Http2ClientStream)
        try:
            stream.head(block, data or b"", end, self._decoder)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge) as error:
            self.break_stream(stream, Code.PROTOCOL_ERROR, error.detail)

    def _late_head(self, number: int, block: bytes) -> None:
        if self.is_idle(number):
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is an answer on stream {number}, which is not open")
        if number not in self.forgiven:
            raise ConnectionFault(Code.STREAM_CLOSED, f"there is an answer on stream {number}, which is over")
        try:
            self._decoder.decode(block)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge):
            pass

    def changed(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_CONCURRENT_STREAMS:
            self.most = min(value, MOST_STREAMS)
        elif setting == Setting.ENABLE_PUSH and value:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "an endpoint cannot have us push")
        elif setting == Setting.ENABLE_CONNECT_PROTOCOL and value:
            self.tunnels = True

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        super()._settings(flags, number, payload)
        if not self.told:
            self.told = True
            self._hub.settled(self)
        self._hub.roomier(self)

    def going_away(self, last: int, code: int, detail: str) -> None:
        self.withdraw()
        for number, stream in tuple(self.streams.items()):
            if number > last and self.streams.get(number) is stream:
                assert isinstance(stream, Http2ClientStream)
                self.forget(stream)
                stream.cut(UPSTREAM_RESET, f"it is going away: {name_of(code)} {detail}".rstrip(), Fate.UNPROCESSED)
        if not self.streams and not self.reserved:
            self.end()

    def withdraw(self) -> None:
        """Take no more streams."""
        if not self.leaving:
            self.leaving = True
            self._hub.withdrawn(self)
            if not self.streams and not self.reserved:
                self.end()

    def empty(self) -> None:
        if self.leaving:
            if not self.reserved:
                self.end()
        else:
            self.wheel.arm(self, self.wheel.now + self._hub.keep_limit)

    def forget(self, stream: Stream) -> None:
        self.served += 1
        full = len(self.streams) + self.reserved >= self.most
        super().forget(stream)
        if full:
            self._hub.roomier(self)

    def fail(self, code: Code, detail: str) -> None:
        self.leaving = True
        self._hub.withdrawn(self)
        super().fail(code, detail)
        if not self.told:
            self._hub.strange(self, detail)

    def reset_again(self) -> None:
        """As often as it likes: it can only reset what we open."""

    def abort(self) -> None:
        self.ending = self.leaving = True
        self._transport.abort()

    def _take_streams(self) -> list[Http2ClientStream]:
        streams = [stream for stream in self.streams.values() if isinstance(stream, Http2ClientStream)]
        self.streams.clear()
        self.stalled.clear()
        return streams

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
                self._arm(now + _LOOK)
        else:
            self.withdraw()
