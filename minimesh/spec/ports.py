"""Whether everybody can listen: a port that is written belongs to one program."""

from collections.abc import Mapping

from minimesh.model.project import GATEWAY, Gateway
from minimesh.model.service import Service
from minimesh.spec import codes
from minimesh.spec.node import Node


def check_ports(services: Mapping[str, Service], gateway: Gateway, root: Node) -> None:
    """Notes each port that a second program would listen on."""
    owners: dict[tuple[int, bool], tuple[str, Node]] = {}  # the ports of UDP are others
    if gateway.listen:
        owners[gateway.listen.port, False] = (GATEWAY, root.children[GATEWAY].children["http"])
    for index, entry in enumerate(gateway.tcp):
        owners.setdefault((entry.listen.port, False), (GATEWAY, root.children[GATEWAY].children["tcp"].items[index]))
    for name, service in services.items():
        if not service.port:
            continue
        node = root.children["services"].children[name].children["port"]
        owner, first = owners.setdefault((service.port, service.datagrams), (name, node))
        if owner != name:
            node.note(
                codes.DUPLICATE,
                f"port {service.port} of {name} is the port of {owner} already ({node.point_at(first)})",
                f"take `port` out of [services.{name}] and listen on $PORT",
            )
