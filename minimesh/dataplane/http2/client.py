"""The side towards an endpoint: a dialled connection that carries the exchanges of many callers at once."""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS
from minimesh.dataplane.connections import WATERMARK, MultiplexedConnection, MultiplexedHome
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.callee import ALLOWANCE, LOOK, MOST_STREAMS, SLOTS, Callee
from minimesh.dataplane.http2.client_stream import Http2ClientStream
from minimesh.dataplane.http2.connection import Http2Connection
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    PREFACE,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
)
from minimesh.dataplane.http2.hpack import Decoder, HpackError, TooLarge
from minimesh.dataplane.http2.response import MEMORY
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.streams import ClientEvents


@apart
class Http2Client(Callee, Http2Connection, MultiplexedConnection):
    __slots__ = SLOTS

    allowance: ClassVar[int] = ALLOWANCE
    half_allowance: ClassVar[int] = ALLOWANCE // 2

    def __init__(self, hub: MultiplexedHome) -> None:
        decoder = Decoder(MEMORY, most_bytes=LARGEST_HEAD, most_fields=MOST_FIELDS)
        Http2Connection.__init__(self, hub.wheel, hub.outbox, decoder)
        self.dial_for(hub)

    def open(self, exchange: ClientEvents) -> Http2ClientStream:
        """It gets its number with its head."""
        self.reserved += 1
        return Http2ClientStream(self, exchange)

    def enter(self, stream: Http2ClientStream) -> int:
        """Its number: streams are numbered as their heads go out (RFC 9113, section 5.1.1)."""
        self.reserved -= 1
        number = self._next
        self._next = number + 2
        if self._next > LAST_NUMBER:
            self.withdraw()
        self.streams[number] = stream
        if len(self.streams) == 1:
            self._arm(self.wheel.now + LOOK)
        return number

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)
        ours = {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: WINDOW,
            Setting.MAX_HEADER_LIST_SIZE: LARGEST_HEAD,
        }
        self.write(PREFACE)
        self.greet(ours, ALLOWANCE)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        if not self.told and not self.ending:
            start = self._buffer + data
            # The first frame is SETTINGS, whatever its size (RFC 9113, section 3.4).
            if start[3:5] != b"\x04\x00"[: max(len(start) - 3, 0)] or start[:1] not in (b"", b"\0"):
                self._strange("what it sent first is not HTTP/2")
                return
        super().data_received(data)

    # --- from the connection -----------------------------------------------------------------------------------

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

    def forget(self, stream: Stream) -> None:
        self.served += 1
        full = len(self.streams) + self.reserved >= self.most
        super().forget(stream)
        if full:
            self._hub.roomier(self)
