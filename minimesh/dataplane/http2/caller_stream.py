"""The role of a stream that a caller has opened: a ServerStream (see life.py)."""

from __future__ import annotations

from math import inf
from typing import Protocol

from minimesh.dataplane.connections import Starts
from minimesh.dataplane.heads import Fields, ResponseHead
from minimesh.dataplane.http2.frames import Code
from minimesh.dataplane.http2.life import NO_SLOTS, StreamLife
from minimesh.dataplane.wheel import Wheel
from minimesh.model.caller import Caller
from minimesh.model.project import Limits
from minimesh.model.reason import CLIENT_TIMEOUT, Cut

_YOUNG = 1.0

SLOTS = ("early", "exchange", "malformed", "tunnel", "upload")


class Accepted(Protocol):
    """The connection of such a stream."""

    caller: Caller
    peer: str
    loopback: bool
    wheel: Wheel

    @property
    def limits(self) -> Limits: ...

    def look_at(self, due: float) -> None:
        """Not later than then."""
        ...


class CallerStream(StreamLife):
    """`upload`: its body has to go on arriving. `malformed`: it is reset instead of answered. `early`: what came for a
    tunnel before it was one."""

    __slots__ = NO_SLOTS

    connection: Accepted
    exchange: Starts | None
    malformed: bool
    tunnel: bool
    upload: bool
    early: list[bytes] | None
    protocol = "http/2"

    def say_head(self, head: ResponseHead, end: bool) -> None:
        """The codec's: HEADERS."""
        raise NotImplementedError

    @property
    def peer(self) -> str:
        return self.connection.peer

    @property
    def caller(self) -> Caller:
        return self.connection.caller

    @property
    def loopback(self) -> bool:
        return self.connection.loopback

    # --- from the connection -----------------------------------------------------------------------------------

    def data(self, data: bytes, end: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if self.early is not None:
            self.early.append(data)
            self.paused = True
            return
        if data:
            exchange.request_data(data)
        if end and self.exchange is exchange:
            exchange.request_end(None)

    def broken(self, code: Code, detail: str) -> None:
        self.cut(Cut.CLIENT_GONE, detail)

    def was_reset(self, code: int) -> None:
        self.cut(Cut.CLIENT_GONE, "the caller reset the stream")

    def cut(self, how: Cut, detail: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.drop()
        if exchange is not None:
            exchange.request_cut(how, detail)

    def tell(self, blocked: bool) -> None:
        if self.exchange is None:
            return
        if blocked:
            self.exchange.response_blocked()
        else:
            self.exchange.response_unblocked()

    def is_young(self) -> bool:
        return self.exchange is not None and self.connection.wheel.now - self.exchange.started < _YOUNG

    def timed_out(self, now: float) -> float:
        exchange = self.exchange
        limits = self.connection.limits
        if exchange is None:
            self.due = inf
        if exchange is not None and self.due <= now:
            self.due = inf
            exchange.deadline_passed()
        elif self.unsent:
            if now - self.touched >= limits.send:
                self.cancel(Code.CANCEL)
                self.cut(Cut.SLOW_READER, f"the caller took nothing for {limits.send:g} s")
            return min(self.due, self.touched + limits.send)
        elif exchange is not None and self.upload and not self.remote_ended and not self.paused:
            if now - self.touched >= limits.body:
                self.upload = False
                exchange.request_refused(CLIENT_TIMEOUT, f"the body stood still for {limits.body:g} s")
            else:
                return min(self.due, self.touched + limits.body)
        return self.due

    # --- from the exchange -------------------------------------------------------------------------------------

    def send_informational(self, head: ResponseHead) -> None:
        self.say_head(head, False)

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        if self.malformed:
            self.cancel(Code.PROTOCOL_ERROR)
            return
        whole = end and not data
        self.say_head(head, whole)
        if whole:
            self.exchange = None
            self.local_ended = True
            self.sent()
            return
        if data:
            self.send_data(data)
        if head.upgrade:
            self._open_tunnel()
        if end:
            self.send_end(None)

    def _open_tunnel(self) -> None:
        self.tunnel = True
        early, self.early = self.early, None
        self.resume()
        exchange = self.exchange
        if early and exchange is not None:
            exchange.request_data(b"".join(early))
        if self.remote_ended and self.exchange is exchange and exchange is not None:
            exchange.request_end(None)

    def send_end(self, trailers: Fields | None) -> None:
        if not self.tunnel:
            self.exchange = None
        self.finish(trailers)

    def sent(self) -> None:
        """The answer is whole: the rest of a body that still comes is of no use to anybody (RFC 9113, section 8.1)."""
        if self.remote_ended:
            self.leave()
        elif self.exchange is None:
            self.cancel(Code.NO_ERROR)

    def reset(self) -> None:
        self.exchange = None
        # RFC 8441, section 5: what is a reset of TCP elsewhere.
        self.cancel(Code.CANCEL if self.tunnel else Code.INTERNAL_ERROR)

    def over(self) -> None:
        """Both directions of a tunnel have ended."""
        self.exchange = None
        if not self.remote_ended or not self.local_ended:
            self.cancel(Code.NO_ERROR)
        elif not self.unsent:
            self.leave()

    def arm(self, due: float) -> None:
        self.due = due
        self.connection.look_at(due)
