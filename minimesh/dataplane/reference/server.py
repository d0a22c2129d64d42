"""The side towards the caller, on h11: one exchange at a time, everything behind it waits unread."""

from math import inf

from minimesh.dataplane.caller import CallerConnection
from minimesh.dataplane.connections import WATERMARK, Entrance
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import CONNECT, UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.http1.encode import response_head
from minimesh.dataplane.reference.request import Message, read_request
from minimesh.model.reason import BAD_REQUEST, HEAD_TOO_LARGE, TARGET_TOO_LONG, Reason

_PREFACE = b"PRI * HTTP/2.0\r\n\r\n"


class ReferenceServer(CallerConnection):
    """Between requests `_exchange` is None; `_message` is the request that it is about, None for one that was
    refused unread; `_uploading`: more of its body is to come."""

    def __init__(self, entrance: Entrance) -> None:
        super().__init__(entrance)
        self._message: Message | None = None
        self._reading = False

    @property
    def protocol(self) -> str:
        return "http/1.0" if self._message is not None and not self._message.minor else "http/1.1"

    # --- the connection ----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        if self._exchange is None:
            self._buffer += data
            self._read_requests()
        elif self._uploading:
            self._read_body(data)
        elif self._tunnel:
            self._exchange.request_data(data)
        else:
            self._buffer += data
            if len(self._buffer) > WATERMARK:
                self._hold(True)

    # --- requests in -------------------------------------------------------------------------------------------

    def _read_requests(self) -> None:
        """As many as are there and are over at once."""
        self._reading = True
        while self._buffer and self._exchange is None and not self._has_to_wait():
            head = self._take_head()
            if head is None:
                break
            try:
                self._begin(read_request(head, self._entrance.limits, self._entrance.connects))
            except Malformed as error:
                self._refuse(error.reason, error.detail)
        self._reading = False

    def _has_to_wait(self) -> bool:
        return self._blocked or self._lingering or self._transport.is_closing()

    def _take_head(self) -> bytes | None:
        """The next whole head. One empty line before it is forgiven (RFC 9112, section 2.2)."""
        if self._buffer.startswith(_PREFACE) and self._message is None:
            early, self._buffer = self._buffer, b""
            self._give_way(early)
            return None
        start = 2 if self._buffer.startswith(b"\r\n") else 0
        end = self._buffer.find(b"\r\n\r\n", start) + 4
        if end < 4:
            self._wait_for_head(self._buffer[start:])
            return None
        head, self._buffer = self._buffer[start:end], self._buffer[end:]
        return head

    def _wait_for_head(self, begun: bytes) -> None:
        """Refuse early what can never become a head, else set its limit."""
        limits = self._entrance.limits
        if b"\n" not in begun and len(begun) > limits.target + 64:
            self._refuse(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
        elif len(begun) > limits.head_size:
            self._refuse(HEAD_TOO_LARGE, f"the head is over {limits.head_size} bytes")
        elif begun.count(b"\n") != begun.count(b"\r\n"):
            self._refuse(BAD_REQUEST, "a line ends with a bare LF")
        elif begun.startswith(b"\x16"):
            self._refuse(BAD_REQUEST, "this is TLS, not HTTP")
        elif begun and not begun[:1].isalnum() and begun[0] not in b"\r!#$%&'*+-.^_`|~":
            self._refuse(BAD_REQUEST, "this is not HTTP")
        elif self._eof:
            self._transport.close()
        elif self._entrance.wheel.now + limits.head < self.due:
            self._wait(limits.head)

    def _begin(self, message: Message) -> None:
        head = message.head
        pieces: list[bytes] = []
        self._uploading = head.length != 0
        if self._uploading:
            data, self._buffer = self._buffer, b""
            pieces = message.body.feed(data)
            self._note_end_of(message)
        self._message = message
        self._exchange = exchange = self._entrance.exchange(self, head)
        if self._uploading:
            self._wait(self._entrance.limits.body)
        trailers = message.body.trailers
        whole = not self._uploading and not head.upgrade
        exchange.start(b"".join(pieces), whole and trailers is None)
        if whole and trailers is not None and self._exchange is exchange:
            exchange.request_end(trailers)

    def _note_end_of(self, message: Message) -> None:
        if message.body.done:
            self._uploading = False
            self._buffer = message.body.behind

    def _read_body(self, data: bytes) -> None:
        message, exchange = self._message, self._exchange
        assert message is not None
        assert exchange is not None
        try:
            pieces = message.body.feed(data)
        except Malformed as error:
            self._close = True
            exchange.request_refused(error.reason, error.detail)
            return
        for piece in pieces:
            exchange.request_data(piece)
            if self._exchange is not exchange:
                return
        if message.body.done:
            self._note_end_of(message)
            self.due = self._deadline
            exchange.request_end(message.body.trailers)
        else:
            self._wait(self._entrance.limits.body)

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._close = True
        self._message = None
        self._uploading = False
        self._buffer = b""
        self._entrance.refuse(self, reason, detail)

    # --- answers out -------------------------------------------------------------------------------------------

    def send_informational(self, head: ResponseHead) -> None:
        if self._message is not None and self._message.minor:
            self._transport.write(response_head(head))

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        encoded = response_head(head)[:-2]
        # An answer that is whole before the request leaves a body that nobody wants: the connection ends with it.
        self._close = self._close or (end and self._uploading)
        if head.upgrade:
            said = b"" if head.upgrade == CONNECT else b"connection: upgrade\r\nupgrade: %b\r\n" % head.upgrade
            self._switch(b"%b%b\r\n" % (encoded, said))
        else:
            self._transport.write(encoded + self._connection_fields(head) + b"\r\n")
        self.send_data(data)
        if end:
            self.send_end(None)

    def _connection_fields(self, head: ResponseHead) -> bytes:
        message = self._message
        self._close = self._close or message is None or message.close or self._entrance.draining
        lines = b""
        if head.length == UNKNOWN:
            self._chunked = message is not None and message.minor == 1
            self._close = self._close or not self._chunked
            lines = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        if self._close:
            return lines + b"connection: close\r\n"
        return lines + b"connection: keep-alive\r\n" if message is not None and message.keep_alive else lines

    def _switch(self, encoded: bytes) -> None:
        """From now on bytes as they are; what came early belongs to the other protocol."""
        self._tunnel = True
        self._transport.write(encoded)
        self._hold(False)
        early, self._buffer = self._buffer, b""
        exchange = self._exchange
        assert exchange is not None
        if early:
            exchange.request_data(early)
        if self._eof and self._exchange is exchange:
            exchange.request_end(None)

    def send_data(self, data: bytes) -> None:
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def send_end(self, trailers: Fields | None) -> None:
        if self._tunnel:
            if not self._transport.is_closing():
                self._transport.write_eof()
            return
        if self._chunked:
            self._chunked = False
            self._transport.write(b"0\r\n%b\r\n" % (trailers.http1 if trailers is not None else b""))
        self._exchange = None
        self._deadline = inf
        if self._uploading or self._close or (self._eof and not self._buffer):
            # The rest of a body that nobody waits for is of no use: the connection ends here.
            self._linger()
            return
        if self._blocked:
            # Nobody takes the answer yet, so nobody would hear that the next one has to wait.
            self._hold(True)
            self._look_again()
        else:
            self._read_on()

    def _read_on(self) -> None:
        self._wait(self._entrance.limits.idle)
        self._hold(False)
        if not self._reading:
            self._read_requests()
