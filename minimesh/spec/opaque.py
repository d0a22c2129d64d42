"""What of the file speaks of requests, where the service that it names gets only bytes."""

from collections.abc import Mapping

from minimesh.model.project import GATEWAY, Gateway
from minimesh.model.service import Service
from minimesh.spec import codes
from minimesh.spec.node import Node


def check_routes(services: Mapping[str, Service], gateway: Gateway, root: Node) -> None:
    """Notes each route of requests to a service that speaks tcp. A route that was refused is not in `gateway`."""
    for node in root.children[GATEWAY].children["routes"].items if gateway.routes else ():
        to = node.children.get("to")
        service = services.get(str(to.value)) if to is not None else None
        if to is not None and service is not None and service.opaque:
            message = f"{service.name} speaks tcp: a route takes requests, of which it has none"
            to.note(codes.CONFLICT, message, f'[gateway] tcp = [{{ listen = 15432, to = "{service.name}" }}]')
