"""Who gets a certificate, and the names that clients may reach it by. Pure."""

from collections.abc import Mapping
from typing import TypeAlias

from minimesh.control.compile import domain_of, identity_of
from minimesh.model.address import LOOPBACK
from minimesh.model.identity import Identity
from minimesh.model.project import GATEWAY, Project

Names: TypeAlias = tuple[str, ...]

LOCAL = ("localhost", *LOOPBACK)


def subjects(project: Project) -> Mapping[Identity, Names]:
    """Everybody who calls or is called: the gateway, services, tasks."""
    domain = domain_of(project)
    found = {identity_of(project, GATEWAY): _gateway(project)}
    for name in (*project.services, *project.tasks):
        found[identity_of(project, name)] = (name, f"{name}.{domain}", *LOCAL)
    return found


def _gateway(project: Project) -> Names:
    """What a browser may ask it for: the hosts of its routes, and `orders.shop.localhost`."""
    domain = domain_of(project)
    hosts = {route.host: None for route in project.gateway.routes if route.host} if project.gateway else {}
    return tuple(dict.fromkeys((GATEWAY, f"{GATEWAY}.{domain}", domain, f"*.{domain}", *hosts, *LOCAL)))
