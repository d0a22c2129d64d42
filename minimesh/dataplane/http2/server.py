"""The side towards the caller: an accepted connection with a stream for each exchange."""

from __future__ import annotations

from minimesh.dataplane.connections import Entrance, ServerConnection
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.caller import LOOK, MOST_STREAMS, SLOTS, TOO_LARGE, TURNED_AWAY, Caller
from minimesh.dataplane.http2.connection import Http2Connection
from minimesh.dataplane.http2.frames import (
    Code,
    ConnectionFault,
    rst_stream,
)
from minimesh.dataplane.http2.hpack import Decoder, HpackError, TooLarge
from minimesh.dataplane.http2.request import MEMORY, requests_of
from minimesh.dataplane.http2.response import read_trailers
from minimesh.dataplane.http2.server_stream import Http2ServerStream
from minimesh.model.reason import BAD_REQUEST, HEAD_TOO_LARGE


@apart
class Http2Server(Caller, Http2Connection, ServerConnection):
    __slots__ = (*SLOTS, "_reader")

    def __init__(self, entrance: Entrance) -> None:
        limits = entrance.limits
        decoder = Decoder(MEMORY, most_bytes=limits.head_size, most_fields=limits.fields)
        Http2Connection.__init__(self, entrance.wheel, entrance.outbox, decoder)
        self.accept_for(entrance)
        self._reader = requests_of(limits)

    # --- from the transport ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._begun is not None:
            data = self._read_preface(self._begun + data)
            if not data:
                return
        super().data_received(data)

    # --- requests in -------------------------------------------------------------------------------------------

    def head_came(self, number: int, block: bytes, end: bool, data: bytes | None) -> None:
        if not self.is_new(number):
            self._trailers(number, block, end)
            return
        try:
            head = self._reader.read(block, end and data is None, self._decoder)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except TooLarge as error:
            self.nuisance(TOO_LARGE)
            self._refuse(number, end, Malformed(HEAD_TOO_LARGE, error.detail))
            return
        except Malformed as error:
            self._refuse(number, end, error)
            return
        if self._leaving or len(self.streams) >= MOST_STREAMS:
            self.turn_away(number)
            return
        if data is not None and head.length >= 0 and head.length != len(data) and not head.upgrade:
            self._refuse(number, end, Malformed(BAD_REQUEST, "the body is not as long as Content-Length says"))
            return
        self._begin(number, head, end, data or b"")

    def new_stream(self, number: int, end: bool) -> Http2ServerStream:
        self.streams[number] = stream = Http2ServerStream(self, number)
        stream.remote_ended = end
        return stream

    def turn_away(self, number: int) -> None:
        """Nothing was done for this stream, and its caller may try again."""
        self.nuisance(TURNED_AWAY)
        self.write(rst_stream(number, Code.REFUSED_STREAM))
        self.forgive(number)

    def _begin(self, number: int, head: RequestHead, end: bool, data: bytes) -> None:
        self.streams[number] = stream = Http2ServerStream(self, number)
        stream.remote_ended = end
        if head.upgrade:
            stream.early = [data] if data else []
            data = b""
        elif not end:
            stream.expected = head.length
            stream.upload = not head.grpc
        stream.exchange = exchange = self._entrance.exchange(stream, head)
        if len(self.streams) == 1:
            self.look_at(self.wheel.now + LOOK)
        exchange.start(data, end and not head.upgrade)

    def _trailers(self, number: int, block: bytes, end: bool) -> None:
        stream = self.streams.get(number)
        trailers, fault = None, "" if end else "a second head does not end the stream"
        try:
            trailers = read_trailers(block, self._decoder, BAD_REQUEST)
        except HpackError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, error.detail) from None
        except (Malformed, TooLarge) as error:
            fault = error.detail
        if stream is None or stream.remote_ended:
            self._late_head(number)
            return
        assert isinstance(stream, Http2ServerStream)
        if stream.tunnel or stream.early is not None:
            fault = "there is a head in a tunnel"
        elif stream.expected > 0:
            fault = "the body is shorter than Content-Length says"
        if fault:
            self.break_stream(stream, Code.PROTOCOL_ERROR, fault)
            return
        stream.remote_ended = True
        if stream.exchange is not None:
            stream.exchange.request_end(trailers)
