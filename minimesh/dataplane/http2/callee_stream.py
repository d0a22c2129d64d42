"""The role of a stream to an endpoint: a ClientStream (see life.py)."""

from __future__ import annotations

from math import inf
from typing import Protocol

from minimesh.dataplane.connections import MultiplexedHome
from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.frames import Code, name_of
from minimesh.dataplane.http2.life import NO_SLOTS, StreamLife
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.dataplane.websocket import accept_of, key_in, with_accept
from minimesh.model.reason import BAD_REQUEST, TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET, Reason

SLOTS = ("accept", "answered", "exchange", "heard", "informational", "method", "upgrade")


class DialledOnce(Protocol):
    """The connection of such a stream. `reserved`: streams that have no number yet; `tunnels`: it takes WebSocket."""

    reserved: int
    tunnels: bool

    @property
    def hub(self) -> MultiplexedHome: ...

    def forgive(self, number: int) -> None: ...

    def give_back(self) -> None:
        """A stream that got no head."""
        ...


class CalleeStream(StreamLife):
    """`answered`: something of the answer has come. `heard`: reads of the connection before the request was sent.
    `accept`: what an HTTP/1 caller has to be told that asked for a WebSocket."""

    __slots__ = NO_SLOTS

    connection: DialledOnce
    exchange: ClientEvents | None
    answered: bool
    heard: int
    informational: int
    method: bytes
    upgrade: bytes
    accept: bytes

    # --- from the connection -----------------------------------------------------------------------------------

    def _agreed(self, head: ResponseHead) -> ResponseHead:
        """The answer to an upgrade, as its caller is to see it."""
        if head.upgrade:
            return ResponseHead(head.status, with_accept(head.fields, self.accept), upgrade=head.upgrade)
        # Refused: it is an answer like any other, and there is nothing more to say to it.
        self.upgrade = b""
        self.finish(None)
        return head

    def _whole(self) -> None:
        """The answer is: the stream is free before anybody hears of it."""
        self.remote_ended = True
        if not self.upgrade:
            self.exchange = None
        if self.local_ended and not self.unsent:
            self.leave()

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
            self.leave()
        else:
            self.cancel(Code.CANCEL)
