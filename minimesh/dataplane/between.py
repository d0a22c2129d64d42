"""What stands between a caller's stream and its exchange, and speaks to each as the other does.

To the stream it is the exchange, to the exchange the stream. This passes everything on as it is; a translation
overrides what it translates. Requests that need none never meet it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.dataplane.grpc import read_timeout
from minimesh.dataplane.heads import Fields, Pairs, RequestHead

if TYPE_CHECKING:
    from minimesh.dataplane.connections import Starts
    from minimesh.dataplane.heads import ResponseHead
    from minimesh.dataplane.streams import ServerStream
    from minimesh.model.caller import Caller
    from minimesh.model.reason import Cut, Reason


def call_of(head: RequestHead, fields: Pairs, length: int) -> RequestHead:
    """The head of a call of gRPC with these fields, which stands for another one in the exchange."""
    call = RequestHead(
        head.method,
        head.target,
        head.authority,
        Fields(fields),
        length,
        request_id=head.request_id,
        traceparent=head.traceparent,
        forwarded=head.forwarded,
        cross_site=head.cross_site,
        trailers=True,
    )
    call.multiplexed = call.grpc = True
    call.timeout = read_timeout(head.fields.get(b"grpc-timeout") or b"")
    return call


class Between:
    """A Starts and a ServerStream. It is held by the stream alone, so it goes when the stream lets go of it."""

    __slots__ = ("_exchange", "_server")

    _exchange: Starts

    def __init__(self, server: ServerStream) -> None:
        self._server = server

    # --- as the exchange ---------------------------------------------------------------------------------------

    @property
    def started(self) -> float:
        return self._exchange.started

    @property
    def in_line(self) -> bool:
        return self._exchange.in_line

    def start(self, data: bytes, end: bool) -> None:
        self._exchange.start(data, end)

    def request_data(self, data: bytes) -> None:
        self._exchange.request_data(data)

    def request_end(self, trailers: Fields | None) -> None:
        self._exchange.request_end(trailers)

    def request_cut(self, cut: Cut, detail: str) -> None:
        self._exchange.request_cut(cut, detail)

    def request_refused(self, reason: Reason, detail: str) -> None:
        self._exchange.request_refused(reason, detail)

    def response_blocked(self) -> None:
        self._exchange.response_blocked()

    def response_unblocked(self) -> None:
        self._exchange.response_unblocked()

    def deadline_passed(self) -> None:
        self._exchange.deadline_passed()

    # --- as the stream -----------------------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        return self._server.peer

    @property
    def caller(self) -> Caller:
        return self._server.caller

    @property
    def loopback(self) -> bool:
        return self._server.loopback

    @property
    def protocol(self) -> str:
        return self._server.protocol

    def send_informational(self, head: ResponseHead) -> None:
        self._server.send_informational(head)

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._server.send_head(head, data, end)

    def send_data(self, data: bytes) -> None:
        self._server.send_data(data)

    def send_end(self, trailers: Fields | None) -> None:
        self._server.send_end(trailers)

    def reset(self) -> None:
        self._server.reset()

    def over(self) -> None:
        self._server.over()

    def pause(self) -> None:
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()

    def arm(self, due: float) -> None:
        self._server.arm(due)
