"""What the gateway asks of whom it lets in."""

from dataclasses import dataclass

from minimesh.model.where import NOWHERE, Where


@dataclass(frozen=True, slots=True)
class Edge:
    """trusted_proxies: CIDR blocks of those whose X-Forwarded-* are believed. allow_ips: of those who may come in;
    empty: everybody may. where: the line that says so."""

    trusted_proxies: tuple[str, ...] = ()
    allow_ips: tuple[str, ...] = ()
    where: Where = NOWHERE


NO_EDGE = Edge()
