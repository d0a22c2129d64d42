"""One request to an endpoint, and its answer, on a connection that it shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.exceptions import TooManyStreamsError

from minimesh.dataplane.callee import MOST_INFORMATIONAL
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.callee_stream import CalleeStream
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.response import response_in, trailers_in
from minimesh.dataplane.reference.http2.fields import of_request
from minimesh.dataplane.reference.http2.stream import ReferenceStream
from minimesh.dataplane.streams import ClientEvents, ClientStream, Fate
from minimesh.model.reason import UPSTREAM_PROTOCOL, UPSTREAM_RESET

if TYPE_CHECKING:
    from minimesh.dataplane.reference.http2.client import ReferenceHttp2Client

_STATUS = b"\x08\x03%d"
""":status as a literal: what the library has to know of a head."""


class ReferenceClientStream(CalleeStream, ReferenceStream, ClientStream):
    connection: ReferenceHttp2Client

    def __init__(self, connection: ReferenceHttp2Client, exchange: ClientEvents) -> None:
        ReferenceStream.__init__(self, connection, 0)
        self.exchange = exchange
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
