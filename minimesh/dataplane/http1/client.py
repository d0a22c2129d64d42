"""The side towards an endpoint: a connection that is kept for the next request when an answer is whole."""

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS, MOST_INFORMATIONAL, CalleeConnection
from minimesh.dataplane.connections import Home
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, OutgoingHead
from minimesh.dataplane.http1.body import Body, ChunkedBody, FixedBody, UntilClose
from minimesh.dataplane.http1.encode import request_prefix
from minimesh.dataplane.http1.response import Response, read_response
from minimesh.model.reason import UPSTREAM_PROTOCOL

_SMALL = 16 * 1024


class Http1Client(CalleeConnection):
    """One exchange at a time. `_keeps`: the answer under way leaves the connection fit for another."""

    __slots__ = ("_body", "_keeps", "_memo", "_memo_raw", "_method", "_upgrade")

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._body: Body | None = None
        self._memo_raw = b""
        self._memo: Response | None = None
        self._method = b""
        self._upgrade = b""
        self._keeps = False

    # --- the connection ----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        home = self._home
        self.due = due = home.wheel.now + home.idle_limit
        if due < self.check:
            home.wheel.arm(self, due)
        exchange = self._exchange
        if exchange is None:
            self._unasked(data)
        elif self._body is not None:
            self._read_body(data)
        elif self._tunnel:
            exchange.response_data(data)
        else:
            if self._buffer:
                data, self._buffer = self._buffer + data, b""
            self._answered = True
            try:
                self._read_head(data)
            except Malformed as error:
                self._break(error.reason, error.detail)

    def eof_received(self) -> bool:
        exchange = self._exchange
        if exchange is None:
            return False
        if self._tunnel:
            self._ended = True
            exchange.response_end(None)
            return True
        if isinstance(self._body, UntilClose):
            self._keeps = False
            self._finish()
            exchange.response_end(None)
        return False

    # --- the request out ---------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        if self._buffer:
            self._learn(self._buffer)
            return
        self._method = request.method
        self._upgrade = request.upgrade
        self._sending = not end and request.length != 0
        self._chunked = request.length == UNKNOWN
        prefix = request.http1 or request_prefix(request)
        if request.upgrade:
            prefix += self._key_line(request)
        encoded = b"%bx-request-id: %b\r\ntraceparent: %b\r\n\r\n" % (prefix, request_id, traceparent)
        home = self._home
        self.due = due = home.wheel.now + home.idle_limit
        if due < self.check:
            home.wheel.arm(self, due)
        if self._chunked:
            self.transport.write(encoded)
            self.send_data(data)
            if end:
                self.transport.write(b"0\r\n\r\n")
        elif len(data) < _SMALL:
            self.transport.write(encoded + data)
        else:
            self.transport.write(encoded)
            self.transport.write(data)

    # --- the answer in -----------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > LARGEST_HEAD:
                raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
            if data.count(b"\n") != data.count(b"\r\n"):
                raise Malformed(UPSTREAM_PROTOCOL, "a line ends with a bare LF")
            if not b"HTTP/1.".startswith(data[:7]):
                self._learn(data)
                raise Malformed(UPSTREAM_PROTOCOL, "this is not HTTP/1")
            self._buffer = data
            return
        raw, rest = data[:end], data[end:]
        if raw == self._memo_raw and self._memo is not None and not self._upgrade and self._method != b"HEAD":
            response = self._memo
        else:
            response = self._parse(raw)
        head = response.head
        if head.status < 200:
            self._interim(response, rest)
            return
        self._keeps = response.keeps
        length = head.length
        if length == len(rest) and not response.chunked:
            self._finish()
            exchange.response_head(head, rest, True)
        elif response.chunked or response.until_close or length > len(rest):
            self._start_body(response, rest)
        else:
            # More than the answer: the rest belongs to nobody.
            self._keeps = False
            self._finish()
            exchange.response_head(head, rest[:length], True)

    def _parse(self, raw: bytes) -> Response:
        if len(raw) > LARGEST_HEAD:
            raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
        response = read_response(raw, self._method, self._upgrade, MOST_FIELDS)
        if response.head.status >= 200 and not self._upgrade and self._method != b"HEAD":
            self._memo_raw, self._memo = raw, response
        if self._upgrade:
            response.head = self._agreed(response.head)
        self._keep_for(response.idle)
        return response

    def _interim(self, response: Response, rest: bytes) -> None:
        """A 1xx head: more of them may follow, but not without end; 101 makes this a tunnel."""
        exchange = self._exchange
        assert exchange is not None
        if response.head.status == 101:
            self._tunnel = True
            self._sending = True
            exchange.response_head(response.head, rest, False)
            return
        self._informational += 1
        if self._informational > MOST_INFORMATIONAL:
            raise Malformed(UPSTREAM_PROTOCOL, f"more than {MOST_INFORMATIONAL} interim answers")
        exchange.response_informational(response.head)
        if rest and self._exchange is exchange:
            self._read_head(rest)

    def _start_body(self, response: Response, rest: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        body: Body
        if response.chunked:
            body = ChunkedBody(UPSTREAM_PROTOCOL)
        elif response.until_close:
            body = UntilClose()
        else:
            body = FixedBody(response.head.length)
        pieces: list[bytes] = []
        behind = body.feed(rest, pieces) if rest else b""
        data = b"".join(pieces)
        if not body.done:
            self._body = body
            exchange.response_head(response.head, data, False)
            return
        self._keeps = self._keeps and not behind
        self._finish()
        if body.trailers is NO_FIELDS:
            exchange.response_head(response.head, data, True)
        else:
            exchange.response_head(response.head, data, False)
            exchange.response_end(body.trailers)

    def _read_body(self, data: bytes) -> None:
        body, exchange = self._body, self._exchange
        assert body is not None
        assert exchange is not None
        pieces: list[bytes] = []
        try:
            behind = body.feed(data, pieces)
        except Malformed as error:
            self._break(error.reason, error.detail)
            return
        if body.done:
            self._keeps = self._keeps and not behind
            self._finish()
        if len(pieces) == 1:
            exchange.response_data(pieces[0])
        elif pieces:
            exchange.response_data(b"".join(pieces))
        if body.done:
            exchange.response_end(body.trailers if body.trailers is not NO_FIELDS else None)

    def _finish(self) -> None:
        self._body = None
        self._free(self._keeps)
