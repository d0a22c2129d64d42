"""Who a request really comes from, where proxies stand before the mesh: X-Forwarded-For, -Proto and -Host.

Each proxy writes at the end of X-Forwarded-For whom it got the request from. So the list is read from its end for as
long as those who wrote are trusted, and the first that is not trusted is the client: what stands before it anybody can
have written.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Ip = IPv4Address | IPv6Address

_MOST_HOPS = 64
"""Entries of a list that are looked at; one that is longer is no list of proxies."""
_LONGEST = 64
"""Characters of an address, with a port and a zone."""


class Networks:
    """Addresses, as CIDR blocks."""

    __slots__ = ("_of",)

    def __init__(self, blocks: Iterable[str]) -> None:
        networks = [ip_network(block) for block in blocks]
        self._of: dict[int, list[IPv4Network | IPv6Network]] = {
            version: [each for each in networks if each.version == version] for version in (4, 6)
        }

    def __contains__(self, ip: Ip) -> bool:
        return any(ip in network for network in self._of[ip.version])


@lru_cache(maxsize=1024)
def ip_of(text: str) -> Ip | None:
    """The address in `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]:80`; an IPv4 address in IPv6 is itself. None: there is
    none, as in `unknown` and `_hidden`."""
    text = text.strip(' \t"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


class Origin(NamedTuple):
    """client: who made the request, as far as it can be believed. chain: whom the proxies that are believed had it
    from, the client first, without the last of them, who is at the other end of the connection. proto, host: what the
    client asked for, "" where no proxy that is believed has said so."""

    client: str
    chain: tuple[str, ...] = ()
    proto: str = ""
    host: str = ""


def origin(
    peer: str, trusted: Networks, by: Sequence[str], protos: Sequence[str] = (), hosts: Sequence[str] = ()
) -> Origin:
    """`peer`: the address at the other end. `by`, `protos`, `hosts`: the entries of X-Forwarded-For, -Proto, -Host."""
    at = ip_of(peer)
    if at is None or at not in trusted:
        return Origin(peer)
    believed: list[str] = []
    for entry in reversed(by[-_MOST_HOPS:]):
        ip = ip_of(entry) if len(entry) <= _LONGEST else None
        if ip is None:
            break
        believed.insert(0, str(ip))
        if ip not in trusted:
            break
    # The peer is one hop; each that was believed is another one, but for the client itself.
    hops = max(len(believed), 1)
    return Origin(
        believed[0] if believed else peer, tuple(believed), _said(protos, hops).lower(), _said(hosts, hops).lower()
    )


def _said(entries: Sequence[str], hops: int) -> str:
    """What the proxy next to the client wrote: each adds one, or the first writes and the others pass it on."""
    return entries[-min(len(entries), hops)] if entries else ""
