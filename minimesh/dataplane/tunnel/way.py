"""Where a listener of bytes leads, with everything that a connection needs already looked up."""

from collections.abc import Callable, Iterable
from typing import Protocol

from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.gates import Guard, Guardian, Refusal
from minimesh.dataplane.ids import RandomBits
from minimesh.dataplane.router import Router
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.caller import Caller
from minimesh.model.project import Limits
from minimesh.model.route import Route
from minimesh.telemetry.counters import RouteCounters
from minimesh.telemetry.ring import Ring


class Way:
    """One service, what is counted on the way to it, and who guards it."""

    __slots__ = ("_guards", "counters", "destination", "upstream")

    def __init__(self, upstream: Upstream, counters: RouteCounters, guards: Iterable[Guard] = ()) -> None:
        self.upstream = upstream
        self.counters = counters
        self.destination = upstream.spec.identity.service
        self._guards = tuple(guards)

    def refuses(self, caller: Caller) -> Refusal | None:
        """Asked once by whoever goes this way."""
        for guard in self._guards:
            refusal = guard.refuses(caller)
            if refusal is not None:
                return refusal
        return None


def guarded_way(
    listener: snapshot.Listener, route: Route, upstream: Upstream, counters: RouteCounters, by: Iterable[Guardian]
) -> Way:
    """The way of a listener to a service."""
    return Way(upstream, counters, [guard for each in by for guard in each.guards(listener, route, upstream.spec)])


class Entry(Protocol):
    """What a tunnel needs of the listener that accepted it."""

    spec: snapshot.Listener
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
