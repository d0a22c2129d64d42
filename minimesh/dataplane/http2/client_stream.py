"""One request to an endpoint, and its answer, on a connection that it shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.dataplane.callee import MOST_INFORMATIONAL
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.callee_stream import SLOTS, CalleeStream
from minimesh.dataplane.http2.encode import request_block
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import Code
from minimesh.dataplane.http2.hpack import Decoder
from minimesh.dataplane.http2.response import read_response, read_trailers
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.streams import ClientEvents, ClientStream
from minimesh.model.reason import UPSTREAM_PROTOCOL

if TYPE_CHECKING:
    from minimesh.dataplane.http2.client import Http2Client


@apart
class Http2ClientStream(CalleeStream, Stream, ClientStream):
    __slots__ = SLOTS

    connection: Http2Client

    def __init__(self, connection: Http2Client, exchange: ClientEvents) -> None:
        Stream.__init__(self, connection, 0)
        self.exchange = exchange
        self.answered = False
        self.heard = self.informational = 0
        self.method = self.upgrade = self.accept = b""

    # --- from the connection -----------------------------------------------------------------------------------

    def head(self, block: bytes, data: bytes, end: bool, decoder: Decoder[Field]) -> None:
        """A head of the answer, with all of its body where that came at once; or trailers. Raises Malformed, and what
        the decoder raises."""
        exchange = self.exchange
        if self.answered:
            self._end_with(read_trailers(block, decoder, UPSTREAM_PROTOCOL), end)
            return
        head = read_response(block, end and not data, self.method, self.upgrade, decoder)
        if head.status < 200 and head.status != 101:
            self._interim(head, end)
            return
        self.answered = True
        if self.upgrade:
            head = self._agreed(head)
        self.touched = self.connection.wheel.now
        if head.length >= 0 and (data or not end) and not head.upgrade:
            self.expected = head.length
            if data and self.expected != len(data):
                raise Malformed(UPSTREAM_PROTOCOL, "its body is not as long as Content-Length says")
        if end:
            self._whole()
        if exchange is None:
            return
        exchange.response_head(head, data, end and not head.upgrade)
        if end and head.upgrade and self.exchange is not None:
            exchange.response_end(None)

    def _interim(self, head: ResponseHead, end: bool) -> None:
        self.informational += 1
        if end or self.informational > MOST_INFORMATIONAL:
            raise Malformed(UPSTREAM_PROTOCOL, f"more than {MOST_INFORMATIONAL} interim answers, or a body in one")
        if self.exchange is not None:
            self.exchange.response_informational(head)

    def _end_with(self, trailers: Fields | None, end: bool) -> None:
        if not end:
            raise Malformed(UPSTREAM_PROTOCOL, "a second head does not end the answer")
        if self.expected > 0:
            raise Malformed(UPSTREAM_PROTOCOL, "its body is shorter than Content-Length says")
        exchange = self.exchange
        self._whole()
        if exchange is not None:
            exchange.response_end(trailers)

    def data(self, data: bytes, end: bool) -> None:
        exchange = self.exchange
        if not self.answered:
            self.connection.break_stream(self, Code.PROTOCOL_ERROR, "its body comes before its head")
            return
        if end:
            self._whole()
        if exchange is None:
            return
        if data:
            exchange.response_data(data)
        if end:
            exchange.response_end(None)

    # --- from the exchange -------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        connection = self.connection
        self.method = request.method
        self.upgrade = request.upgrade
        if request.upgrade and not self._may_ask(request):
            return
        self.heard = connection.heard
        self.number = number = connection.enter(self)
        whole = end and not data
        connection.write_head(number, request_block(request, request_id, traceparent), whole)
        if whole:
            self.local_ended = True
            return
        if data:
            self.send_data(data)
        if end:
            self.finish(None)
