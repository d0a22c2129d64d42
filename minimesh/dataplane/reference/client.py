"""The side towards an endpoint, on h11: kept for the next request when an answer is whole."""

import asyncio
from typing import cast

from minimesh.dataplane.connections import WATERMARK, ClientConnection, Home, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, OutgoingHead
from minimesh.dataplane.http1.client import LARGEST_HEAD, MOST_FIELDS, MOST_INFORMATIONAL
from minimesh.dataplane.http1.encode import request_prefix
from minimesh.dataplane.reference.body import Body
from minimesh.dataplane.reference.response import Answer, Answers
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.dataplane.wheel import Timed
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

_KEEP_ALIVE_MARGIN = 1.0


class ReferenceClient(ClientConnection, Timed):
    """`_answers` while heads are awaited, `_body` while a body is; in a tunnel neither."""

    def __init__(self, home: Home) -> None:
        Timed.__init__(self)
        self.served = 0
        self._home = home
        self._exchange: ClientEvents | None = None
        self._answers: Answers | None = None
        self._answer: Answer | None = None
        self._body: Body | None = None
        self._buffer = b""
        self._informational = 0
        self._answered = self._chunked = self._sending = self._paused = self._tunnel = self._ended = False

    def attend(self, exchange: ClientEvents) -> None:
        self._exchange = exchange
        self._answered = False

    # --- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self.transport.set_write_buffer_limits(high=WATERMARK)

    def data_received(self, data: bytes) -> None:
        self._wait(self._home.idle_limit)
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: whatever this is, it must not become somebody's answer.
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

    def connection_lost(self, error: Exception | None) -> None:
        self._home.wheel.forget(self)
        self._home.lost(self)
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self._answered:
            exchange.response_cut(UPSTREAM_RESET, "it closed the connection in the middle of its answer", Fate.UNKNOWN)
        else:
            fate = Fate.STALE if self.served else Fate.UNKNOWN
            exchange.response_cut(UPSTREAM_RESET, "it closed the connection without an answer", fate)

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.request_blocked()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.request_unblocked()

    def timed_out(self) -> None:
        if self._exchange is None:
            self.transport.abort()
        elif self._paused:
            self._wait(self._home.idle_limit)
        else:
            self._break(TIMEOUT, f"not a byte for {self._home.idle_limit:g} s")

    def _wait(self, seconds: float) -> None:
        self._home.wheel.arm(self, self._home.wheel.now + seconds)

    # --- the request out ---------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        self._answers = Answers(request)
        self._informational = 0
        self._chunked = request.length == UNKNOWN
        self._sending = not end and request.length != 0
        self._wait(self._home.idle_limit)
        own = b"x-request-id: %b\r\ntraceparent: %b\r\n\r\n" % (request_id, traceparent)
        self.transport.write(request_prefix(request) + own)
        self.send_data(data)
        if end:
            self.send_end(None)

    def send_data(self, data: bytes) -> None:
        if data:
            self._wait(self._home.idle_limit)
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def send_end(self, trailers: Fields | None) -> None:
        self._sending = False
        if self._tunnel:
            if not self.transport.is_closing():
                self.transport.write_eof()
        elif self._chunked:
            self.transport.write(b"0\r\n%b\r\n" % (trailers.http1 if trailers is not None else b""))

    def reset(self) -> None:
        self._exchange = None
        if self._ended and not self._sending:
            # Both sides of a tunnel have shut: what the endpoint has not taken yet is still its own.
            self.transport.close()
            self._wait(self._home.idle_limit)
        else:
            cut(self.transport)

    def pause(self) -> None:
        # The last of an answer may be more than its caller can take, but then this is free for the next one already.
        if self._exchange is not None and not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self._wait(self._home.idle_limit)
            self.transport.resume_reading()

    # --- the answer in -----------------------------------------------------------------------------------------

    def _read_heads(self) -> None:
        """Interim answers, then the one."""
        exchange = self._exchange
        while self._buffer and self._exchange is exchange is not None:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                _check_begun(self._buffer)
                return
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            if len(raw) > LARGEST_HEAD:
                raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
            assert self._answers is not None
            answer = self._answers.read(raw, MOST_FIELDS)
            if answer.idle:
                self._home.keep_limit = min(self._home.keep_limit, max(answer.idle - _KEEP_ALIVE_MARGIN, 0.0))
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
        self._answer = answer
        rest, self._buffer = self._buffer, b""
        if answer.head.upgrade:
            self._tunnel = self._sending = True
            exchange.response_head(answer.head, rest, False)
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
        """The answer is whole: free this connection before anybody hears of it, so that the next can have it."""
        self._exchange = self._answers = self._answer = self._body = None
        self.served += 1
        if self._sending:
            self.transport.abort()
        elif keeps:
            self.resume()
            self._home.release(self)
            self._wait(self._home.keep_limit)
        else:
            self.transport.close()

    def _break(self, reason: Reason, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.response_cut(reason, detail, Fate.UNKNOWN)


def _check_begun(data: bytes) -> None:
    """A head that is not whole: refuse early what can never become one."""
    if len(data) > LARGEST_HEAD:
        raise Malformed(UPSTREAM_PROTOCOL, f"its head is over {LARGEST_HEAD} bytes")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise Malformed(UPSTREAM_PROTOCOL, "a line ends with a bare LF")
    if not b"HTTP/1.".startswith(data[:7]):
        raise Malformed(UPSTREAM_PROTOCOL, "this is not HTTP/1")
