"""A bound address where HTTP comes in: decides what each head means, and makes the exchanges."""

import asyncio
import socket
from collections.abc import Callable, Mapping

from minimesh.dataplane import grpcweb
from minimesh.dataplane.acceptor import Acceptor
from minimesh.dataplane.bound import Around
from minimesh.dataplane.codec import Codec
from minimesh.dataplane.connections import ServerConnection, Starts
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.gated import GatedExchange
from minimesh.dataplane.gates import Gate
from minimesh.dataplane.heads import RequestHead
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.router import Router, host_of
from minimesh.dataplane.streams import ServerStream
from minimesh.dataplane.transcoding import exchange as transcoding
from minimesh.dataplane.transcoding.lane import Work
from minimesh.dataplane.unattested import Unattested, objection
from minimesh.dataplane.upstream import Upstream
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.attest import Attest
from minimesh.model.reason import CROSS_SITE, FOREIGN_HOST, IP_NOT_ALLOWED, NO_ROUTE, Reason
from minimesh.model.route import Route
from minimesh.telemetry.counters import CounterKey

_NO_HEAD = RequestHead(b"", b"", b"")


class Listener(Acceptor):
    """Its connections speak HTTP."""

    connects = False

    def __init__(
        self, spec: snapshot.Listener, bound: socket.socket, around: Around, *, outbox: Outbox, codec: Codec
    ) -> None:
        super().__init__(spec, bound, around)
        self.outbox = outbox
        self.router: Router[BoundRoute] = Router(())
        self.make: type[Exchange] = Exchange
        self._codec = codec
        self._doorway: Doorway | None = None
        self._hosts: frozenset[bytes] = frozenset()
        self._domain = b""
        self._named: frozenset[bytes] = frozenset()
        self._transcodes = False
        self._shut: BoundRoute | None = None
        """Where callers have to be known: what one that is not is answered by."""

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        paired = spec.kind in (snapshot.ListenerKind.OUTBOUND, snapshot.ListenerKind.SHARED)
        self._hosts = self._own_hosts() if paired else frozenset()
        self._doorway = Doorway(spec.edge, "http") if spec.kind is snapshot.ListenerKind.GATEWAY else None
        strict = paired and spec.attest is Attest.ENFORCE
        routes = [(route, self._bound(route, upstreams[route.to])) for route in (*spec.routes, *spec.names)]
        self.router = Router((route.host, route.path, bound) for route, bound in routes)
        self._shut = self._bound(spec.routes[0], upstreams[spec.routes[0].to], Unattested(spec)) if strict else None
        self.make = GatedExchange if strict or any(bound.gates for _, bound in routes) else Exchange
        self._transcodes = any(upstreams[route.to].transcoded is not False for route in (*spec.routes, *spec.names))
        self._domain = f".{spec.domain}".encode() if spec.domain else b""
        self._named = frozenset((route.host or "").encode() for route in spec.names)

    def _bound(self, route: Route, upstream: Upstream, *first: Gate) -> BoundRoute:
        counters = self._counters.of(CounterKey(self.source, route.to, route.name))
        gates = tuple(gate for keeper in self._gatekeepers for gate in keeper.gates(self.spec, route, upstream.spec))
        return BoundRoute(route, upstream, counters, self.spec.source, (*first, *gates))

    def _connection(self) -> ServerConnection:
        return self._codec.server(self)

    def successor(self, connection: ServerConnection) -> ServerConnection:
        self.leave(connection)
        return self._codec.multiplexed_server(self)

    def _own_hosts(self) -> frozenset[bytes]:
        """What a program may call an outbound address: a web page that was tricked into calling it says another."""
        addresses = (Address(self.spec.address.host, self.address[1]), *((self.spec.also,) if self.spec.also else ()))
        names = ("127.0.0.1", "localhost", "[::1]", *(route.to for route in self.spec.routes))
        return frozenset(
            text.encode()
            for address in addresses
            for name in (*names, address.host)
            for text in (name, f"{name}:{address.port}")
        )

    # --- requests ----------------------------------------------------------------------------------------------

    def exchange(self, server: ServerStream, head: RequestHead) -> Starts:
        if head.web:
            return grpcweb.exchange(self, server, head)
        if self._transcodes:
            return transcoding.exchange(self, server, head, self._offload)
        return self.make(self, server, head)

    def _offload(self, work: Work, then: Callable[[asyncio.Future[bytes]], None]) -> None:
        self._loop.run_in_executor(None, work).add_done_callback(then)

    def refuse(self, server: ServerStream, reason: Reason, detail: str) -> None:
        """Answer what never became a request."""
        Exchange(self, server, _NO_HEAD).refuse(Plan(self.router, reason=reason, detail=detail))

    def plan(self, server: ServerStream, head: RequestHead) -> Plan:
        if self._hosts:
            if head.authority and head.authority not in self._hosts:
                return self._refusal(FOREIGN_HOST, f"this is where {self.source} calls {self.spec.routes[0].to}")
            if head.cross_site:
                return self._refusal(CROSS_SITE, "Sec-Fetch-Site says that a web page of another site asked")
        forwarded, doorway = head.forwarded.http1, self._doorway
        if doorway is not None:
            came = doorway.origin(server.peer, head)
            if doorway.keeps_out(came.client):
                why = doorway.why(came.client)
                return Plan(self.router, reason=IP_NOT_ALLOWED, detail=why, where=doorway.where)
            forwarded = doorway.lines(server.peer, came, head)
        if self._domain and (refused := self._stranger(head)) is not None:
            return refused
        route = self.router.find(head.authority, head.path, head.grpc and head.method == b"POST")
        if route is None:
            return self._refusal(NO_ROUTE, f"{head.authority.decode('latin-1')}{head.path.decode('latin-1')}")
        if self._shut is not None and objection(self.spec, server.caller):
            route = self._shut
        return Plan(self.router, route, route.outgoing(head, forwarded))

    def _stranger(self, head: RequestHead) -> Plan | None:
        """What is not to be taken for a service of the project, nor to be called as one from a page elsewhere."""
        host = host_of(head.authority)
        if not host.endswith(self._domain):
            return None
        if host in self._named:
            return (
                self._refusal(CROSS_SITE, "Sec-Fetch-Site says another site's page asked") if head.cross_site else None
            )
        if self.router.has_host(host):
            return None
        name = host.removesuffix(self._domain).decode("latin-1")
        known = ", ".join(sorted(route.to for route in self.spec.names))
        return self._refusal(NO_ROUTE, f"there is no service {name} in {self.spec.domain}; there are {known}"[:500])

    def _refusal(self, reason: Reason, detail: str) -> Plan:
        return Plan(self.router, reason=reason, detail=detail)
