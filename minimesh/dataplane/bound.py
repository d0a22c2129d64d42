"""A bound address where traffic enters, whatever comes in there."""

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from minimesh.dataplane.attestor import Attestor, Nobody
from minimesh.dataplane.gates import Gatekeeper, Guardian
from minimesh.dataplane.ids import RandomBits
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.caller import Attested, Caller
from minimesh.telemetry import CounterKey, Telemetry


@dataclass(frozen=True, slots=True)
class Around:
    """What all the addresses of a plane share. find: another of them, by its name."""

    loop: asyncio.AbstractEventLoop
    wheel: Wheel
    telemetry: Telemetry
    monotonic: Callable[[], float]
    random_bits: RandomBits
    gatekeepers: Sequence[Gatekeeper] = ()
    guardians: Sequence[Guardian] = ()
    attestor: Attestor = Nobody()
    find: Callable[[str], "Bound | None"] = lambda _: None


class Bound:
    """Survives snapshots: `apply` swaps what it does, what is under way stays.

    paused: callers are left waiting outside, for want of room or of descriptors. accepted: who came so far."""

    def __init__(self, spec: snapshot.Listener, bound: socket.socket, around: Around) -> None:
        telemetry = around.telemetry
        self.spec = spec
        self.limits = spec.limits
        self.name = spec.name
        self.source = spec.source.service
        # What comes from outside comes as the gateway, which is the mesh itself.
        known = spec.kind is snapshot.ListenerKind.GATEWAY
        self.caller = Caller(spec.source, Attested.YES if known else Attested.UNKNOWN)
        self.wheel = around.wheel
        self.ring = telemetry.ring
        self.unrouted = telemetry.counters.of(CounterKey(self.source, "", "-"))
        self.monotonic = around.monotonic
        self.random_bits = around.random_bits
        self.draining = False
        self.accepted = 0
        self.paused = False
        self.address: tuple[str, int] = bound.getsockname()[:2]
        """Where it really is (or was, once it drains)."""
        self._attestor = around.attestor
        self._find = around.find
        self._gatekeepers = around.gatekeepers
        self._guardians = around.guardians
        self._counters = telemetry.counters
        self._loop = around.loop
        self._socket = bound
        self._frozen = False

    @property
    def connections(self) -> int:
        """What is open now."""
        raise NotImplementedError

    def apply(self, spec: snapshot.Listener, upstreams: Mapping[str, Upstream]) -> None:
        """Do from now on what this says."""
        self.spec = spec
        self.limits = spec.limits

    def leads_to(self, services: Collection[str]) -> bool:
        return any(route.to in services for route in (*self.spec.routes, *self.spec.names))

    def _arrived(self) -> None:
        """Something waits at the socket."""
        raise NotImplementedError

    def start(self) -> None:
        self._loop.add_reader(self._socket, self._arrived)

    def release(self) -> None:
        """Let go of the address; what is open stays. Undone by `hold`, or followed by `drain`."""
        if not self.paused:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def hold(self, bound: socket.socket) -> None:
        """Listen again where `release` let go."""
        self._socket = bound
        self.paused = False
        self.start()

    def adopt(self, accepted: socket.socket, early: bytes = b"") -> None:
        """Serve a connection that is made already; `early` was read of it before."""
        raise NotImplementedError

    def drain(self) -> None:
        """Let nobody in any more, and let go of the address; what is under way comes to its end."""
        if self.draining:
            return
        self.draining = True
        if self._socket.fileno() >= 0:
            self.release()

    def close(self) -> int:
        """Cut what is left; how much that was."""
        raise NotImplementedError

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """Leave callers waiting outside."""
        self._frozen = True
        if not self.paused and not self.draining:
            self._loop.remove_reader(self._socket)

    def thaw(self) -> None:
        self._frozen = False
        if not self.paused and not self.draining:
            self._loop.add_reader(self._socket, self._arrived)

    def busy(self, since: float) -> bool:
        """Something is under way that began after `since` (monotonic)."""
        raise NotImplementedError

    def cut_busy(self) -> int:
        """Cut what is under way; how much there was."""
        raise NotImplementedError

    def hand_over(self) -> tuple[int, list[tuple[int, bytes]]]:
        """The descriptor of the socket, and of each frozen connection its own and what was read of it."""
        return self._socket.fileno(), []
