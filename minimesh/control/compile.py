"""A project, its ports and what is ready just now → the snapshot that the data plane serves. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from minimesh.control.attesting import in_force
from minimesh.control.environment import address_variable
from minimesh.control.layout import Layout, callees, callers, pairs, proxied, takes_calls
from minimesh.control.names import is_literal, is_loopback
from minimesh.model.address import Address, Dialable, UnixAddress, loopback
from minimesh.model.attest import Attest
from minimesh.model.edge import Edge
from minimesh.model.egress import Origination
from minimesh.model.identity import Identity
from minimesh.model.project import GATEWAY, Gateway, Project, TcpPort
from minimesh.model.route import Route
from minimesh.model.service import Service
from minimesh.model.snapshot import Endpoint, Inside, Listener, ListenerKind, Proxy, Snapshot, Upstream
from minimesh.model.transcoding import Api, Transcoding

HTTP_PORT, HTTPS_PORT = 80, 443
NOBODY = "-"
"""As whom strangers call at an address that several share: the name of no service."""

Endpoints = Mapping[str, Sequence[Endpoint]]
"""Of each service, those that may get traffic."""
Apis = Mapping[str, Api]
"""What services have told by reflection."""
_NO_APIS: Apis = {}


def compile_snapshot(
    project: Project, layout: Layout, endpoints: Endpoints, generation: int, apis: Apis = _NO_APIS
) -> Snapshot:
    """Every service that takes calls is an upstream, even while it has no endpoint."""
    listeners = [_outbound(project, layout, caller, callee) for caller, callee in pairs(project)]
    listeners += [_proxy(project, layout, caller) for caller in proxied(project)]
    listeners += _shared(project)
    if project.gateway and layout.gateway:
        gateway, identity = project.gateway, identity_of(project, GATEWAY)
        names = service_names(project, layout)
        way_in = Listener(
            ListenerKind.GATEWAY,
            layout.gateway,
            identity,
            gateway.routes,
            gateway.limits,
            tuple(names.values()),
            domain_of(project) if names else "",
            edge=edge_of(gateway),
            auth=gateway.auth,
            made=tuple(sorted({name for provider in project.auth.values() for name in provider.made})),
        )
        listeners = [way_in, *_tcp_ports(gateway, identity), *listeners]
    return Snapshot(
        generation,
        project.hop,
        {listener.name: listener for listener in listeners},
        {
            service.name: _upstream(project, service, endpoints.get(service.name, ()), apis.get(service.name))
            for service in project.services.values()
            if takes_calls(service)
        },
    )


def _tcp_ports(gateway: Gateway, identity: Identity) -> list[Listener]:
    """One listener for each port, whatever names are asked for on it."""
    entries: dict[Address, list[TcpPort]] = {}
    for entry in gateway.tcp:
        entries.setdefault(entry.listen, []).append(entry)
    return [
        Listener(
            ListenerKind.GATEWAY,
            address,
            identity,
            tuple(Route(each.to, host=each.sni, where=each.where) for each in shared),
            gateway.limits,
            opaque=True,
            edge=edge_of(gateway),
        )
        for address, shared in entries.items()
    ]


def edge_of(gateway: Gateway) -> Edge:
    return Edge(gateway.trusted_proxies, gateway.allow_ips, gateway.allow_ips_where)


def with_endpoints(snapshot: Snapshot, changed: Endpoints) -> Snapshot:
    """The next generation, in which only the endpoints of these services differ."""
    upstreams = {
        name: replace(snapshot.upstreams[name], endpoints=tuple(endpoints)) for name, endpoints in changed.items()
    }
    return replace(snapshot, generation=snapshot.generation + 1, upstreams={**snapshot.upstreams, **upstreams})


def with_api(snapshot: Snapshot, service: str, api: Api) -> Snapshot:
    """The next generation, in which it is known what this service can be asked."""
    upstream = replace(snapshot.upstreams[service], transcoding=Transcoding(api))
    upstreams = {**snapshot.upstreams, service: upstream}
    return replace(snapshot, generation=snapshot.generation + 1, upstreams=upstreams)


def without_gateway(snapshot: Snapshot) -> Snapshot:
    """The next generation, in which nothing comes in from outside any more."""
    inner = {name: each for name, each in snapshot.listeners.items() if each.kind is not ListenerKind.GATEWAY}
    return replace(snapshot, generation=snapshot.generation + 1, listeners=inner)


def service_names(project: Project, layout: Layout) -> dict[str, Route]:
    """`orders.shop.localhost` for each service that takes calls; where a browser on this machine alone can say so,
    and no written route has that host. By service."""
    gateway = project.gateway
    if gateway is None or layout.gateway is None or not is_loopback(layout.gateway.host):
        return {}
    domain = domain_of(project)
    written = {route.host for route in gateway.routes}
    return {
        service.name: Route(service.name, host=f"{service.name}.{domain}", where=service.where)
        for service in project.services.values()
        if takes_calls(service) and not service.opaque and f"{service.name}.{domain}" not in written
    }


def domain_of(project: Project) -> str:
    return f"{project.name}.localhost"


def identity_of(project: Project, name: str) -> Identity:
    return Identity(project.trust_domain, name)


def replica_endpoint(service: str, replica: int, port: int) -> Endpoint:
    """A program of ours: it may listen on either loopback address."""
    return Endpoint(f"{service}-{replica}", loopback(port))


def address_endpoint(address: Dialable) -> Endpoint:
    """A service that lives elsewhere, at a literal address."""
    return Endpoint(str(address), (address,))


def _upstream(project: Project, service: Service, endpoints: Sequence[Endpoint], told: Api | None) -> Upstream:
    return Upstream(
        identity_of(project, service.name),
        tuple(endpoints),
        service.timeouts,
        _host(service),
        service.protocol,
        service.breaker,
        Transcoding(service.transcode.api or told) if service.transcode is not None else None,
        service.auth,
        *_secured(service),
        rules=service.rules,
        authorization=project.authorization,
        where=service.where,
    )


def _host(service: Service) -> bytes:
    """What a service elsewhere is asked as, where it has a name of its own (RFC 9110, section 7.2). One at a socket
    file has none but the one that it is called by; one that speaks TLS has one always."""
    for address in service.addresses:
        if isinstance(address, UnixAddress):
            return service.name.encode()
        if address.tls or not is_literal(address.host):
            port = "" if address.port == (HTTPS_PORT if address.tls else HTTP_PORT) else f":{address.port}"
            host = (service.tls.name if address.tls else None) or address.host
            return f"{f'[{host}]' if ':' in host else host}{port}".encode()
    return b""


def _secured(service: Service) -> tuple[Origination | None, bool]:
    """How a service at https:// proves who it is, and that it lies outside."""
    hosts = [each.host for each in service.addresses if isinstance(each, Address) and each.tls]
    return (replace(service.tls, name=service.tls.name or hosts[0]) if hosts else None), bool(hosts)


