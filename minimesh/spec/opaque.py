"""What of the file speaks of requests, where the service that it names gets only bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf

from minimesh.model.address import Dialable, UnixAddress
from minimesh.model.project import GATEWAY, Gateway
from minimesh.model.service import Protocol, Service, Timeouts
from minimesh.spec import codes
from minimesh.spec.node import Node
from minimesh.spec.schema import Fields

NO_LIMIT = inf
FLOW_IDLE = 60.0
"""Envoy's for its udp_proxy."""


def check_routes(services: Mapping[str, Service], gateway: Gateway, root: Node) -> None:
    """Notes each route of requests to a service that gets bytes, and each port for connections to one that has none.
    A route that was refused is not in `gateway`."""
    for to, service in _leading(services, root, "routes") if gateway.routes else ():
        if service.opaque:
            message = f"{service.name} speaks {service.protocol}: a route takes requests, of which it has none"
            by_port = f'[gateway] tcp = [{{ listen = 15432, to = "{service.name}" }}]'
            to.note(codes.CONFLICT, message, _from_within(service) if service.datagrams else by_port)
    for to, service in _leading(services, root, "tcp") if gateway.tcp else ():
        if service.datagrams:
            message = f"{service.name} speaks udp: this port takes connections, of which it has none"
            to.note(codes.CONFLICT, message, _from_within(service))


def _leading(services: Mapping[str, Service], root: Node, key: str) -> Iterator[tuple[Node, Service]]:
    """Of each entry of the gateway its `to`, and the service that it names."""
    for node in root.children[GATEWAY].children[key].items:
        to = node.children.get("to")
        service = services.get(str(to.value)) if to is not None else None
        if to is not None and service is not None:
            yield to, service


def _from_within(service: Service) -> str:
    return f'call it from a service, with calls = ["{service.name}"]'


def timeouts_in_force(fields: Fields, timeouts: Timeouts, protocol: Protocol | None) -> Timeouts:
    """Of a service that gets bytes there are no requests that could end; connections may be silent for days, and flows
    end by being silent."""
    if protocol not in (Protocol.TCP, Protocol.UDP):
        return timeouts
    name, flows = fields.node.name, protocol is Protocol.UDP
    written = fields["timeout"] if fields.wrote("timeout") else None
    below = written.children if written is not None and written.is_table else {}
    request = below.get("request", written)
    if timeouts.request is not None and request is not None and _is_own(request):
        message = f"{name} speaks {protocol}, of which the mesh sees no requests that `timeout` could end"
        request.note(codes.CONFLICT, message, f'timeout = {{ idle = "{"1m" if flows else "1h"}" }}')
    if flows and "connect" in below and _is_own(below["connect"]):
        message = f"{name} speaks udp, which makes no connections that `connect` could wait for"
        below["connect"].note_key(codes.CONFLICT, message, "take `connect` out")
    if flows and timeouts.idle == NO_LIMIT:
        message = f"{name} speaks udp, whose flows end by being silent: `idle` must have an end"
        below["idle"].note(codes.CONFLICT, message, below["idle"].pair('"1m"'))
    return replace(timeouts, request=None, idle=timeouts.idle if "idle" in below else FLOW_IDLE if flows else NO_LIMIT)


def check_requests(fields: Fields, protocol: Protocol | None) -> None:
    """What looks at requests has none here."""
    if protocol not in (Protocol.TCP, Protocol.UDP):
        return
    for key, does in (("breaker", "could count"), ("auth", "could look at")):
        if fields.wrote(key) and _is_own(fields[key]):
            message = f"{fields.node.name} speaks {protocol}, of which the mesh sees no requests that `{key}` {does}"
            fields[key].note_key(codes.CONFLICT, message, f"take `{key}` out")


def check_addresses(fields: Fields, addresses: tuple[Dialable, ...], protocol: Protocol | None) -> None:
    """A socket file takes connections."""
    if protocol is Protocol.UDP and any(isinstance(address, UnixAddress) for address in addresses):
        message = f"{fields.node.name} speaks udp, which has no socket files"
        fields["address"].note(codes.CONFLICT, message, 'address = "127.0.0.1:5353"')


def _is_own(node: Node) -> bool:
    """Not of [defaults], which are for all."""
    return node.path[0] != "defaults"
