"""What lies outside of the project: which of it may be called, how calls get there, and how it proves who it is."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import NamedTuple

OUTSIDE = "egress"
"""What calls to hosts that are no service are counted under; no service has this name."""


class Egress(StrEnum):
    """What becomes of a call to a host that nobody listed. OBSERVE: it passes and is recorded; REGISTERED: refused."""

    OBSERVE = "observe"
    REGISTERED = "registered"


class Intercept(StrEnum):
    """How calls get into the mesh. ADDRESS: by the addresses that callers are given; PROXY: also by a forward proxy."""

    ADDRESS = "address"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a service may reach outside. host: in lower case, `"a.test"` or `"*.a.test"` for any name below; "" with a
    network, of which it is any address."""

    host: str
    port: int
    network: IPv4Network | IPv6Network | None = None

    def __str__(self) -> str:
        network = self.network
        if network is None:
            return f"{self.host}:{self.port}"
        text = str(network.network_address if network.prefixlen == network.max_prefixlen else network)
        return f"[{text}]:{self.port}" if network.version == 6 else f"{text}:{self.port}"


@dataclass(frozen=True, slots=True)
class Origination:
    """The TLS of a service that lives elsewhere. name: what its certificate must be for; None: the host of its address.
    roots: PEM of the authorities in `ca` that it may come from; "": those that this system trusts."""

    name: str | None = None
    ca: Path | None = None
    roots: str = field(default="", repr=False)


class Target(NamedTuple):
    """Where a call wants to go. host: in lower case; of an address its usual form, without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