def _shared(project: Project) -> list[Listener]:
    """Where a service is called at the same address by all."""
    return [
        Listener(
            ListenerKind.SHARED,
            service.listen,
            identity_of(project, NOBODY),
            (Route(to=service.name, where=service.where),),
            opaque=service.opaque,
            attest=Attest.ENFORCE,
            callers=frozenset(caller for caller, callee in pairs(project) if callee == service.name),
        )
        for service in project.services.values()
        if service.listen is not None and takes_calls(service)
    ]


def _outbound(project: Project, layout: Layout, caller: str, callee: str) -> Listener:
    service = project.services[callee]
    return Listener(
        ListenerKind.OUTBOUND,
        layout.outbound[caller, callee],
        identity_of(project, caller),
        (Route(to=callee, where=service.where),),
        opaque=service.opaque,
        datagrams=service.datagrams,
        also=service.listen,
        attest=Attest.OFF if service.datagrams else in_force(project.attest),
        known_first=service.rules.attested,
    )


def _proxy(project: Project, layout: Layout, caller: str) -> Listener:
    """The forward proxy of a caller: it leads to the services that the caller may call, and out."""
    member, services, domain = callers(project)[caller], project.services, domain_of(project)
    routes = tuple(
        Route(name, host=host, where=services[name].where)
        for name in callees(project, member)
        if not services[name].opaque
        for host in (name, f"{name}.{domain}")
    )
    hosts = tuple((name, _instead(service)) for name, service in services.items())
    proxy = Proxy(project.egress, member.egress, _inside(domain, hosts, layout.ports), member.where)
    address, source = layout.proxies[caller], identity_of(project, caller)
    known_first = any(services[route.to].rules.attested for route in routes)
    attest = in_force(project.attest)
    return Listener(ListenerKind.PROXY, address, source, routes, proxy=proxy, attest=attest, known_first=known_first)


@lru_cache(maxsize=2)
def _inside(domain: str, hosts: tuple[tuple[str, str], ...], ports: frozenset[int]) -> Inside:
    """One and the same for all proxies, and for as long as nothing of it changes."""
    return Inside(ports, {host: instead for name, instead in hosts for host in (name, f"{name}.{domain}")})


def _instead(service: Service) -> str:
    """How a service is called that no proxy leads to; "": by a proxy as well."""
    if not takes_calls(service):
        return "it takes no calls"
    return f"it speaks {service.protocol}, and is called at ${address_variable(service)}" if service.opaque else ""
