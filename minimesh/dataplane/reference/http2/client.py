"""The side towards an endpoint: a dialled connection that carries the exchanges of many callers at once."""

from __future__ import annotations

import asyncio
from typing import cast

from hpack import HeaderTuple
from hyperframe.frame import SettingsFrame

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS
from minimesh.dataplane.connections import WATERMARK, MultiplexedConnection, MultiplexedHome
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http2.callee import ALLOWANCE, LOOK, MOST_STREAMS, Callee
from minimesh.dataplane.http2.frames import (
    LAST_NUMBER,
    WINDOW,
    Code,
    ConnectionFault,
    Setting,
)
from minimesh.dataplane.http2.hpack import TooLarge
from minimesh.dataplane.http2.response import MEMORY
from minimesh.dataplane.reference.http2.client_stream import ReferenceClientStream
from minimesh.dataplane.reference.http2.connection import ReferenceConnection
from minimesh.dataplane.reference.http2.fields import Unpacker
from minimesh.dataplane.reference.http2.stream import ReferenceStream
from minimesh.dataplane.streams import ClientEvents


class ReferenceHttp2Client(Callee, ReferenceConnection, MultiplexedConnection):
    def __init__(self, hub: MultiplexedHome) -> None:
        unpacker = Unpacker(MEMORY, LARGEST_HEAD, MOST_FIELDS)
        ReferenceConnection.__init__(self, hub.wheel, hub.outbox, unpacker, client=True)
        self.dial_for(hub)
        self._start = b""

    def open(self, exchange: ClientEvents) -> ReferenceClientStream:
        """It gets its number with its head."""
        self.reserved += 1
        return ReferenceClientStream(self, exchange)

    def enter(self, stream: ReferenceClientStream, fields: list[HeaderTuple], end: bool) -> None:
        """Its number, and its head: streams are numbered as their heads go out (RFC 9113, section 5.1.1)."""
        number = self._next
        self.library.send_headers(number, fields, end_stream=end)
        self.write()
        stream.number = number
        self.reserved -= 1
        self._next = number + 2
        if self._next > LAST_NUMBER:
            self.withdraw()
        self.streams[number] = stream
        if len(self.streams) == 1:
            self._arm(self.wheel.now + LOOK)

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
        self.greet(ours, ALLOWANCE)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        if not self.told and not self.ending:
            self._start = start = self._start + data
            # The first frame is SETTINGS, whatever its size (RFC 9113, section 3.4).
            if start[3:5] != b"\x04\x00"[: max(len(start) - 3, 0)] or start[:1] not in (b"", b"\0"):
                self._strange("what it sent first is not HTTP/2")
                return
        super().data_received(data)

    # --- from the connection -----------------------------------------------------------------------------------

    def head_came(self, number: int, block: bytes, end: bool) -> None:
        stream = self.streams.get(number)
        if stream is None or stream.remote_ended:
            if self.is_idle(number):
                raise ConnectionFault(Code.PROTOCOL_ERROR, f"there is an answer on stream {number}, which is not open")
            if number not in self.forgiven:
                raise ConnectionFault(Code.STREAM_CLOSED, f"there is an answer on stream {number}, which is over")
            self._unpacker.unpack(block)
            return
        assert isinstance(stream, ReferenceClientStream)
        unpacked = self._unpacker.unpack(block)
        try:
            stream.head(self._unpacker.read(unpacked), end)
        except (Malformed, TooLarge) as error:
            self.break_stream(stream, Code.PROTOCOL_ERROR, error.detail)

    def settings_came(self, settings: dict[int, int]) -> None:
        if settings.get(Setting.ENABLE_PUSH):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "an endpoint cannot have us push")
        self.most = min(settings.get(Setting.MAX_CONCURRENT_STREAMS, self.most), MOST_STREAMS)
        self.tunnels = self.tunnels or bool(settings.get(Setting.ENABLE_CONNECT_PROTOCOL))

    def _settings(self, frame: SettingsFrame) -> None:
        super()._settings(frame)
        if not self.told:
            self.told = True
            self._hub.settled(self)
        self._hub.roomier(self)

    def forget(self, stream: ReferenceStream) -> None:
        self.served += 1
        full = len(self.streams) + self.reserved >= self.most
        super().forget(stream)
        if full:
            self._hub.roomier(self)
