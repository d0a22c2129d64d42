"""What the data plane is told: an immutable whole, swapped by reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from minimesh.model.address import Address, Dialable
from minimesh.model.attest import Attest
from minimesh.model.auth import Auth
from minimesh.model.authorization import Authorization, Rules
from minimesh.model.edge import NO_EDGE, Edge
from minimesh.model.egress import OUTSIDE, Egress, Listed, Origination
from minimesh.model.identity import Identity
from minimesh.model.project import Hop, Limits
from minimesh.model.route import Route
from minimesh.model.service import Breaker, Protocol, Timeouts
from minimesh.model.transcoding import Transcoding
from minimesh.model.where import NOWHERE, Where


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One dialable address of a service. `addresses` are alternatives for the same program
    (127.0.0.1 and ::1); the first that answers is remembered."""

    name: str
    addresses: tuple[Dialable, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service as something to send to. Only endpoints that may get traffic are listed.

    host: the Host to ask for, where the service lives elsewhere under a name of its own; else the caller's.
    protocol: what it is known to speak; None: nobody said. transcoding: that it is asked as REST; None: it is not.
    auth: how the users behind its callers are known. tls: how it proves who it is, where it
    speaks TLS. outside: it is no part of the project, so who calls is not its business. rules: who may call it;
    authorization: what holds where it has none. where: it."""

    identity: Identity
    endpoints: tuple[Endpoint, ...] = ()
    timeouts: Timeouts = Timeouts()
    host: bytes = b""
    protocol: Protocol | None = None
    breaker: Breaker | None = Breaker()
    transcoding: Transcoding | None = None
    auth: Auth | None = None
    tls: Origination | None = None
    outside: bool = False
    rules: Rules = Rules()
    authorization: Authorization = Authorization.OPEN
    where: Where = NOWHERE


class ListenerKind(StrEnum):
    GATEWAY = "gateway"
    OUTBOUND = "outbound"
    SHARED = "shared"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Inside:
    """What is not outside, for all proxies alike. ports: of this machine, those of the mesh and its services, which
    have other ways in. hosts: by which services are called, each with what to use where a proxy is none, or ""."""

    ports: frozenset[int] = frozenset()
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a forward proxy lets its caller reach beside the services that its routes lead to. where: of the caller."""

    egress: Egress = Egress.OBSERVE
    listed: tuple[Listed, ...] = ()
    inside: Inside = Inside()
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound address where traffic enters, and as whom. An outbound listener has one route, to its callee. A shared
    one too, and several `callers`: whoever comes is passed on to its own outbound listener, and refused where it has
    none.

    opaque: what enters is passed on as bytes; the host of a route is then a server name of TLS, and its path is any.
    datagrams: it comes without a connection, and is passed on as it is too.
    auth: how users are known, where a route does not say otherwise. made: fields that say who they are, which nobody
    may send from outside.

    names: hosts that lead to one service each, all below `domain` (`shop.localhost`); other hosts below it that no
    route has are nobody's. domain "": there are none. edge: what is asked of who comes from outside.

    attest: what is asked of who comes. known_first: they wait until it is known, for a rule of whom they call asks for
    it. also: another address at which the callee of an outbound listener is called."""

    kind: ListenerKind
    address: Address
    source: Identity
    routes: tuple[Route, ...]
    limits: Limits = Limits()
    names: tuple[Route, ...] = ()
    domain: str = ""
    opaque: bool = False
    datagrams: bool = False
    edge: Edge = NO_EDGE
    auth: Auth | None = None
    made: tuple[str, ...] = ()
    proxy: Proxy | None = None
    attest: Attest = Attest.OFF
    known_first: bool = False
    callers: frozenset[str] = frozenset()
    also: Address | None = None

    @property
    def name(self) -> str:
        if self.opaque and self.kind is ListenerKind.GATEWAY:
            return f"{self.source.service}:{self.address.port}"
        if self.kind is ListenerKind.GATEWAY:
            return self.source.service
        if self.kind is ListenerKind.SHARED:
            return f"->{self.routes[0].to}"
        return f"{self.source.service}->{OUTSIDE if self.kind is ListenerKind.PROXY else self.routes[0].to}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Generation counts up with each apply. Listeners and upstreams are keyed by their names."""

    generation: int
    hop: Hop = Hop.MEMORY
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
