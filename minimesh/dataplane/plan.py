"""What a listener decides about a head before anything is sent: which route, and what goes on to the endpoint."""

from minimesh.dataplane.destination import Destination
from minimesh.dataplane.gates import Gate, Reply
from minimesh.dataplane.heads import NO_FIELDS, Fields, OutgoingHead, RequestHead
from minimesh.dataplane.paths import without_prefix
from minimesh.model.identity import Identity
from minimesh.model.reason import Reason
from minimesh.model.route import Route
from minimesh.telemetry.counters import RouteCounters

_MOST_ADDED = 256
_LONGEST_ADDED = 512


class BoundRoute:
    """A route with everything that it needs already looked up."""

    __slots__ = (
        "_added_before",
        "_host",
        "admission",
        "cors",
        "counters",
        "destination",
        "forwarded",
        "gates",
        "name",
        "strip",
        "timeout",
        "upstream",
    )

    def __init__(
        self,
        route: Route,
        upstream: Destination,
        counters: RouteCounters,
        source: Identity,
        gates: tuple[Gate, ...] = (),
    ) -> None:
        self.gates = gates
        self.cors = route.cors is not None
        self.name = counters.key.route
        self.upstream = upstream
        self.admission = upstream.admission
        self.counters = counters
        self.destination = route.to
        self.timeout = route.timeout if route.timeout is not None else upstream.spec.timeouts.request
        self.strip = route.strip_prefix.encode() if route.strip_prefix else b""
        # Who calls, for the service: Envoy's X-Forwarded-Client-Cert in its By and URI fields.
        identity = b"x-forwarded-client-cert: By=%b;URI=%b\r\n" % (
            upstream.spec.identity.spiffe_id.encode(),
            source.spiffe_id.encode(),
        )
        self.forwarded = NO_FIELDS if upstream.spec.outside else Fields(None, identity)
        self._host = upstream.spec.host
        self._added_before: dict[bytes, Fields] = {}

    def target_of(self, head: RequestHead) -> bytes:
        """The target without the prefix that is to be stripped."""
        return without_prefix(head.target, head.path, self.strip)

    def outgoing(self, head: RequestHead, forwarded: bytes) -> OutgoingHead:
        """`forwarded`: X-Forwarded-* lines that the listener adds."""
        authority = self._host or head.authority or self.destination.encode()
        target = self.target_of(head) if self.strip else head.target
        added = self._added(forwarded) if forwarded else self.forwarded
        outgoing = OutgoingHead(head, target, authority, added, self.upstream.spec.tls is not None)
        if head.timeout is not None and self.timeout is not None and self.timeout < head.timeout:
            # The service need not work for longer than its answer is waited for here.
            others = tuple(pair for pair in head.fields.pairs if pair[0] != b"grpc-timeout")
            outgoing.fields = Fields((*others, (b"grpc-timeout", b"%dm" % (self.timeout * 1000))))
        return outgoing

    def _added(self, forwarded: bytes) -> Fields:
        """Callers mostly say the same of themselves: made once, and so encoded once, for each codec."""
        added = self._added_before.get(forwarded)
        if added is None:
            added = Fields(None, forwarded + self.forwarded.http1)
            if len(forwarded) <= _LONGEST_ADDED:
                if len(self._added_before) >= _MOST_ADDED:
                    self._added_before.clear()
                self._added_before[forwarded] = added
        return added


class Plan:
    """A decision, valid for as long as `router` is the listener's. Refused: `reason` is set, or what to reply instead,
    and nothing is sent. where: the line of minimesh.toml that refuses, or ""."""

    __slots__ = ("detail", "outgoing", "reason", "reply", "route", "router", "where")

    def __init__(
        self,
        router: object,
        route: BoundRoute | None = None,
        outgoing: OutgoingHead | None = None,
        reason: Reason | None = None,
        detail: str = "",
        reply: Reply | None = None,
        where: str = "",
    ) -> None:
        self.where = where
        self.reply = reply
        self.router = router
        self.route = route
        self.outgoing = outgoing
        self.reason = reason
        self.detail = detail

    @property
    def service(self) -> str:
        """Whom it is for; "" where that is not known."""
        return self.route.destination if self.route is not None else ""
