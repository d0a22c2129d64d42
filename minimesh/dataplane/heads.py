"""Heads of requests and answers, as every codec hands them over: end-to-end fields and how the body is framed.

What belongs to one connection (Connection and what it lists, Keep-Alive, Transfer-Encoding, Upgrade …) never gets
in here; a codec keeps that to itself and adds its own on the way out (RFC 9110, section 7.6.1).
"""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

Pairs = tuple[tuple[bytes, bytes], ...]

CONNECT = b"connect"
"""What a CONNECT upgrades to: bytes, whatever they are."""

UNKNOWN = -1
"""A body whose length is told by its end alone."""


class Fields:
    """An immutable list of end-to-end fields, in order. Names are lower case in `pairs`.

    `http1` is the same list as lines of an HTTP/1 head, in the sender's own spelling where there is one. Each form is
    made from the other when it is first asked for. http2 is room for the HTTP/2 codec to keep its form in.
    """

    __slots__ = ("_http1", "_pairs", "http2")

    def __init__(self, pairs: Pairs | None = None, http1: bytes | None = None, http2: bytes | None = None) -> None:
        self._pairs = pairs
        self._http1 = http1
        self.http2 = http2

    @property
    def pairs(self) -> Pairs:
        if self._pairs is None:
            self._pairs = tuple(_pairs_of(self._http1 or b""))
        return self._pairs

    @property
    def http1(self) -> bytes:
        if self._http1 is None:
            self._http1 = b"".join([b"%b: %b\r\n" % pair for pair in self._pairs or ()])
        return self._http1

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field; its name in lower case."""
        return next((value for key, value in self.pairs if key == name), None)

    def __repr__(self) -> str:
        return f"Fields({self.pairs!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.pairs == other.pairs

    def __hash__(self) -> int:
        return hash(self.pairs)


def _pairs_of(http1: bytes) -> Iterable[tuple[bytes, bytes]]:
    for line in http1.split(b"\r\n"):
        if line:
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip(b" \t")


NO_FIELDS = Fields((), b"", b"")


class Asked(NamedTuple):
    """How a target was written that is no path: with a scheme, or as CONNECT. host: what Host said beside it."""

    scheme: bytes
    host: bytes


class RequestHead:
    """A request line and its fields; immutable, so that a connection may hand out one object twice.

    target: origin form (or `*`), with one canonical path. authority: host and port as sent, `b""` if none.
    length: of the body in bytes, 0 for none, UNKNOWN. upgrade: the protocol to switch to, or b"".
    request_id and traceparent: what came, valid, or b"". forwarded: X-Forwarded-* and Forwarded as they came,
    kept apart because only the listener knows whether to believe them. cross_site: Sec-Fetch-Site said so.
    asked: how the target was written, where it was no path.
    trailers: TE said that trailers are welcome. multiplexed: it came over HTTP/2, and goes on so where that is spoken.
    grpc: it is a gRPC call; web: one of gRPC-Web; timeout: the seconds that it may take, as its caller said. plan is
    room for the listener to keep what it decided about this head, for as long as the head is handed out again.
    """

    __slots__ = (
        "asked",
        "authority",
        "cross_site",
        "expects_continue",
        "fields",
        "forwarded",
        "grpc",
        "length",
        "method",
        "multiplexed",
        "path",
        "plan",
        "request_id",
        "target",
        "timeout",
        "traceparent",
        "trailers",
        "upgrade",
        "web",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        authority: bytes,
        fields: Fields = NO_FIELDS,
        length: int = 0,
        upgrade: bytes = b"",
        expects_continue: bool = False,
        request_id: bytes = b"",
        traceparent: bytes = b"",
        forwarded: Fields = NO_FIELDS,
        cross_site: bool = False,
        trailers: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.path = target.partition(b"?")[0]
        self.authority = authority
        self.fields = fields
        self.length = length
        self.upgrade = upgrade
        self.expects_continue = expects_continue
        self.request_id = request_id
        self.traceparent = traceparent
        self.forwarded = forwarded
        self.cross_site = cross_site
        self.trailers = trailers
        self.multiplexed = self.grpc = self.web = False
        self.timeout: float | None = None
        self.asked: Asked | None = None
        self.plan: object = None

    def __repr__(self) -> str:
        return f"<{self.method.decode()} {self.target.decode()} {self.authority.decode()} length={self.length}>"


class ResponseHead:
    """A status and its fields; immutable. reason: HTTP/1's words for the status, b"" where there are none.

    length: of the body that follows, 0 for none, UNKNOWN. An answer to HEAD, a 204 and a 304 have length 0
    whatever their Content-Length says. upgrade: the protocol that a 101 switches to.
    http1 and http2 are room for the codecs to keep the encoded head in, for as long as the head is handed out again.
    """

    __slots__ = ("fields", "http1", "http2", "length", "reason", "status", "upgrade")

    def __init__(
        self, status: int, fields: Fields = NO_FIELDS, length: int = 0, reason: bytes = b"", upgrade: bytes = b""
    ) -> None:
        self.status = status
        self.fields = fields
        self.length = length
        self.reason = reason
        self.upgrade = upgrade
        self.http1: bytes | None = None
        self.http2: bytes | None = None

    def __repr__(self) -> str:
        return f"<{self.status} length={self.length}>"


class OutgoingHead:
    """A request as it goes to an endpoint: the caller's head, and what the mesh makes of it. Immutable.

    target and authority are what to ask for after rewriting; secured: who is asked speaks TLS; forwarded are fields to
    add to the head's own (X-Forwarded-*, the caller's identity). http1 and http2 are room for the codecs, as in
    ResponseHead.
    It does not refer to the head: that keeps the plan that keeps this, and a cycle is left to the collector.
    """

    __slots__ = (
        "authority",
        "expects_continue",
        "fields",
        "forwarded",
        "http1",
        "http2",
        "length",
        "method",
        "multiplexed",
        "secured",
        "target",
        "upgrade",
    )

    def __init__(
        self, head: RequestHead, target: bytes, authority: bytes, forwarded: Fields, secured: bool = False
    ) -> None:
        self.method = head.method
        self.target = target
        self.authority = authority
        self.fields = head.fields
        self.length = head.length
        self.upgrade = head.upgrade
        self.expects_continue = head.expects_continue
        self.multiplexed = head.multiplexed
        self.forwarded = forwarded
        self.secured = secured
        self.http1: bytes | None = None
        self.http2: bytes | None = None

    def having(self, fields: Fields) -> "OutgoingHead":
        """The same with these fields in place of the head's own."""
        other: OutgoingHead = copy(self)
        other.fields = fields
        other.http1 = other.http2 = None
        return other
