"""The side towards an endpoint, on h11: kept for the next request when an answer is whole."""

from minimesh.dataplane.callee import LARGEST_HEAD, MOST_FIELDS, MOST_INFORMATIONAL, CalleeConnection
from minimesh.dataplane.connections import Home
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, OutgoingHead
from minimesh.dataplane.http1.encode import request_prefix
from minimesh.dataplane.reference.body import Body
from minimesh.dataplane.reference.response import Answer, Answers
from minimesh.model.reason import UPSTREAM_PROTOCOL


class ReferenceClient(CalleeConnection):
    """`_answers` while heads are awaited, `_body` while a body is; in a tunnel neither."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._answers: Answers | None = None
        self._answer: Answer | None = None
        self._body: Body | None = None

    # --- the connection ----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._wait(self._home.idle_limit)
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: whatever this is, it must not become somebody's answer.
            self._learn(data)
            self.transport.abort()
            return
        self._answered = True
        try:
            if self._tunnel:
                exchange.response_data(data)
            elif self._body is not None:
                self._read_body(self._body, data)
            else:
                self._buffer += data
                self._read_heads()
        except Malformed as error:
            self._break(error.reason, error.detail)

    def eof_received(self) -> bool:
        exchange, body, answer = self._exchange, self._body, self._answer
        if exchange is None:
            return False
        if self._tunnel:
            self._ended = True
            exchange.response_end(None)
            return True
        if body is not None and answer is not None and answer.until_close and body.end_of_input():
            self._finish(keeps=False)
            exchange.response_end(None)
        return False

    # --- the request out ---------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        self._answers = Answers(request)
        self._informational = 0
        self._chunked = request.length == UNKNOWN
        self._sending = not end and request.length != 0
        self._wait(self._home.idle_limit)
        own = b"%bx-request-id: %b\r\ntraceparent: %b\r\n\r\n" % (self._key_line(request), request_id, traceparent)
        self.transport.write(request_prefix(request) + own)
        self.send_data(data)
        if end:
            self.send_end(None)

    # --- the answer in -----------------------------------------------------------------------------------------

    def _read_heads(self) -> None:
        """Interim answers, then the one."""
        exchange = self._exchange
        while self._buffer and self._exchange is exchange is not None:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                self._learn(self._buffer)
                _check_begun(self._buffer)
                return
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            if len(raw) > LARGEST_HEAD:
                raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
            assert self._answers is not None
            answer = self._answers.read(raw, MOST_FIELDS)
            self._keep_for(answer.idle)
            if answer.head.status >= 200 or answer.head.upgrade:
                self._begin(answer)
                return
            self._informational += 1
            if self._informational > MOST_INFORMATIONAL:
                raise Malformed(UPSTREAM_PROTOCOL, f"more than {MOST_INFORMATIONAL} interim answers")
            exchange.response_informational(answer.head)

    def _begin(self, answer: Answer) -> None:
        """The final head, with as much of the body as came with it."""
        exchange = self._exchange
        assert exchange is not None
        head = self._agreed(answer.head)
        self._answer = answer
        rest, self._buffer = self._buffer, b""
        if head.upgrade:
            self._tunnel = self._sending = True
            exchange.response_head(head, rest, False)
            return
        body = self._body = answer.body
        data = b"".join(body.feed(rest)) if body is not None and rest else b""
        if body is not None and not body.done:
            exchange.response_head(answer.head, data, False)
            return
        # More than the answer belongs to nobody.
        behind, trailers = (rest, None) if body is None else (body.behind, body.trailers)
        self._finish(keeps=answer.keeps and not behind)
        exchange.response_head(answer.head, data, trailers is None)
        if trailers is not None:
            exchange.response_end(trailers)

    def _read_body(self, body: Body, data: bytes) -> None:
        exchange, answer = self._exchange, self._answer
        assert exchange is not None
        assert answer is not None
        pieces = body.feed(data)
        if body.done:
            self._finish(keeps=answer.keeps and not body.behind)
        if pieces:
            exchange.response_data(b"".join(pieces))
        if body.done:
            exchange.response_end(body.trailers)

    def _finish(self, *, keeps: bool) -> None:
        self._answers = self._answer = self._body = None
        self._free(keeps)


def _check_begun(data: bytes) -> None:
    """A head that is not whole: refuse early what can never become one."""
    if len(data) > LARGEST_HEAD:
        raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise Malformed(UPSTREAM_PROTOCOL, "a line ends with a bare LF")
    if not b"HTTP/1.".startswith(data[:7]):
        raise Malformed(UPSTREAM_PROTOCOL, "this is not HTTP/1")
