"""Whether everybody can listen: a port that is written belongs to one program."""

from collections.abc import Iterator, Mapping

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
        for port, datagrams, key in _written(service):
            node = root.children["services"].children[name].children[key]
            owner, first = owners.setdefault((port, datagrams), (name, node))
            if first is not node:
                whose = f"its own {first.name}" if owner == name else f"the port of {owner}"
                help_ = "give it another port"
                if key == "port":
                    help_ = f"take `port` out of [services.{name}] and listen on $PORT"
                node.note(codes.DUPLICATE, f"port {port} of {name} is {whose} already ({node.point_at(first)})", help_)


def _written(service: Service) -> Iterator[tuple[int, bool, str]]:
    """Port, whether it is one of UDP, and the key that says so."""
    if service.port:
        yield service.port, service.datagrams, "port"
    if service.listen is not None:
        yield service.listen.port, False, "listen"
