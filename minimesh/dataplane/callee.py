"""A dialled connection's life, whichever codec writes it: its exchange, back-pressure, idle limit, and its end.

A codec adds how requests are written and answers are read.
"""

import asyncio
import os
from typing import cast

from minimesh.dataplane.connections import WATERMARK, ClientConnection, Home, cut
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.dataplane.websocket import NONCE, accept_of, answers, key_of, with_accept
from minimesh.dataplane.wheel import Timed
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

LARGEST_HEAD = 64 * 1024
MOST_FIELDS = 256
MOST_INFORMATIONAL = 20
_KEEP_ALIVE_MARGIN = 1.0
_SETTINGS = b"\x04\0\0\0\0\0"


class CalleeConnection(ClientConnection, Timed):
    """`_answered`: something of the answer has come. `_sending`: the request is not whole yet. `_chunked`: how its
    body goes. `_tunnel`: bytes pass as they are; `_ended`: the endpoint has shut its side of it. `_accept`: what it
    has to say to a key for WebSocket that was made for it."""

    __slots__ = (
        "_accept",
        "_answered",
        "_buffer",
        "_chunked",
        "_ended",
        "_exchange",
        "_home",
        "_informational",
        "_paused",
        "_sending",
        "_tunnel",
        "served",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, home: Home) -> None:
        Timed.__init__(self)
        self.served = 0
        self._home = home
        self._exchange: ClientEvents | None = None
        self._buffer = self._accept = b""
        self._informational = 0
        self._answered = self._chunked = self._ended = self._paused = self._sending = self._tunnel = False

    def attend(self, exchange: ClientEvents) -> None:
        """Serve this exchange from now on."""
        self._exchange = exchange
        self._answered = False

    def go_on(self) -> None:
        self.served = 1
        self._wait(self._home.keep_limit)

    # --- from the transport ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit from it
        transport.set_write_buffer_limits(high=WATERMARK)

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

    # --- from the exchange -------------------------------------------------------------------------------------

    def send_data(self, data: bytes) -> None:
        if not data:
            return
        self._wait(self._home.idle_limit)
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

    # --- for the codec -----------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        wheel = self._home.wheel
        self.due = due = wheel.now + seconds
        if due < self.check:
            wheel.arm(self, due)

    def _key_line(self, request: OutgoingHead) -> bytes:
        """For an upgrade whose caller has no key, since its protocol has none; else b""."""
        self._accept = b""
        if not (request.upgrade and request.multiplexed):
            return b""
        key = key_of(os.urandom(NONCE))
        self._accept = accept_of(key)
        return b"sec-websocket-key: %b\r\n" % key

    def _agreed(self, head: ResponseHead) -> ResponseHead:
        """The answer to an upgrade, as its caller is to see it. Raises Malformed."""
        if not self._accept:
            return head
        if head.upgrade:
            if not answers(head.fields, self._accept):
                raise Malformed(UPSTREAM_PROTOCOL, "its Sec-WebSocket-Accept does not belong to the key that it got")
            return ResponseHead(head.status, with_accept(head.fields, b""), upgrade=head.upgrade)
        if 200 <= head.status < 300:
            # RFC 8441, section 5: to a caller on HTTP/2 any 2xx says that the tunnel is open.
            raise Malformed(UPSTREAM_PROTOCOL, f"it answered a handshake for WebSocket with {head.status}")
        return head

    def _keep_for(self, said: float) -> None:
        """The endpoint says for how many seconds it keeps an idle connection (Keep-Alive: timeout=…)."""
        if said:
            self._home.keep_limit = min(self._home.keep_limit, max(said - _KEEP_ALIVE_MARGIN, 0.0))

    def _free(self, keeps: bool) -> None:
        """The answer is whole: free this connection before anybody hears of it, so that the next can have it."""
        self._exchange = None
        self._informational = 0
        self.served += 1
        if self._sending:
            self.transport.abort()
        elif keeps:
            if self._paused:
                self.resume()
            self._home.release(self)
            if self._exchange is None:
                self._wait(self._home.keep_limit)
        else:
            self.transport.close()

    def _unasked(self, data: bytes) -> None:
        """Whatever this is, it must not become somebody's answer. The first word of HTTP/2 is kept for whoever comes,
        who would otherwise take it that the connection was refused."""
        early = self._buffer + data
        if not self.served and _begins_http2(early) and len(early) <= LARGEST_HEAD:
            self._buffer = early
        else:
            self.transport.abort()

    def _learn(self, data: bytes) -> None:
        """What came is not HTTP/1. Where it is HTTP/2, which begins with SETTINGS, the endpoint could not read what it
        got, and has taken nothing."""
        if not self.served and _begins_http2(data):
            self._home.speaks_http2()
            exchange, self._exchange = self._exchange, None
            self.transport.abort()
            if exchange is not None:
                exchange.response_cut(UPSTREAM_PROTOCOL, "it speaks HTTP/2 alone", Fate.UNPROCESSED)

    def _break(self, reason: Reason, detail: str) -> None:
        """What the endpoint sent cannot be passed on."""
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.response_cut(reason, detail, Fate.UNKNOWN)


def _begins_http2(data: bytes) -> bool:
    return data[:1] == b"\0" and data[3:9] == _SETTINGS[: max(len(data) - 3, 0)]
