"""The two small interfaces that every codec speaks, and the events that it tells the exchange.

A **ServerStream** leads to the caller, a **ClientStream** to an endpoint. The Exchange joins one of each and knows
neither's protocol. On HTTP/1 the connection itself is the stream; on a multiplexed protocol there are many on one.

What holds for each codec:

- A head comes first and once; then data, any number of times; then one end, or one cut instead of it. After an end
  or a cut nothing more is said in that direction. Data handed over with `head(…, data, end)` is body like any other.
- An end says that the body is whole. Whatever is short, broken or unclear is a cut, never an end.
- `pause` holds back data, not heads; a little that is already read may still arrive after it (at most one read).
- `blocked` asks the exchange to hold back; data that comes nevertheless is taken (the codec's own buffer grows by it).
- A stream calls no event of an exchange before its `start`, and none after `reset` or after its own end.
- When an exchange hands over the end of an answer, or a reset, it is over: it calls that stream no more.
- All calls are synchronous and none fails: what goes wrong comes back as a cut event, possibly during the call.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.model.caller import Caller
from minimesh.model.reason import Cut, Reason


class Fate(Enum):
    """What is known of a request whose answer was cut before any of it came."""

    UNPROCESSED = "the endpoint surely did not act on it (REFUSED_STREAM, a GOAWAY below our stream)"
    STALE = "it went out on a kept connection that the endpoint was closing, so most likely not"
    UNKNOWN = "it may have been acted on"


class ServerStream(Protocol):
    """Towards the caller."""

    @property
    def peer(self) -> str:
        """The caller's address as people read it."""
        ...

    @property
    def loopback(self) -> bool:
        """Whether the caller is on this machine, and so may be told details."""
        ...

    @property
    def caller(self) -> Caller:
        """Who calls. It may become better known while the connection lasts."""
        ...

    @property
    def protocol(self) -> str:
        """`http/1.1`, `http/1.0`, later `http/2`."""
        ...

    def send_informational(self, head: ResponseHead) -> None:
        """A 1xx head other than 101."""
        ...

    def send_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        """The final head with the first of the body. A 101 makes of the stream a tunnel: bytes as they are."""
        ...

    def send_data(self, data: bytes) -> None: ...

    def send_end(self, trailers: Fields | None) -> None:
        """The answer is whole. In a tunnel: no more bytes this way (half-close)."""
        ...

    def reset(self) -> None:
        """Cut: the caller must see that the answer is not whole."""
        ...

    def over(self) -> None:
        """Both directions of a tunnel have ended: nothing more comes."""
        ...

    def pause(self) -> None:
        """Send no more request data until `resume`."""
        ...

    def resume(self) -> None: ...

    def arm(self, due: float) -> None:
        """Have `deadline_passed` called at that monotonic time (within a tenth of a second), once."""
        ...


class ClientStream(Protocol):
    """Towards an endpoint."""

    __slots__ = ()

    def send_head(self, request: OutgoingHead, request_id: bytes, traceparent: bytes, data: bytes, end: bool) -> None:
        """The request with the first of its body, and the two fields that differ from one exchange to the next."""
        ...

    def send_data(self, data: bytes) -> None: ...

    def send_end(self, trailers: Fields | None) -> None: ...

    def reset(self) -> None:
        """Give the request up: the endpoint must see that it is over."""
        ...

    def pause(self) -> None:
        """Send no more response data until `resume`."""
        ...

    def resume(self) -> None: ...


class ServerEvents(Protocol):
    """What a ServerStream tells the exchange. The request head itself is what the exchange is made with."""

    def request_data(self, data: bytes) -> None: ...

    def request_end(self, trailers: Fields | None) -> None: ...

    def request_cut(self, cut: Cut, detail: str) -> None:
        """The caller is gone, too slow, or its body is malformed."""
        ...

    def request_refused(self, reason: Reason, detail: str) -> None:
        """What came of the body is not acceptable, but the caller can still be answered."""
        ...

    def response_blocked(self) -> None: ...

    def response_unblocked(self) -> None: ...

    def deadline_passed(self) -> None: ...


class ClientEvents(Protocol):
    """What a ClientStream, and whoever opens it, tells the exchange."""

    def client_ready(self, stream: ClientStream) -> None:
        """The stream that was asked for and had to be dialled first."""
        ...

    def client_failed(self, reason: Reason, detail: str) -> None:
        """It could not be had: nothing was sent."""
        ...

    def response_informational(self, head: ResponseHead) -> None: ...

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None: ...

    def response_data(self, data: bytes) -> None: ...

    def response_end(self, trailers: Fields | None) -> None: ...

    def response_cut(self, reason: Reason, detail: str, fate: Fate) -> None:
        """The answer will not be whole."""
        ...

    def request_blocked(self) -> None: ...

    def request_unblocked(self) -> None: ...
