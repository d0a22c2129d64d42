"""The side towards the caller, on h11: one exchange at a time, everything behind it waits unread."""

import asyncio
from math import inf
from typing import cast

from minimesh.dataplane.connections import WATERMARK, Entrance, ServerConnection, Starts, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.http1.encode import response_head
from minimesh.dataplane.reference.request import Message, read_request
from minimesh.dataplane.wheel import Timed
from minimesh.model.reason import BAD_REQUEST, CLIENT_TIMEOUT, HEAD_TOO_LARGE, TARGET_TOO_LONG, Cut, Reason

_LINGER = 2.0


class ReferenceServer(ServerConnection, Timed):
    """Between requests `_exchange` is None; `_message` is the request that it is about, None for one that was
    refused unread; `_body_open`: more of its body is to come."""

    def __init__(self, entrance: Entrance) -> None:
        Timed.__init__(self)
        self.peer = ""
        self.loopback = False
        self._entrance = entrance
        self._exchange: Starts | None = None
        self._message: Message | None = None
        self._body_open = False
        self._buffer = b""
        self._deadline = inf
        self._unsent = 0
        self._blocked = self._paused = self._eof = False
        self._chunked = self._close = self._tunnel = self._over = self._reading = False

    @property
    def protocol(self) -> str:
        return "http/1.0" if self._message is not None and not self._message.minor else "http/1.1"

    # --- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        self._transport.set_write_buffer_limits(high=WATERMARK)
        name = self._transport.get_extra_info("peername")
        if name:
            self.peer = f"{name[0]}:{name[1]}"
            self.loopback = name[0].startswith("127.") or name[0] == "::1"
        self._entrance.opened(self)
        self._wait(self._entrance.limits.idle)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._exchange is None:
            self._buffer += data
            self._read_requests()
        elif self._body_open:
            self._read_body(data)
        elif self._tunnel:
            self._exchange.request_data(data)
        else:
            self._buffer += data
            if len(self._buffer) > WATERMARK:
                self._hold(True)

    def eof_received(self) -> bool:
        """True keeps our own sending side open: the caller may have shut only its own."""
        self._eof = True
        exchange = self._exchange
        if exchange is None or self._over:
            return False
        if self._body_open:
            self._cut(Cut.CLIENT_GONE, "the caller closed before its body was whole")
            return False
        if self._tunnel:
            exchange.request_end(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._cut(Cut.CLIENT_GONE, "the caller closed the connection")
        self._entrance.wheel.forget(self)
        self._entrance.closed(self)

    def drain(self) -> None:
        self._close = True
        if self._exchange is None and not self._over:
            self._transport.close()

    def abort(self) -> None:
        cut(self._transport)
        self._cut(Cut.STOPPED, "the mesh stopped")

    # --- requests in -------------------------------------------------------------------------------------------

    def _read_requests(self) -> None:
        """As many as are there and are over at once."""
        self._reading = True
        while self._buffer and self._exchange is None and not self._has_to_wait():
            head = self._take_head()
            if head is None:
                break
            try:
                self._begin(read_request(head, self._entrance.limits))
            except Malformed as error:
                self._refuse(error.reason, error.detail)
        self._reading = False

    def _has_to_wait(self) -> bool:
        return self._blocked or self._over or self._transport.is_closing()

    def _take_head(self) -> bytes | None:
        """The next whole head. One empty line before it is forgiven (RFC 9112, section 2.2)."""
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
        self._body_open = head.length != 0
        if self._body_open:
            data, self._buffer = self._buffer, b""
            pieces = message.body.feed(data)
            self._note_end_of(message)
        self._message = message
        self._exchange = exchange = self._entrance.exchange(self, head)
        if self._body_open:
            self._wait(self._entrance.limits.body)
        trailers = message.body.trailers
        whole = not self._body_open and not head.upgrade
        exchange.start(b"".join(pieces), whole and trailers is None)
        if whole and trailers is not None and self._exchange is exchange:
            exchange.request_end(trailers)

    def _note_end_of(self, message: Message) -> None:
        if message.body.done:
            self._body_open = False
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
        self._body_open = False
        self._buffer = b""
        self._entrance.refuse(self, reason, detail)

    # --- answers out -------------------------------------------------------------------------------------------

    def send_informational(self, head: ResponseHead) -> None:
        if self._message is not None and self._message.minor:
            self._transport.write(response_head(head))

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        encoded = response_head(head)[:-2]
        # An answer that is whole before the request leaves a body that nobody wants: the connection ends with it.
        self._close = self._close or (end and self._body_open)
        if head.upgrade:
            self._switch(b"%bconnection: upgrade\r\nupgrade: %b\r\n\r\n" % (encoded, head.upgrade))
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
        if self._body_open or self._close or (self._eof and not self._buffer):
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

    def reset(self) -> None:
        self._exchange = None
        self._over = True
        self.abort()

    def over(self) -> None:
        self._exchange = None
        self._transport.close()
        self._linger()

    def _linger(self) -> None:
        """Shut our side first and read on a little, so that a reset does not overtake the answer (RFC 9112, 9.6)."""
        self._over = True
        self._buffer = b""
        if not self._transport.is_closing():
            if self._eof:
                self._transport.close()
            else:
                self._hold(False)
                self._transport.write_eof()
        self._look_again()

    # --- back-pressure and time --------------------------------------------------------------------------------

    def pause(self) -> None:
        self._hold(True)

    def resume(self) -> None:
        if self._paused and self._body_open:
            # It was held back: its limit begins anew.
            self._wait(self._entrance.limits.body)
        self._hold(False)

    def _hold(self, paused: bool) -> None:
        if paused is self._paused or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._blocked = True
        self._look_again()
        if self._exchange is not None:
            self._exchange.response_blocked()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._exchange is not None:
            self._exchange.response_unblocked()
        elif not self._over:
            self._read_on()

    def arm(self, due: float) -> None:
        self._deadline = due
        self._entrance.wheel.arm(self, min(due, self.due) if self._body_open else due)

    def _wait(self, seconds: float) -> None:
        wheel = self._entrance.wheel
        wheel.arm(self, min(wheel.now + seconds, self._deadline))

    def timed_out(self) -> None:
        exchange, limits = self._exchange, self._entrance.limits
        if exchange is not None and self._entrance.wheel.now >= self._deadline:
            self._deadline = inf
            exchange.deadline_passed()
        elif self._blocked or self._over:
            if self._transport.get_write_buffer_size() < self._unsent:
                self._look_again()
            else:
                self._cut(Cut.SLOW_READER, f"the caller took nothing for {limits.send:g} s")
                (self.abort if self._unsent else self._transport.abort)()
        elif exchange is None:
            self._end_idling()
        elif self._body_open and not self._paused:
            self._close = True
            exchange.request_refused(CLIENT_TIMEOUT, f"the body stood still for {limits.body:g} s")
        elif self._body_open:
            self._wait(limits.body)
        elif self._deadline != inf:
            self._entrance.wheel.arm(self, self._deadline)

    def _end_idling(self) -> None:
        if self._buffer:
            self._refuse(CLIENT_TIMEOUT, f"the head was not whole after {self._entrance.limits.head:g} s")
        else:
            self._transport.abort()

    def _look_again(self) -> None:
        """When the caller should have taken some of what waits for it, or, with nothing waiting, have closed too."""
        self._unsent = self._transport.get_write_buffer_size()
        self._wait(self._entrance.limits.send if self._unsent else _LINGER)

    def _cut(self, how: Cut, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        self._body_open = False
        self._buffer = b""
        if exchange is not None:
            exchange.request_cut(how, detail)
