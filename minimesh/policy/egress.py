"""May a call leave the mesh? Its host decides, and then the address that the host turns out to have.

Once only what is listed may be called, a name is listed for what it stands for in the world. Where it turns out to be
an address of this machine or of a network around it, that address has to be listed as well: whoever owns a name decides
where it leads, and must not decide that it leads to the metadata of a cloud, or to a neighbour.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from minimesh.model.egress import Egress, Listed, Target

IpAddress = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_LOCALHOST = "localhost"
# Of IANA's registries of special addresses, what some versions of Python take for the internet.
_SPECIAL = tuple(
    ip_network(text) for text in ("192.0.0.0/24", "64:ff9b:1::/48", "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10")
)


class Rules:
    """What one caller may reach."""

    __slots__ = ("_exact", "_networks", "_wildcards", "mode")

    def __init__(self, mode: Egress, listed: Sequence[Listed]) -> None:
        self.mode = mode
        self._exact = frozenset(Target(each.host, each.port) for each in listed if each.network is None)
        self._wildcards = tuple(
            (each.host.removeprefix("*"), each.port) for each in listed if each.host.startswith("*.")
        )
        self._networks = tuple((each.network, each.port) for each in listed if each.network is not None)

    def lists(self, target: Target) -> bool:
        """Whether the file names it."""
        if (address := literal(target.host)) is not None:
            return self._lists_address(address, target.port)
        return target in self._exact or any(
            port == target.port and target.host.endswith(suffix) for suffix, port in self._wildcards
        )

    def lets_leave(self, target: Target) -> bool:
        """By its host alone."""
        return self.mode is Egress.OBSERVE or self.lists(target)

    def lets_reach(self, target: Target, address: IpAddress) -> bool:
        """`address`: one that the host of the target has."""
        if self.mode is Egress.OBSERVE or not is_inner(address):
            return True
        if target.host == _LOCALHOST and address.is_loopback:
            return True  # nobody owns this name but the machine itself
        return self._lists_address(address, target.port)

    def _lists_address(self, address: IpAddress, port: int) -> bool:
        plain = embedded(address)
        return any(known == port and (address in network or plain in network) for network, known in self._networks)


def literal(host: str) -> IpAddress | None:
    """The address that a host is; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def embedded(address: IpAddress) -> IpAddress:
    """What an address of IPv6 really leads to, where it stands for one of IPv4 (RFC 4291, 3056, 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_inner(address: IpAddress) -> bool:
    """Of this machine, or of a network that is not the internet: private, link-local, shared, reserved, multicast."""
    address = embedded(address)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return True
    return any(address in network for network in _SPECIAL)


def is_this_machine(address: IpAddress) -> bool:
    """Loopback, and what the kernel takes for it: 0.0.0.0 and ::."""
    address = embedded(address)
    return address.is_loopback or address.is_unspecified
