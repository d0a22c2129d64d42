"""A forward proxy: where one caller asks for any host, and gets what the file lets it have.

It is no open proxy: it listens on loopback, its caller is the one that it is made for, and what it is asked for is read
by the letter. A service of the project goes to that service, as a call of this caller like any other.
"""

import socket
from collections.abc import Mapping

from minimesh.dataplane.bound import Around
from minimesh.dataplane.codec import Codec
from minimesh.dataplane.egress.outside import Outside
from minimesh.dataplane.egress.target import HTTP_PORT, TargetError, read_target
from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.gated import GatedExchange
from minimesh.dataplane.gates import Asked, Gate, Refusal, Side
from minimesh.dataplane.heads import CONNECT, RequestHead
from minimesh.dataplane.listener import Listener
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.streams import ServerStream
from minimesh.dataplane.unattested import objection
from minimesh.dataplane.upstream import Upstream
from minimesh.model import snapshot
from minimesh.model.egress import OUTSIDE, Egress, Target
from minimesh.model.reason import (
    BAD_REQUEST,
    CROSS_SITE,
    EGRESS_REFUSED,
    NO_PROXY_REQUEST,
    NOT_CALLED,
    UNATTESTED,
    VERSION_NOT_SUPPORTED,
)
from minimesh.model.route import Route
from minimesh.model.where import NOWHERE
from minimesh.policy.egress import IpAddress, Rules, is_this_machine, literal
from minimesh.telemetry.counters import CounterKey

_NOT_REMEMBERED = None
"""A plan of such a router is made anew for each request, so that what is used is known to be."""


class Closed:
    """A gate that lets nobody pass."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def ask(self, asked: Asked) -> Refusal:
        return self._refusal


class Access:
    """What a caller may reach, as its proxy's snapshot says."""

    def __init__(self, caller: str, spec: snapshot.Proxy) -> None:
        self.rules = Rules(spec.egress, spec.listed)
        self._caller = caller
        self._own = spec.inside.ports

    def not_listed(self, target: Target) -> str:
        """Why it may not be called; "": it may."""
        if self.rules.lets_leave(target):
            return ""
        return f'{target} is not listed: egress = ["{target}"] in {self._caller} lets it be called'

    def own(self, target: Target, address: IpAddress) -> str:
        """That it is the mesh itself, or a service of it."""
        if target.port in self._own and is_this_machine(address):
            return f"port {target.port} of this machine is the mesh's own: services are called by their names"
        return ""

    def refusal(self, target: Target, address: IpAddress) -> str:
        if why := self.own(target, address):
            return why
        if self.rules.lets_reach(target, address):
            return ""
        listed = Target(str(address), target.port)
        named = "" if literal(target.host) else f"{target.host} is {address}, "
        return (
            f'{named}an address of this machine or of a network around it: egress = ["{listed}"] in {self._caller} '
            "lets it be reached"
        )


class ForwardProxy(Listener):
    """`_access`: anew with each snapshot, so that nothing that was let through before is taken for granted."""

    connects = True
    spec: snapshot.Listener

    def __init__(
        self,
        spec: snapshot.Listener,
        bound: socket.socket,
        around: Around,
        *,
        outbox: Outbox,
        codec: Codec,
        outside: Outside,
    ) -> None:
        super().__init__(spec, bound, around, outbox=outbox, codec=codec)
        self._outside = outside
        self._nowhere = outside.nowhere(spec.source)
        self._take(spec)

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        super().apply(spec, upstreams)
        self._take(spec)

    def _take(self, spec: snapshot.Listener) -> None:
        self._proxy = spec.proxy or snapshot.Proxy(Egress.REGISTERED)
        self._access = Access(self.source, self._proxy)
        self._where = str(self._proxy.where) if self._proxy.where != NOWHERE else ""
        # What is refused is refused by a gate, so that it counts for the host that was asked for.
        self.make: type[Exchange] = GatedExchange

    def plan(self, server: ServerStream, head: RequestHead) -> Plan:
        asked = head.asked
        if detail := objection(self.spec, server.caller):
            return self._refusal(UNATTESTED, detail)
        if head.multiplexed:
            return self._refusal(VERSION_NOT_SUPPORTED, "this proxy speaks HTTP/1.1 with its caller")
        if asked is None:
            return self._refusal(NO_PROXY_REQUEST, f"the target {_text(head.target)} is a path")
        tunnel = asked.scheme == CONNECT
        try:
            target = read_target(head.authority, None if tunnel else HTTP_PORT)
            if asked.host and not _agree(asked.host, target):
                return self._refusal(BAD_REQUEST, f"Host is {_text(asked.host)}, and the target is {target}")
        except TargetError as error:
            return self._refusal(BAD_REQUEST, f"{_text(head.authority)}: {error}")
        if target.host in self._proxy.inside.hosts:
            return self._to_service(head, target, tunnel)
        return self._to_outside(head, target, tunnel)

    # --- to a service of the project ---------------------------------------------------------------------------

    def _to_service(self, head: RequestHead, target: Target, tunnel: bool) -> Plan:
        if not self.router.has_host(target.host.encode()):
            name, other = target.host.partition(".")[0], self._proxy.inside.hosts[target.host]
            other = other or f'calls = ["{name}"] in {self.source} lets it be called'
            return self._refusal(NOT_CALLED, f"{name} is a service: {other}")
        if head.cross_site:
            return self._refusal(CROSS_SITE, "Sec-Fetch-Site says that a web page of another site asked")
        if tunnel:
            message = f"a tunnel would keep from the mesh what {target.host} is asked: ask for http://{target.host}/"
            return self._refusal(NOT_CALLED, message)
        route = self.router.find(head.authority, head.path, head.grpc and head.method == b"POST")
        assert route is not None, "each of its hosts takes any path"
        return Plan(self.router, route, route.outgoing(head, head.forwarded.http1))

    # --- to anybody else ---------------------------------------------------------------------------------------

    def _to_outside(self, head: RequestHead, target: Target, tunnel: bool) -> Plan:
        access = self._access
        address = literal(target.host)
        why = access.own(target, address) if address is not None else ""
        why = why or access.not_listed(target)
        if not why and address is not None:
            why = access.refusal(target, address)
        if why:
            return self._refused(target, why)
        upstream = self._outside.upstream(self.spec.source, access, target, tunnel)
        route = self._route(target, upstream, passed=True)
        return Plan(_NOT_REMEMBERED, route, route.outgoing(head, head.forwarded.http1))

    def _refused(self, target: Target, why: str) -> Plan:
        gate = Closed(Refusal(EGRESS_REFUSED, why, self._where))
        return Plan(_NOT_REMEMBERED, self._route(target, self._nowhere, (gate,), passed=False))

    def _route(self, target: Target, upstream: Upstream, gates: tuple[Gate, ...] = (), *, passed: bool) -> BoundRoute:
        name = self._outside.name_of(self.source, target, self._access.rules.lists(target), passed)
        route = Route(OUTSIDE, where=self._proxy.where)
        own = (
            gate
            for keeper in self._gatekeepers
            if keeper.side is Side.CALLER
            for gate in keeper.gates(self.spec, route, upstream.spec)
        )
        counters = self._counters.of(CounterKey(self.source, OUTSIDE, name))
        return BoundRoute(route, upstream, counters, self.spec.source, (*own, *gates))


def _agree(host: bytes, target: Target) -> bool:
    """Whether a Host names the same. It may leave the port out. Raises TargetError."""
    return read_target(host, target.port) == target


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")[:200]
