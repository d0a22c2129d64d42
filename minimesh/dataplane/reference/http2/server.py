"""The side towards the caller: an accepted connection with a stream for each exchange."""

from __future__ import annotations

from math import inf

from hpack import HeaderTuple

from minimesh.dataplane.connections import Entrance, ServerConnection
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.http2.caller import LOOK, MOST_STREAMS, TOO_LARGE, TURNED_AWAY, Caller
from minimesh.dataplane.http2.frames import (
    PREFACE,
    Code,
)
from minimesh.dataplane.http2.hpack import TooLarge
from minimesh.dataplane.http2.request import MEMORY, read_fields
from minimesh.dataplane.http2.response import trailers_in
from minimesh.dataplane.reference.http2.connection import ReferenceConnection
from minimesh.dataplane.reference.http2.fields import Unpacker
from minimesh.dataplane.reference.http2.server_stream import ReferenceServerStream
from minimesh.model.reason import BAD_REQUEST, HEAD_TOO_LARGE

_GET = b"\x82"
""":method: GET, what the library has to know of a request."""


class ReferenceHttp2Server(Caller, ReferenceConnection, ServerConnection):
    def __init__(self, entrance: Entrance) -> None:
        limits = entrance.limits
        unpacker = Unpacker(MEMORY, limits.head_size, limits.fields)
        ReferenceConnection.__init__(self, entrance.wheel, entrance.outbox, unpacker, client=False)
        self.accept_for(entrance)

    # --- from the transport ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._begun is not None:
            data = self._read_preface(self._begun + data)
            if not data:
                return
        super().data_received(data)
        self._time_head()

    def _read_preface(self, begun: bytes) -> bytes:
        rest = super()._read_preface(begun)
        if self._begun is None:
            self.library.receive_data(PREFACE)
        return rest

    def _time_head(self) -> None:
        """From its first frame on, however much of it comes."""
        if not self._frames.within_head:
            self._head_due = inf
        elif self._head_due == inf:
            self.continuing(True)

    # --- requests in -------------------------------------------------------------------------------------------

    def head_came(self, number: int, block: bytes, end: bool) -> None:
        if not self.is_new(number):
            self._trailers(number, self._unpacker.unpack(block), end)
            return
        unpacked = self._unpacker.unpack(block)
        self.give_head(number, _GET, end)
        try:
            head = read_fields(self._unpacker.read(unpacked), end, self.limits)
        except TooLarge as error:
            self.nuisance(TOO_LARGE)
            self._refuse(number, end, Malformed(HEAD_TOO_LARGE, error.detail))
        except Malformed as error:
            self._refuse(number, end, error)
        else:
            if self._leaving or len(self.streams) >= MOST_STREAMS:
                self.turn_away(number)
            else:
                self._begin(number, head, end)

    def new_stream(self, number: int, end: bool) -> ReferenceServerStream:
        self.streams[number] = stream = ReferenceServerStream(self, number)
        stream.remote_ended = end
        return stream

    def turn_away(self, number: int) -> None:
        """Nothing was done for this stream, and its caller may try again."""
        self.nuisance(TURNED_AWAY)
        self.library.reset_stream(number, Code.REFUSED_STREAM)
        self.write()
        self.forgive(number)

    def _begin(self, number: int, head: RequestHead, end: bool) -> None:
        stream = self.new_stream(number, end)
        if head.upgrade:
            stream.early = []
        elif not end:
            stream.expected = head.length
            stream.upload = not head.grpc
        stream.exchange = exchange = self._entrance.exchange(stream, head)
        if len(self.streams) == 1:
            self.look_at(self.wheel.now + LOOK)
        exchange.start(b"", end and not head.upgrade)

    def _trailers(self, number: int, unpacked: list[HeaderTuple], end: bool) -> None:
        stream = self.streams.get(number)
        trailers, fault = None, "" if end else "a second head does not end the stream"
        try:
            trailers = trailers_in(self._unpacker.read(unpacked), BAD_REQUEST)
        except (Malformed, TooLarge) as error:
            fault = error.detail
        if stream is None or stream.remote_ended:
            self._late_head(number)
            return
        assert isinstance(stream, ReferenceServerStream)
        if stream.tunnel or stream.early is not None:
            fault = "there is a head in a tunnel"
        elif stream.expected > 0:
            fault = "the body is shorter than Content-Length says"
        if fault:
            self.break_stream(stream, Code.PROTOCOL_ERROR, fault)
            return
        self.give_head(number, b"", True)
        stream.remote_ended = True
        if stream.exchange is not None:
            stream.exchange.request_end(trailers)
