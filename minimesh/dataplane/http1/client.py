"""The side towards an endpoint: a connection that is kept for the next request when an answer is whole."""

import asyncio
from math import inf
from typing import cast

from minimesh.dataplane.connections import WATERMARK, ClientConnection, Home, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, OutgoingHead
from minimesh.dataplane.http1.body import Body, ChunkedBody, FixedBody, UntilClose
from minimesh.dataplane.http1.encode import request_prefix
from minimesh.dataplane.http1.response import Response, read_response
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.dataplane.wheel import Timed
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

LARGEST_HEAD = 64 * 1024
MOST_FIELDS = 256
MOST_INFORMATIONAL = 20
_SMALL = 16 * 1024
_KEEP_ALIVE_MARGIN = 1.0


class Http1Client(ClientConnection, Timed):
    """One exchange at a time. `served` counts those that are over: a connection that has served may be stale."""

    __slots__ = (
        "_answered",
        "_body",
        "_buffer",
        "_chunked",
        "_ended",
        "_exchange",
        "_home",
        "_informational",
        "_keeps",
        "_memo",
        "_memo_raw",
        "_method",
        "_paused",
        "_sending",
        "_tunnel",
        "_upgrade",
        "served",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, home: Home) -> None:
        self.due = self.check = inf
        self.slot = 0
        self.served = 0
        self._home = home
        self._exchange: ClientEvents | None = None
        self._body: Body | None = None
        self._buffer = b""
        self._memo_raw = b""
        self._memo: Response | None = None
        self._method = b""
        self._upgrade = b""
        self._informational = 0
        self._answered = self._chunked = self._ended = self._keeps = False
        self._paused = self._sending = self._tunnel = False

    def attend(self, exchange: ClientEvents) -> None:
        """Serve this exchange from now on."""
        self._exchange = exchange
        self._answered = False

    # --- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)

    def data_received(self, data: bytes) -> None:
        home = self._home
        self.due = due = home.wheel.now + home.idle_limit
        if due < self.check:
            home.wheel.arm(self, due)
        exchange = self._exchange
        if exchange is None:
            # Nobody asked: whatever this is, it must not become somebody's answer.
            self.transport.abort()
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

    def connection_lost(self, error: Exception | None) -> None:
        self._home.wheel.forget(self)
        self._home.lost(self)
        exchange, self._exchange = self._exchange, None
        self._body = None
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
            self._home.wheel.arm(self, self._home.wheel.now + self._home.idle_limit)
        else:
            self._break(TIMEOUT, f"not a byte for {self._home.idle_limit:g} s")

    # --- the request out ---------------------------------------------------------------------------------------

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        self._method = request.method
        self._upgrade = request.upgrade
        self._sending = not end and request.length != 0
        self._chunked = request.length == UNKNOWN
        prefix = request.http1 or request_prefix(request)
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

    def send_data(self, data: bytes) -> None:
        if not data:
            return
        self.due = self._home.wheel.now + self._home.idle_limit
        if self._chunked:
            self.transport.write(b"%x\r\n" % len(data))
            self.transport.write(data)
            self.transport.write(b"\r\n")
        else:
            self.transport.write(data)

    def send_end(self, trailers: Fields | None) -> None:
        self._sending = False
        if self._tunnel:
            if self.transport.can_write_eof() and not self.transport.is_closing():
                self.transport.write_eof()
        elif self._chunked:
            self.transport.write(b"0\r\n%b\r\n" % (trailers.http1 if trailers is not None else b""))

    def reset(self) -> None:
        self._exchange = None
        self._body = None
        if self._ended and not self._sending:
            # Both sides of a tunnel have shut: what the endpoint has not taken yet is still its own.
            self.transport.close()
            self._home.wheel.arm(self, self._home.wheel.now + self._home.idle_limit)
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
            self._home.wheel.arm(self, self._home.wheel.now + self._home.idle_limit)
            self.transport.resume_reading()

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
        if response.idle:
            self._home.keep_limit = min(self._home.keep_limit, max(response.idle - _KEEP_ALIVE_MARGIN, 0.0))
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
        """The answer is whole: free this connection before anybody hears of it, so that the next can have it."""
        self._exchange = None
        self._body = None
        self._informational = 0
        self.served += 1
        if self._keeps and not self._sending:
            if self._paused:
                self.resume()
            home = self._home
            home.release(self)
            self.due = due = home.wheel.now + home.keep_limit
            if due < self.check:
                home.wheel.arm(self, due)
        elif self._sending:
            self.transport.abort()
        else:
            self.transport.close()

    def _break(self, reason: Reason, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        self._body = None
        self.transport.abort()
        if exchange is not None:
            exchange.response_cut(reason, detail, Fate.UNKNOWN)
