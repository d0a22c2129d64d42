"""The ways through the mesh as views: where a service is reached, the gateway's routes, who may call whom.

What the file alone can tell is told from a project too, for commands where no mesh runs.
"""

from collections.abc import Sequence

from minimesh.control import routing
from minimesh.control.compile import domain_of
from minimesh.control.environment import address_variable, url_of
from minimesh.control.layout import listening_replicas, pairs, takes_calls
from minimesh.control.mesh import Mesh
from minimesh.control.show import edge_views, own_urls, service_views
from minimesh.control.views import (
    DecisionView,
    GraphView,
    Kind,
    LinkView,
    ListenView,
    NodeView,
    PortsView,
    ReachedView,
    RouteView,
)
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.grpc import is_grpc
from minimesh.dataplane.paths import canonical
from minimesh.dataplane.router import host_of
from minimesh.model.address import LOOPBACK, Address
from minimesh.model.egress import OUTSIDE
from minimesh.model.project import GATEWAY, Gateway, Project
from minimesh.model.reason import METHOD_NOT_ALLOWED, NO_ROUTE
from minimesh.model.route import Route
from minimesh.telemetry.accesslog import milliseconds

_NOT_FORWARDED = frozenset({"CONNECT", "TRACE"})


def ports_view(mesh: Mesh, name: str) -> PortsView:
    """`name`: a service, a task or the gateway."""
    if name == GATEWAY:
        gateway = mesh.layout.gateway
        return {
            "name": name,
            "listens": [{"replica": 1, "address": str(gateway)}] if gateway else [],
            "shared": None,
            "reached": [],
        }
    service = mesh.project.services.get(name)
    listens: list[ListenView] = [
        {"replica": replica, "address": str(Address(LOOPBACK[0], mesh.layout.replicas[owner, replica]))}
        for owner, replica in listening_replicas(mesh.project)
        if owner == name
    ]
    if service is not None:
        listens += [{"replica": 0, "address": str(address)} for address in service.addresses]
    shared = str(service.listen) if service is not None and service.listen is not None else None
    return {
        "name": name,
        "listens": listens,
        "shared": shared,
        "reached": [*_by_gateway(mesh, name), *_by_services(mesh, name)],
    }


def _by_gateway(mesh: Mesh, name: str) -> list[ReachedView]:
    """By its own name first, which needs no route and changes no path; then by each route."""
    address = mesh.layout.gateway
    if address is None:
        return []
    own = own_urls(mesh).get(name)
    urls: list[tuple[str, str | None]] = [(f"{own}/", None)] if own else []
    urls += [
        (gateway_url(route, mesh.gateway_url or address.url), route.name)
        for route in routes_of(mesh.project)
        if route.to == name
    ]
    requests: list[ReachedView] = [
        {"caller": GATEWAY, "address": str(address), "url": url, "variable": None, "route": route}
        for url, route in urls
    ]
    return requests + [
        {
            "caller": GATEWAY,
            "address": str(entry.listen),
            "url": f"tcp://{entry.listen}",
            "variable": None,
            "route": f"sni {entry.sni}" if entry.sni else "tcp",
        }
        for entry in (mesh.project.gateway.tcp if mesh.project.gateway else ())
        if entry.to == name
    ]


def _by_services(mesh: Mesh, name: str) -> list[ReachedView]:
    service = mesh.project.services.get(name)
    if service is None:
        return []
    variable = address_variable(service)
    return [
        {
            "caller": caller,
            "address": str(address),
            "url": url_of(service, address),
            "variable": variable,
            "route": None,
        }
        for (caller, callee), address in mesh.layout.outbound.items()
        if callee == name
    ]


def gateway_url(route: Route, base: str) -> str:
    """Where a browser finds what a route leads to, as far as an address can say it."""
    if route.host is not None and not route.host.startswith("*."):
        base = f"http://{route.host}:{base.rpartition(':')[2]}"
    return f"{base}{route.path.value or '/'}" if route.path.kind is not route.path.kind.REGEX else f"{base}/"


def routes_of(project: Project) -> Sequence[Route]:
    """In order of precedence."""
    return routing.in_order(project.gateway.routes) if project.gateway else ()


def route_views(project: Project, requests: Sequence[int | None] = ()) -> list[RouteView]:
    """In order of precedence. requests: of each, where a mesh counts them."""
    counted = requests or [None] * len(routes_of(project))
    pairs_ = zip(routes_of(project), counted, strict=True)
    return [_route_view(project, route, order, number) for order, (route, number) in enumerate(pairs_, 1)]


def _route_view(project: Project, route: Route, order: int, requests: int | None) -> RouteView:
    return {
        "order": order,
        "name": route.name,
        "host": route.host,
        "path": str(route.path),
        "to": route.to,
        "strip_prefix": route.strip_prefix,
        "timeout_ms": _timeout(project, route),
        "where": str(route.where),
        "requests": requests,
    }


