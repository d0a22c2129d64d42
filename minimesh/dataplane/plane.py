"""The data plane as the control plane sees it: snapshots in, statistics out."""

import asyncio
import errno
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller
from random import Random, SystemRandom
from socket import SOCK_DGRAM, SOCK_STREAM, socket

from minimesh.dataplane.acceptor import bind
from minimesh.dataplane.attestor import Attestor, Nobody
from minimesh.dataplane.bound import Around, Bound
from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.corsgate import CorsGates
from minimesh.dataplane.datagrams.listener import UdpListener, bind_datagrams
from minimesh.dataplane.egress.outside import Outside, Seen
from minimesh.dataplane.egress.proxy import ForwardProxy
from minimesh.dataplane.egress.resolver import LookUp
from minimesh.dataplane.errand import NoAnswer, Wanted, fetch
from minimesh.dataplane.gates import Gatekeeper, Guardian
from minimesh.dataplane.ids import traceparent
from minimesh.dataplane.listener import Listener
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.owncall import CallFailed, call
from minimesh.dataplane.tunnel.listener import TcpListener
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import TICK, Wheel
from minimesh.model import snapshot
from minimesh.model.address import Dialable
from minimesh.model.attest import Found, Question
from minimesh.model.clock import Clock
from minimesh.model.grpc import Status
from minimesh.model.identity import Identity
from minimesh.policy.admission import NOBODY
from minimesh.telemetry import Telemetry


class ListenError(Exception):
    """An address of the snapshot cannot be listened on. Nothing has changed."""

    def __init__(self, listener: snapshot.Listener, error: OSError) -> None:
        super().__init__(f"{listener.name}: cannot listen on {listener.address}: {error.strerror or error}")
        self.listener = listener
        self.error = error


