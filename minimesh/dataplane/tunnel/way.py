"""Where a listener of bytes leads, with everything that a connection needs already looked up."""

from collections.abc import Callable
from typing import Protocol

from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.ids import RandomBits
from minimesh.dataplane.router import Router
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model.caller import Caller
from minimesh.model.project import Limits
from minimesh.telemetry.counters import RouteCounters
from minimesh.telemetry.ring import Ring


class Way:
    """One service, and what is counted on the way to it."""

    __slots__ = ("counters", "destination", "upstream")

    def __init__(self, upstream: Upstream, counters: RouteCounters) -> None:
        self.upstream = upstream
        self.counters = counters
        self.destination = upstream.spec.identity.service


class Entry(Protocol):
    """What a tunnel needs of the listener that accepted it."""

    name: str
    source: str
    caller: Caller
    limits: Limits
    wheel: Wheel
    ring: Ring
    unrouted: RouteCounters
    monotonic: Callable[[], float]
    random_bits: RandomBits
    doorway: Doorway | None
    """Who may come in; None: everybody."""
    way: Way | None
    """Where a connection goes whatever name it asks for; None: nowhere."""
    by_name: Router[Way] | None
    """By the server name that a TLS client asks for; None: nobody is asked for a name."""

    def opened(self, connection: ServerConnection) -> None: ...

    def closed(self, connection: ServerConnection) -> None: ...
