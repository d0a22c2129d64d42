"""A data plane between the test's callers and the test's service, in the test's own loop."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from minimesh.dataplane import Codec, DataPlane
from minimesh.dataplane.authorizing import Authorizing
from minimesh.model.address import Address
from minimesh.model.clock import SystemClock
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.record import Record
from minimesh.model.route import Route
from minimesh.model.service import Protocol, Timeouts
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind, Snapshot, Upstream
from minimesh.telemetry import Telemetry
from tests.integration.dataplane.wire import PATIENCE, Peer, Service

TRUST_DOMAIN = "shop.mesh"
GATEWAY = "gateway"
OUTBOUND = "web->api"
DEFAULT_LIMITS = Limits()
DEFAULT_TIMEOUTS = Timeouts()
ANY_PORT = Address("127.0.0.1", 0)


class Setup(NamedTuple):
    """What carries the bytes."""

    codec: str
    uvloop: bool

    def __str__(self) -> str:
        return f"{self.codec}-{'uvloop' if self.uvloop else 'asyncio'}"


# With reference the loop is the standard one: it is for where neither httptools nor uvloop is to be had.
SETUPS = (Setup("fast", True), Setup("fast", False), Setup("reference", False))


def _only(*setups: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("anyio_backend", setups, ids=str, indirect=True)


EACH_CODEC = _only(SETUPS[0], SETUPS[2])
"""For what does not depend on the loop."""
WAITING = _only(SETUPS[0], pytest.param(SETUPS[2], marks=pytest.mark.slow))
"""For what waits for limits to pass or moves much."""
FASTEST = _only(SETUPS[0])


async def until(condition: Callable[[], object], what: str = "", turn: float = 0.002) -> None:
    """Wait for something that announces itself to nobody; `turn`: seconds between two looks."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while not condition():
        assert loop.time() < deadline, f"not in {PATIENCE:g} s: {what or condition}"
        await asyncio.sleep(turn)


class Stage:
    """Who is on it: callers (`call`), the mesh (`plane`), the service `api` (`service`, more in `services`).

    names: what hosts outside stand for, for this mesh."""

    def __init__(self, codec: Codec) -> None:
        self.loop = asyncio.get_running_loop()
        self.telemetry = Telemetry(SystemClock())
        self.names: dict[str, list[str]] = {}
        rules = Authorizing(SystemClock.wall, self.telemetry.counters, self.telemetry.audits)
        self.plane = DataPlane(
            self.loop,
            SystemClock(),
            self.telemetry,
            codec=codec,
            gatekeepers=[rules],
            look_up=self._look_up,
            guardians=[rules],
        )
        self.services: list[Service] = []
        self.callers: list[Peer] = []
        self.mistakes: list[dict[str, object]] = []
        self.loop.set_exception_handler(lambda _, context: self.mistakes.append(context))
        self.snapshot = Snapshot(0)

    def open(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        routes: tuple[Route, ...] = (Route("api"),),
        endpoints: int = 1,
        ports: tuple[int, ...] = (),
        protocol: Protocol | None = None,
    ) -> None:
        """`ports`: of the endpoints, where they are not to be services of this stage."""
        if not ports:
            self.services = [Service() for _ in range(endpoints)]
            ports = tuple(service.port for service in self.services)
        api = Upstream(
            Identity(TRUST_DOMAIN, "api"),
            tuple(Endpoint(f"api/{n}", (Address("127.0.0.1", port),)) for n, port in enumerate(ports, 1)),
            timeouts,
            protocol=protocol,
        )
        gateway = Listener(ListenerKind.GATEWAY, ANY_PORT, Identity(TRUST_DOMAIN, GATEWAY), routes, limits)
        web = Listener(ListenerKind.OUTBOUND, ANY_PORT, Identity(TRUST_DOMAIN, "web"), (Route("api"),), limits)
        self.apply(Snapshot(1, listeners={GATEWAY: gateway, OUTBOUND: web}, upstreams={"api": api}))

    async def _look_up(self, name: str) -> list[str]:
        if name not in self.names:
            raise OSError(-2, "Name or service not known")
        return self.names[name]

    def apply(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.plane.apply(snapshot)

    def serve_at(self, *services: Service) -> None:
        """Other endpoints from now on."""
        self.services += [service for service in services if service not in self.services]
        self.keep_endpoints(tuple(Endpoint(f"api/{one.port}", (Address("127.0.0.1", one.port),)) for one in services))

    def keep_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        old = self.snapshot
        upstreams = {"api": replace(old.upstreams["api"], endpoints=endpoints)}
        self.apply(replace(old, generation=old.generation + 1, upstreams=upstreams))

    @property
    def service(self) -> Service:
        return self.services[0]

    async def call(self, listener: str = GATEWAY, receive_buffer: int = 0) -> Peer:
        """A new caller. receive_buffer: bytes that its kernel takes unread."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer = Peer(connection)
        self.callers.append(peer)
        await self.loop.sock_connect(connection, self.plane.address(listener))
        return peer

    def call_now(self) -> Peer:
        """A new caller, without giving the loop a turn."""
        peer = Peer(socket.create_connection(self.plane.address(GATEWAY)))
        self.callers.append(peer)
        return peer

    def shrink_send_buffers(self) -> None:
        """Have the mesh itself hold what callers to come do not read, instead of the kernel."""
        for listener in self.plane._listeners.values():
            listener._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def conversation(self, request: bytes, listener: str = GATEWAY) -> tuple[Peer, Peer]:
        """A caller that has sent this, and the connection that the service gets it on."""
        caller = await self.call(listener)
        await caller.send(request)
        return caller, await self.service.accept()

    @property
    def records(self) -> tuple[Record, ...]:
        return self.telemetry.ring.since(0).records

    async def record(self, number: int = 1) -> Record:
        """The nth exchange's record, once it is over."""
        await until(lambda: self.telemetry.ring.total >= number, f"record {number}")
        return self.records[number - 1]

    @property
    def open_connections(self) -> int:
        statistics = self.plane.statistics()
        listeners = sum(one.connections for one in statistics.listeners.values())
        return listeners + sum(
            endpoint.active for endpoints in statistics.upstreams.values() for endpoint in endpoints.values()
        )

    @property
    def idle(self) -> int:
        """Kept connections to the service."""
        endpoints = self.plane.statistics().upstreams["api"]
        return sum(endpoint.idle for endpoint in endpoints.values())

    async def close(self) -> None:
        """Everybody leaves; then nothing may be left of them in the mesh, and nothing may have gone wrong in it."""
        for caller in self.callers:
            caller.close()
        for service in self.services:
            service.close()
        await until(lambda: self.open_connections == 0, "the mesh lets go of every connection")
        await until(lambda: self.idle == 0, "the mesh sees that kept connections were closed")
        self.plane.close()
        await asyncio.sleep(0)
        requests = sum(counters.requests for counters in self.telemetry.counters.all())
        assert requests == self.telemetry.ring.total, "each exchange leaves one record"
        assert self.mistakes == []
