"""The side towards the caller: a connection that serves one exchange at a time, and is its stream."""

from math import inf

from minimesh.dataplane.caller import CallerConnection
from minimesh.dataplane.connections import WATERMARK, Entrance
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import CONNECT, NO_FIELDS, UNKNOWN, Fields, RequestHead, ResponseHead
from minimesh.dataplane.http1.body import Body, ChunkedBody, FixedBody
from minimesh.dataplane.http1.encode import response_head
from minimesh.dataplane.http1.request import CLOSE, Block, Manner, read_block, read_request
from minimesh.model.reason import BAD_REQUEST, HEAD_TOO_LARGE, TARGET_TOO_LONG, Reason


class Http1Server(CallerConnection):
    """At most one exchange is under way; what a pipelining caller sends meanwhile waits, unparsed and bounded."""

    __slots__ = ("_block_memo", "_body", "_manner", "_memo", "_memo_raw", "_reading")

    _body: Body

    def __init__(self, entrance: Entrance) -> None:
        super().__init__(entrance)
        self._manner = CLOSE
        self._memo_raw = b""
        self._memo = (_NO_REQUEST, CLOSE)
        self._block_memo: tuple[bytes, Block] | None = None
        self._reading = False

    @property
    def protocol(self) -> str:
        return "http/1.1" if self._manner.minor else "http/1.0"

    def data_received(self, data: bytes) -> None:
        if self._exchange is None and not self._lingering:
            if self._buffer:
                data, self._buffer = self._buffer + data, b""
            self._read(data)
        elif self._uploading:
            self._read_body(data)
        elif self._tunnel and self._exchange is not None:
            self._exchange.request_data(data)
        elif not self._lingering:
            self._buffer += data
            if len(self._buffer) > WATERMARK:
                self._hold(True)

    # --- requests in -------------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """Heads, and bodies that came with them, for as long as each exchange is over at once."""
        self._reading = True
        while data:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                self._wait_for_head(data)
                break
            raw, data = (data[:end], data[end:]) if len(data) > end else (data, b"")
            if raw == self._memo_raw:
                head, self._manner = self._memo
            elif raw.startswith(b"\r\n"):
                # RFC 9112, section 2.2: an empty line before a request is forgiven. One: each costs a copy of the rest.
                data = raw[2:] + data
                if data.startswith(b"\r\n"):
                    self._refuse(BAD_REQUEST, "there are two empty lines before the request")
                    break
                continue
            elif raw == _PREFACE and not self._memo_raw:
                self._give_way(raw + data)
                break
            else:
                try:
                    head, self._manner = self._parse(raw)
                except Malformed as error:
                    self._refuse(error.reason, error.detail)
                    break
            data = self._begin(head, data)
            if self._exchange is not None or self._blocked or self._lingering or self._transport.is_closing():
                if not self._lingering:
                    self._keep(data)
                break
        self._reading = False

    def _parse(self, raw: bytes) -> tuple[RequestHead, Manner]:
        limits = self._entrance.limits
        if len(raw) > limits.head_size:
            raise Malformed(HEAD_TOO_LARGE, f"the head is over {limits.head_size} bytes")
        line_end = raw.index(b"\r\n")
        line, block = raw[:line_end], raw[line_end:-4]
        if self._block_memo is not None and self._block_memo[0] == block:
            facts = self._block_memo[1]
        else:
            if len(line) > limits.target + 64:
                raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
            facts = read_block(block, limits)
            self._block_memo = (block, facts)
        self._memo = memo = read_request(line, facts, limits, self._entrance.connects)
        self._memo_raw = raw
        return memo

    def _begin(self, head: RequestHead, data: bytes) -> bytes:
        """Start an exchange; what is behind the request is returned."""
        if not head.length:
            self._exchange = exchange = self._entrance.exchange(self, head)
            exchange.start(b"", not head.upgrade)
            return data
        body: Body = ChunkedBody(BAD_REQUEST) if head.length == UNKNOWN else FixedBody(head.length)
        pieces: list[bytes] = []
        try:
            data = body.feed(data, pieces) if data else b""
        except Malformed as error:
            self._refuse(error.reason, error.detail)
            return b""
        if not body.done:
            self._body = body
            self._uploading = True
            self._entrance.wheel.arm(self, self._entrance.wheel.now + self._entrance.limits.body)
        trailers = body.trailers if body.done and body.trailers is not NO_FIELDS else None
        self._exchange = exchange = self._entrance.exchange(self, head)
        exchange.start(b"".join(pieces), body.done and trailers is None)
        if trailers is not None and self._exchange is exchange:
            exchange.request_end(trailers)
        return data

    def _read_body(self, data: bytes) -> None:
        body, exchange = self._body, self._exchange
        assert exchange is not None
        pieces: list[bytes] = []
        try:
            rest = body.feed(data, pieces)
        except Malformed as error:
            self._close = True
            exchange.request_refused(error.reason, error.detail)
            return
        if not body.done:
            wheel = self._entrance.wheel
            wheel.arm(self, min(wheel.now + self._entrance.limits.body, self._deadline))
        if pieces:
            exchange.request_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            if self._exchange is not exchange:
                return
        if body.done:
            self._uploading = False
            self._buffer = rest
            self.due = self._deadline
            exchange.request_end(body.trailers if body.trailers is not NO_FIELDS else None)

    def _wait_for_head(self, data: bytes) -> None:
        """A head that is not whole: refuse early what can never become one, else keep it and set its limit."""
        limits = self._entrance.limits
        line_end = data.find(b"\n")
        if line_end < 0 and len(data) > limits.target + 64:
            self._refuse(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
        elif len(data) > limits.head_size:
            self._refuse(HEAD_TOO_LARGE, f"the head is over {limits.head_size} bytes")
        elif data.count(b"\n") != data.count(b"\r\n"):
            self._refuse(BAD_REQUEST, "a line ends with a bare LF")
        elif not (data[:1].isalnum() or data[:1] in b"\r!#$%&'*+-.^_`|~"):
            self._refuse(BAD_REQUEST, "this is TLS, not HTTP" if data[:1] == b"\x16" else "this is not HTTP")
        elif self._eof:
            self._transport.close()
        else:
            if not self._buffer and self._entrance.wheel.now + limits.head < self.due:
                self._entrance.wheel.arm(self, self._entrance.wheel.now + limits.head)
            self._buffer = data

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._close = True
        self._manner = CLOSE
        self._entrance.refuse(self, reason, detail)

    def _keep(self, data: bytes) -> None:
        if self._tunnel and self._exchange is not None:
            if data:
                self._exchange.request_data(data)
        elif not self._uploading:
            self._buffer = data

    # --- answers out -------------------------------------------------------------------------------------------

    def send_informational(self, head: ResponseHead) -> None:
        if self._manner.minor:
            self._transport.write(head.http1 or response_head(head))

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        encoded = head.http1 or response_head(head)
        manner = self._manner
        if end and self._uploading:
            # The answer is whole before the request: the rest of that is of no use to anybody (see _end_response).
            self._close = True
        if head.length >= 0 and not self._close and not manner.close and not manner.keep_alive and not head.upgrade:
            if self._entrance.draining:
                self._close = True
                encoded = encoded[:-2] + b"connection: close\r\n\r\n"
            if end:
                self._transport.write(encoded + data)
                self._end_response()
                return
            self._transport.write(encoded + data)
            return
        self._send_special(head, encoded[:-2])
        if data:
            self.send_data(data)
        if end:
            self.send_end(None)

    def _send_special(self, head: ResponseHead, encoded: bytes) -> None:
        """A head that says something of the connection or of the body's framing."""
        manner = self._manner
        self._close = self._close or manner.close or self._entrance.draining
        if head.upgrade:
            self._tunnel = True
            said = b"" if head.upgrade == CONNECT else b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade
            self._transport.write(b"%b%b\r\n" % (encoded, said))
            self._hold(False)
            early, self._buffer = self._buffer, b""
            if early and self._exchange is not None:
                self._exchange.request_data(early)
            if self._eof and self._exchange is not None:
                self._exchange.request_end(None)
            return
        if head.length == UNKNOWN:
            self._chunked = bool(manner.minor)
            if self._chunked:
                encoded += b"transfer-encoding: chunked\r\n"
            else:
                self._close = True
        if self._close:
            encoded += b"connection: close\r\n"
        elif manner.keep_alive:
            encoded += b"connection: keep-alive\r\n"
        self._transport.write(encoded + b"\r\n")

    def send_data(self, data: bytes) -> None:
        if not data:
            return
        if self._chunked:
            self._transport.write(b"%x\r\n" % len(data))
            self._transport.write(data)
            self._transport.write(b"\r\n")
        else:
            self._transport.write(data)

    def send_end(self, trailers: Fields | None) -> None:
        if self._tunnel:
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
            return
        if self._chunked:
            self._transport.write(b"0\r\n%b\r\n" % (trailers.http1 if trailers is not None else b""))
        self._end_response()

    def _end_response(self) -> None:
        self._chunked = False
        if not self._uploading:
            self._finished()
        else:
            self._exchange = None
            self._uploading = False
            self._linger()

    def _finished(self) -> None:
        """Request and answer are whole: the next one, or the end."""
        self._exchange = None
        self._deadline = inf
        if self._close or (self._eof and not self._buffer):
            self._linger()
            return
        if self._blocked:
            # Nobody takes the answer yet, so nobody would hear that the next one has to wait.
            self._hold(True)
            self._look_again()
        else:
            self._read_on()

    def _read_on(self) -> None:
        self._idle()
        if self._paused:
            self._hold(False)
        if self._buffer and not self._reading:
            data, self._buffer = self._buffer, b""
            self._read(data)

    def _idle(self) -> None:
        wheel = self._entrance.wheel
        self.due = due = wheel.now + self._entrance.limits.idle
        if due < self.check:
            wheel.arm(self, due)


_NO_REQUEST = RequestHead(b"", b"", b"")
_PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""What a caller begins with that knows that HTTP/2 is spoken here (RFC 9113, section 3.3)."""
