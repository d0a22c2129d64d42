"""One request to an endpoint, and its answer, on a connection that it shares."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from minimesh.dataplane.callee import MOST_INFORMATIONAL
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.encode import request_block
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import Code, name_of
from minimesh.dataplane.http2.hpack import Decoder
from minimesh.dataplane.http2.response import read_response, read_trailers
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.streams import ClientEvents, ClientStream, Fate
from minimesh.dataplane.websocket import accept_of, key_in, with_accept
from minimesh.model.reason import BAD_REQUEST, TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

if TYPE_CHECKING:
    from minimesh.dataplane.http2.client import Http2Client


@apart
class Http2ClientStream(Stream, ClientStream):
    """`answered`: something of the answer has come. `heard`: reads of the connection before the request was sent.
    `accept`: what an HTTP/1 caller has to be told that asked for a WebSocket."""

    __slots__ = ("accept", "answered", "exchange", "heard", "informational", "method", "upgrade")

    connection: Http2Client

    def __init__(self, connection: Http2Client, exchange: ClientEvents) -> None:
        super().__init__(connection, 0)
        self.exchange: ClientEvents | None = exchange
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

    def _agreed(self, head: ResponseHead) -> ResponseHead:
        """The answer to an upgrade, as its caller is to see it."""
        if head.upgrade:
            return ResponseHead(head.status, with_accept(head.fields, self.accept), upgrade=head.upgrade)
        # Refused: it is an answer like any other, and there is nothing more to say to it.
        self.upgrade = b""
        self.finish(None)
        return head

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

    def _whole(self) -> None:
        """The answer is: the stream is free before anybody hears of it."""
        self.remote_ended = True
        if not self.upgrade:
            self.exchange = None
        if self.local_ended and not self.unsent:
            self.connection.forget(self)

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

    def broken(self, code: Code, detail: str) -> None:
        self.cut(UPSTREAM_PROTOCOL, detail, Fate.UNKNOWN)

    def was_reset(self, code: int) -> None:
        # Some endpoints end an answer that they have just reset (grpc): no reason to give up a connection of many.
        self.connection.forgive(self.number)
        refused = code == Code.REFUSED_STREAM and not self.answered
        self.cut(UPSTREAM_RESET, f"it reset the stream: {name_of(code)}", Fate.UNPROCESSED if refused else Fate.UNKNOWN)

    def cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        exchange, self.exchange = self.exchange, None
        self.drop()
        if exchange is not None:
            exchange.response_cut(reason, detail, fate)

    def tell(self, blocked: bool) -> None:
        if self.exchange is None:
            return
        if blocked:
            self.exchange.request_blocked()
        else:
            self.exchange.request_unblocked()

    def is_young(self) -> bool:
        return False  # we have opened it

    def timed_out(self, now: float) -> float:
        limit = self.connection.hub.idle_limit
        if not self.paused and now - self.touched >= limit:
            self.cancel(Code.CANCEL)
            self.cut(TIMEOUT, f"not a byte for {limit:g} s", Fate.UNKNOWN)
        return inf

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

    def _may_ask(self, request: OutgoingHead) -> bool:
        """Whether the handshake can be sent on; if not, the exchange knows why."""
        if not self.connection.tunnels:
            self._give_up(UPSTREAM_PROTOCOL, "it takes no WebSocket over HTTP/2: SETTINGS_ENABLE_CONNECT_PROTOCOL is 0")
        elif not request.multiplexed:
            key = key_in(request.fields)
            if not key:
                self._give_up(BAD_REQUEST, "Sec-WebSocket-Key is missing, or not 16 bytes in base64")
            self.accept = accept_of(key) if key else b""
        return self.exchange is not None

    def _give_up(self, reason: Reason, detail: str) -> None:
        """Before anything is sent."""
        self.connection.reserved -= 1
        self.cut(reason, detail, Fate.UNKNOWN)

    def send_end(self, trailers: Fields | None) -> None:
        self.finish(trailers)

    def reset(self) -> None:
        self.exchange = None
        if not self.number:
            self.connection.give_back()
        elif self.local_ended and self.remote_ended and not self.unsent:
            self.connection.forget(self)
        else:
            self.cancel(Code.CANCEL)
