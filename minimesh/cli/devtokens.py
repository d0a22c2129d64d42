"""What `minimesh check` says of tokens for development: they are not for strangers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minimesh.model.project import Project


def dev_at_the_edge(project: Project) -> Iterator[str]:
    """The names of providers that take such tokens where others than this machine come in."""
    from minimesh.model.auth import Jwt  # noqa: PLC0415 - for who reads the file

    gateway = project.gateway
    if gateway is None or gateway.listen is None or is_loopback(gateway.listen.host):
        return
    asked = [gateway.auth, *(route.auth for route in gateway.routes)]
    providers = {provider.name: provider for auth in asked if auth for provider in auth.providers}
    yield from (name for name, each in providers.items() if isinstance(each.method, Jwt) and each.method.dev)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