@dataclass(frozen=True, slots=True)
class OpenListener:
    """A listener that passes from one image of the process to the next: descriptors of its socket and of its idle
    connections, each with what was read of it but not understood yet."""

    name: str
    descriptor: int
    connections: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class OpenPool:
    """The descriptors of the idle connections to an endpoint of a service, which pass likewise."""

    service: str
    endpoint: str
    connections: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """All that passes."""

    listeners: tuple[OpenListener, ...] = ()
    pools: tuple[OpenPool, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """connections: open now; accepted: since the start; paused: callers wait in the backlog."""

    address: tuple[str, int]
    connections: int
    accepted: int
    paused: bool


@dataclass(frozen=True, slots=True)
class EndpointStatistics:
    """Connections to the endpoint: with an exchange on them, and kept for the next one."""

    active: int
    idle: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """By names of listeners, and of services and their endpoints. lag: the worst delay of a tick so far, seconds."""

    generation: int
    listeners: Mapping[str, ListenerStatistics]
    upstreams: Mapping[str, Mapping[str, EndpointStatistics]]
    lag: float


class DataPlane:
    """Owns listeners, upstreams and the wheel. All calls on the loop's own thread.

    gatekeepers: in the order in which a request passes their gates; those of the caller's side first, behind CORS.
    guardians: the same for those who bring only bytes. attestor: to be put in place by whoever can say whose process a
    caller is."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        telemetry: Telemetry,
        *,
        codec: Codec = FAST,
        random: Random | None = None,
        gatekeepers: Sequence[Gatekeeper] = (),
        look_up: LookUp | None = None,
        guardians: Sequence[Guardian] = (),
    ) -> None:
        self._loop = loop
        self._clock = clock
        self.codec = codec
        self._random = random or Random(SystemRandom().getrandbits(128))
        self._wheel = Wheel(clock.monotonic())
        self._listeners: dict[str, Bound] = {}
        self._around = Around(
            loop,
            self._wheel,
            telemetry,
            clock.monotonic,
            self._random.getrandbits,
            (CorsGates(), *gatekeepers),
            tuple(guardians),
            self,
            self._listeners.get,
        )
        self.attestor: Attestor = Nobody()
        self._outbox = Outbox(loop.call_soon)
        self._outside = Outside(loop, self._wheel, self._outbox, codec, clock.monotonic, look_up)
        self._leaving: set[Bound] = set()
        self._upstreams: dict[str, Upstream] = {}
        self._gone: set[Upstream] = set()
        self._elsewhere: dict[tuple[Dialable, ...], Upstream] = {}
        self._inherited: dict[str, socket] = {}
        self._snapshot = snapshot.Snapshot(0)
        self._lag = 0.0
        self._timer = loop.call_later(TICK, self._tick)

    def apply(self, new: snapshot.Snapshot) -> None:
        """Bind what is new, swap what differs, let go of what is gone. Raises ListenError with nothing changed."""
        fresh = self._bind(new)
        moved = self._apply_upstreams(new)
        if moved or new.listeners is not self._snapshot.listeners:
            self._apply_listeners(new, fresh, moved)
        for name in self._upstreams.keys() - new.upstreams.keys():
            gone = self._upstreams.pop(name)
            gone.retire()
            self._gone.add(gone)
        self._snapshot = new

    def _apply_listeners(self, new: snapshot.Snapshot, fresh: Mapping[str, socket], moved: Collection[str]) -> None:
        for name, bound in fresh.items():
            self._replace(name, self._listener(new.listeners[name], bound))
        for name, spec in new.listeners.items():
            listener = self._listeners[name]
            if name in fresh or listener.spec != spec or (moved and listener.leads_to(moved)):
                listener.apply(spec, self._upstreams)
            if name in fresh:
                listener.start()
        for name in self._listeners.keys() - new.listeners.keys():
            self._leave(self._listeners.pop(name))

    def _apply_upstreams(self, new: snapshot.Snapshot) -> frozenset[str]:
        """The names of those of which a route holds something that is no longer so."""
        moved: set[str] = set()
        before = self._snapshot.upstreams
        differing = [(name, spec) for name, spec in new.upstreams.items() if before.get(name) is not spec]
        for name, spec in differing:
            known = self._upstreams.get(name)
            if known is None:
                self._upstreams[name] = Upstream(spec, self._loop, self._wheel, self._outbox, self.codec)
                moved.add(name)
            elif known.spec != spec:
                if replace(known.spec, endpoints=()) != replace(spec, endpoints=()):
                    moved.add(name)
                known.apply(spec)
        return frozenset(moved)

    def _bind(self, new: snapshot.Snapshot) -> dict[str, socket]:
        if new.listeners is self._snapshot.listeners:
            return {}
        wanted = {
            name: spec
            for name, spec in new.listeners.items()
            if name not in self._listeners or not _stays(self._listeners[name].spec, spec)
        }
        bound: dict[str, socket] = {}
        yielded: list[Bound] = []
        try:
            for name, spec in wanted.items():
                try:
                    bound[name] = self._inherited_for(spec) or _bind(spec)
                except ListenError as error:
                    holder = self._in_the_way(spec, new) if error.error.errno == errno.EADDRINUSE else None
                    if holder is None:
                        raise
                    holder.release()
                    yielded.append(holder)
                    bound[name] = _bind(spec)
        except ListenError:
            for other in bound.values():
                other.close()
            for holder in yielded:
                holder.hold(_bind(holder.spec))
            raise
        return bound

    def _in_the_way(self, spec: snapshot.Listener, new: snapshot.Snapshot) -> Bound | None:
        """A listener of ours that has the port of another one's new address, and is about to leave it."""
        for name, listener in self._listeners.items():
            stays = name in new.listeners and _stays(listener.spec, new.listeners[name])
            same = (listener.spec.address.port, listener.spec.datagrams) == (spec.address.port, spec.datagrams)
            if same and not stays and not listener.draining:
                return listener
        return None

    def _listener(self, spec: snapshot.Listener, bound: socket) -> Bound:
        return self._kind(spec)(spec, bound, self._around)

    def _kind(self, spec: snapshot.Listener) -> Callable[[snapshot.Listener, socket, Around], Bound]:
        if spec.datagrams:
            return UdpListener
        if spec.proxy is not None:
            return partial(ForwardProxy, outbox=self._outbox, codec=self.codec, outside=self._outside)
        return TcpListener if spec.opaque else partial(Listener, outbox=self._outbox, codec=self.codec)

    def _replace(self, name: str, listener: Bound) -> None:
        old = self._listeners.get(name)
        if old is not None:
            self._leave(old)
        self._listeners[name] = listener

    def _leave(self, listener: Bound) -> None:
        listener.drain()
        self._leaving.add(listener)

    # --- handed over to the next image of this process ---------------------------------------------------------

    def freeze(self) -> None:
        """Begin nothing further: callers wait, unread, until `thaw` or until the next image serves them."""
        for listener in self._listeners.values():
            listener.freeze()

    def thaw(self) -> None:
        for listener in self._listeners.values():
            listener.thaw()

    def busy(self, since: float) -> bool:
        """Something is under way that began after `since` (monotonic)."""
        return any(listener.busy(since) for listener in (*self._listeners.values(), *self._leaving))

    def cut_busy(self) -> int:
        """Cut the exchanges that are under way; how many there were."""
        return self._cut(methodcaller("cut_busy"))

    def _cut(self, cut: Callable[[Bound], int]) -> int:
        """At each listener. Nobody is let in from the line meanwhile, only to be cut next."""
        upstreams = (*self._upstreams.values(), *self._gone, *self._outside)
        for upstream in upstreams:
            upstream.admission.apply(NOBODY)
        number = sum(cut(listener) for listener in {*self._listeners.values(), *self._leaving})
        for upstream in upstreams:
            upstream.admission.apply(upstream.spec.breaker)
        return number

    def hand_over(self) -> Open:
        """Of a frozen plane; it stays this one's until another image has it."""
        listeners = []
        for name, listener in self._listeners.items():
            descriptor, connections = listener.hand_over()
            listeners.append(OpenListener(name, descriptor, tuple(connections)))
        pools = [
            OpenPool(name, pool.name, tuple(pool.hand_over()))
            for name, upstream in self._upstreams.items()
            for pool in upstream.pools
        ]
        return Open(tuple(listeners), tuple(pools))

    async def inherit(self, given: Open, new: snapshot.Snapshot) -> None:
        """The first `apply`, with sockets that another image has left open. What has no place here is closed.

        Nothing is accepted before the pools are there: all callers at once would dial at once.
        """
        self._inherited = {each.name: _inherited(each.descriptor) for each in given.listeners}
        self.apply(new)
        self.freeze()
        for unwanted in self._inherited.values():
            unwanted.close()
        self._inherited = {}
        pools = {(name, pool.name): pool for name, upstream in self._upstreams.items() for pool in upstream.pools}
        for open_pool in given.pools:
            pool = pools.get((open_pool.service, open_pool.endpoint))
            for idle in map(_inherited, open_pool.connections):
                await pool.adopt(idle) if pool else idle.close()
        self.thaw()
        for each in given.listeners:
            listener = self._listeners.get(each.name)
            for descriptor, early in each.connections:
                connection = _inherited(descriptor)
                listener.adopt(connection, early) if listener else connection.close()

    def _inherited_for(self, spec: snapshot.Listener) -> socket | None:
        bound = self._inherited.get(spec.name)
        kind = SOCK_DGRAM if spec.datagrams else SOCK_STREAM
        if bound is None or bound.type != kind or bound.getsockname()[:2] != (spec.address.host, spec.address.port):
            return None
        return self._inherited.pop(spec.name)

    def address(self, name: str) -> tuple[str, int]:
        """Where a listener really is (its port was 0, say)."""
        return self._listeners[name].address

    def ask(self, question: Question, then: Callable[[Found], None]) -> None:
        """Implements Attestor, for the listeners."""
        self.attestor.ask(question, then)

    async def call(self, service: str, path: str, message: bytes) -> list[bytes]:
        """Asks a service something of the mesh's own, by gRPC. Raises CallFailed."""
        known = self._upstreams.get(service)
        if known is None:
            raise CallFailed(Status.UNAVAILABLE, "there is no such service")
        return await call(known, path, message, self.traceparent())

    def destination(self, service: str) -> Upstream | None:
        """A service, to be asked by the mesh itself."""
        return self._upstreams.get(service)

    def elsewhere(self, addresses: tuple[Dialable, ...]) -> Upstream:
        """A program on this machine that is no service, likewise."""
        known = self._elsewhere.get(addresses)
        if known is None:
            host = str(addresses[0])
            spec = snapshot.Upstream(Identity("", host), (snapshot.Endpoint(host, addresses),), host=host.encode())
            known = self._elsewhere[addresses] = Upstream(spec, self._loop, self._wheel, self._outbox, self.codec)
        return known

    @property
    def wheel(self) -> Wheel:
        return self._wheel

    def traceparent(self) -> bytes:
        """Of one more request that the mesh itself makes."""
        return traceparent(b"", self._random.getrandbits)

    async def fetch(self, service: str, wanted: Wanted, within: float, most: int) -> tuple[int, bytes]:
        """Status and body of what a service answers. Raises NoAnswer."""
        known = self._upstreams.get(service)
        if known is None:
            raise NoAnswer("there is no such service")
        return await fetch(known, wanted, self.traceparent(), self._wheel, within, most)

    def active(self, service: str, endpoint: str) -> int:
        """Exchanges under way at an endpoint, also at one that the snapshot does not have any more."""
        known = self._upstreams.get(service)
        gone = [upstream for upstream in self._gone if upstream.spec.identity.service == service]
        return sum(upstream.active(endpoint) for upstream in (*gone, *((known,) if known else ())))

    def trouble(self, service: str) -> str:
        """Why there is no TLS to a service now; "" where there is, or where it needs none."""
        known = self._upstreams.get(service)
        return known.trouble if known is not None else ""

    def take_seen(self) -> list[Seen]:
        """The hosts outside that were asked for for the first time since this was last asked."""
        return self._outside.take_seen()

    def full(self) -> frozenset[str]:
        """The listeners that leave callers in the backlog now, for want of descriptors or at their limit."""
        return frozenset(name for name, listener in self._listeners.items() if listener.paused)

    def statistics(self) -> Statistics:
        return Statistics(
            self._snapshot.generation,
            {
                name: ListenerStatistics(one.address, one.connections, one.accepted, one.paused)
                for name, one in self._listeners.items()
            },
            {
                name: {pool.name: EndpointStatistics(pool.active, pool.idle) for pool in upstream.pools}
                for name, upstream in self._upstreams.items()
            },
            self._lag,
        )

    async def drain(self, within: float) -> int:
        """Accept nothing more and let run what runs; after `within` seconds cut the rest. How many were cut."""
        for listener in self._listeners.values():
            listener.drain()
        listeners = {*self._listeners.values(), *self._leaving}
        until = self._clock.monotonic() + within
        # Polled: an event for each of thousands of connections would only be there for the last second of a life.
        while self._clock.monotonic() < until and any(listener.connections for listener in listeners):  # noqa: ASYNC110
            await asyncio.sleep(TICK / 4)
        return self._cut(methodcaller("close"))

    def close(self) -> None:
        """Everything, now."""
        self._timer.cancel()
        self._cut(methodcaller("close"))
        for upstream in (*self._upstreams.values(), *self._gone, *self._elsewhere.values()):
            upstream.close()
        self._outside.close()

    def _tick(self) -> None:
        now = self._clock.monotonic()
        self._lag = max(self._lag, now - self._wheel.now - TICK)
        self._wheel.turn(now)
        if self._leaving:
            self._leaving = {listener for listener in self._leaving if listener.connections}
        if self._gone:
            self._gone = {upstream for upstream in self._gone if upstream.busy}
        self._timer = self._loop.call_later(TICK, self._tick)


def _stays(old: snapshot.Listener, new: snapshot.Listener) -> bool:
    """The same listener serves on; else another takes its place."""
    return (old.address, old.opaque, old.datagrams) == (new.address, new.opaque, new.datagrams)


def _bind(spec: snapshot.Listener) -> socket:
    try:
        return bind_datagrams(spec) if spec.datagrams else bind(spec)
    except OSError as error:
        raise ListenError(spec, error) from error


def _inherited(descriptor: int) -> socket:
    os.set_inheritable(descriptor, False)
    known = socket(fileno=descriptor)
    known.setblocking(False)
    return known