def _own_name(project: Project, host: str) -> Route | None:
    """The route that no file has: `orders.shop.localhost` leads to orders."""
    service = project.services.get(host.removesuffix(f".{domain_of(project)}"))
    written = {route.host for route in routes_of(project)}
    if service is None or host in (service.name, *written) or not takes_calls(service):
        return None
    return Route(service.name, host=host, where=service.where)


def running_routes(mesh: Mesh) -> list[RouteView]:
    seen = {
        (each.key.destination, each.key.route): each.requests
        for each in mesh.telemetry.counters.all()
        if each.key.source == GATEWAY
    }
    return route_views(mesh.project, [seen.get((route.to, route.name), 0) for route in routes_of(mesh.project)])


def _timeout(project: Project, route: Route) -> float | None:
    service = project.services.get(route.to)
    seconds = route.timeout if route.timeout is not None else service.timeouts.request if service else None
    return None if seconds is None else milliseconds(seconds)


def decision_view(
    project: Project, views: Sequence[RouteView], method: str, host: str, target: str, content_type: str = ""
) -> DecisionView:
    """Which route a request takes. views: of the project's routes, in order. target: with or without a query."""
    path, mistake = _canonical(target)
    name = host_of(host.lower().encode()).decode()
    own = _own_name(project, name)
    views = [*([_route_view(project, own, 0, None)] if own else []), *views]
    grpc = method == "POST" and is_grpc(content_type.encode())
    told = routing.verdicts([*([own] if own else []), *routes_of(project)], name, path, grpc)
    taken = next((view for view, verdict in zip(views, told, strict=True) if verdict.matches), None)
    route = routing.taken(told)
    reason = mistake or (METHOD_NOT_ALLOWED.code if method in _NOT_FORWARDED else None)
    if reason is None and route is None:
        reason = NO_ROUTE.code
    answered = reason is not None
    return {
        "method": method,
        "host": host,
        "path": path,
        "taken": None if answered else taken,
        "forwarded": routing.forwarded(route, path) if route and not answered else None,
        "reason": reason,
        "considered": [
            {"route": view, "matches": verdict.matches, "why": verdict.why}
            for view, verdict in zip(views, told, strict=True)
        ],
    }


def _canonical(target: str) -> tuple[str, str | None]:
    """The path as it is matched, and the code of what is wrong with it."""
    try:
        whole = canonical(target.encode())
    except Malformed as error:
        return target, error.reason.code
    return whole.partition(b"?")[0].decode("latin-1"), None


def project_graph(project: Project) -> GraphView:
    """What may be, by the file alone."""
    nodes = [_node(project, name, None) for name in _members(project)]
    return {"project": project.name, "nodes": nodes, "links": [_link(pair) for pair in _configured(project)]}


def running_graph(mesh: Mesh, window: float) -> GraphView:
    """What may be and what is. window: of the figures, in seconds."""
    project = mesh.project
    states = {view["name"]: view["state"] for view in service_views(mesh)}
    links = {pair: _link(pair) for pair in _configured(project)}
    for edge in edge_views(mesh, window):
        pair = (edge["source"], edge["destination"])
        links[pair] = {
            "source": edge["source"],
            "destination": edge["destination"],
            "configured": pair in links,
            "rps": edge["rps"],
            "success": edge["success"],
            "p99_ms": edge["p99_ms"],
            "requests": edge["requests"],
            "active": edge["active"],
        }
    nodes = [_node(project, name, states.get(name)) for name in _members(project)]
    if any(callee == OUTSIDE for _, callee in links):
        nodes.append({"name": OUTSIDE, "kind": "address", "state": None})
    return {"project": project.name, "nodes": nodes, "links": [*links.values()]}


def _members(project: Project) -> list[str]:
    return [*([GATEWAY] if project.gateway else []), *project.services, *project.tasks]


def _configured(project: Project) -> list[tuple[str, str]]:
    gateway = project.gateway or Gateway()
    ways_in = [*(route.to for route in gateway.routes), *(entry.to for entry in gateway.tcp)]
    return [*dict.fromkeys((*((GATEWAY, to) for to in ways_in), *pairs(project)))]


def _node(project: Project, name: str, state: str | None) -> NodeView:
    kind: Kind = "gateway" if name == GATEWAY else "task" if name in project.tasks else "service"
    if kind == "service" and project.services[name].addresses:
        kind = "address"
    return {"name": name, "kind": kind, "state": state}


def _link(pair: tuple[str, str]) -> LinkView:
    return {
        "source": pair[0],
        "destination": pair[1],
        "configured": True,
        "rps": None,
        "success": None,
        "p99_ms": None,
        "requests": 0,
        "active": 0,
    }
