"""One request to an endpoint, and its answer, on a connection that it shares."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from h2.exceptions import TooManyStreamsError

from minimesh.dataplane.callee import MOST_INFORMATIONAL
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import Code, name_of
from minimesh.dataplane.http2.response import response_in, trailers_in
from minimesh.dataplane.reference.http2.fields import of_request
from minimesh.dataplane.reference.http2.stream import ReferenceStream
from minimesh.dataplane.streams import ClientEvents, ClientStream, Fate
from minimesh.dataplane.websocket import accept_of, key_in, with_accept
from minimesh.model.reason import BAD_REQUEST, TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

if TYPE_CHECKING:
    from minimesh.dataplane.reference.http2.client import ReferenceHttp2Client

_STATUS = b"\x08\x03%d"
""":status as a literal: what the library has to know of a head."""


class ReferenceClientStream(ReferenceStream, ClientStream):
    """`answered`: something of the answer has come. `heard`: reads of the connection before the request was sent.
    `accept`: what an HTTP/1 caller has to be told that asked for a WebSocket."""

    connection: ReferenceHttp2Client

    def __init__(self, connection: ReferenceHttp2Client, exchange: ClientEvents) -> None:
        super().__init__(connection, 0)
        self.exchange: ClientEvents | None = exchange
        self.answered = False
        self.heard = self.informational = 0
        self.method = self.upgrade = self.accept = b""

    @property
    def awaits_head(self) -> bool:
        return not self.answered

    # --- from the connection -----------------------------------------------------------------------------------

    def head(self, fields: list[Field], end: bool) -> None:
        """A head of the answer, or trailers. Raises Malformed."""
        if self.answered:
            self._end_with(trailers_in(fields, UPSTREAM_PROTOCOL), end)
            return
        head = response_in(fields, end, self.method, self.upgrade)
        if head.status < 200 and head.status != 101:
            self._interim(head, end)
            return
        self.connection.give_head(self.number, _STATUS % (200 if head.upgrade else head.status), end)
        self.answered = True
        if self.upgrade:
            head = self._agreed(head)
        self.touched = self.connection.wheel.now
        if head.length >= 0 and not end and not head.upgrade:
            self.expected = head.length
        exchange = self.exchange
        if end:
            self._whole()
        if exchange is None:
            return
        exchange.response_head(head, b"", end and not head.upgrade)
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
        self.connection.give_head(self.number, _STATUS % head.status, False)
        if self.exchange is not None:
            self.exchange.response_informational(head)

    def _end_with(self, trailers: Fields | None, end: bool) -> None:
        if not end:
            raise Malformed(UPSTREAM_PROTOCOL, "a second head does not end the answer")
        if self.expected > 0:
            raise Malformed(UPSTREAM_PROTOCOL, "its body is shorter than Content-Length says")
        self.connection.give_head(self.number, b"", True)
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
        whole = end and not data
        try:
            connection.enter(self, of_request(request, request_id, traceparent), whole)
        except TooManyStreamsError:
            self._give_up(UPSTREAM_RESET, "it takes no more streams at once", Fate.UNPROCESSED)
            return
        if whole:
            self.local_ended = True
            return
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

    def _give_up(self, reason: Reason, detail: str, fate: Fate = Fate.UNKNOWN) -> None:
        """Before anything is sent."""
        self.connection.reserved -= 1
        self.cut(reason, detail, fate)

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
