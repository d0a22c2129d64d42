"""A tunnel without a socket: what each side is told, in which order, and that nothing is left of it."""

import gc
from collections.abc import Callable
from math import inf
from random import Random
from typing import cast

import pytest

from minimesh.dataplane.connections import ServerConnection
from minimesh.dataplane.doorway import Doorway
from minimesh.dataplane.router import Router
from minimesh.dataplane.tunnel.sides import FarSide, NearSide
from minimesh.dataplane.tunnel.tunnel import Tunnel
from minimesh.dataplane.tunnel.way import Way
from minimesh.dataplane.upstream import EndpointPool, Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.caller import Caller
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.reason import UPSTREAM_REFUSED
from minimesh.model.record import Record
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from minimesh.telemetry import CounterKey, Telemetry
from minimesh.testing.clock import VirtualClock
from minimesh.testing.transport import MemoryTransport


class Pool:
    """An endpoint that accepts, or does not, when the test says so."""

    name = "db-1"

    def __init__(self) -> None:
        self.asked: list[Tunnel] = []

    def open(self, tunnel: Tunnel) -> None:
        self.asked.append(tunnel)

    def lost(self, side: FarSide) -> None:
        pass

    def accept(self) -> MemoryTransport:
        tunnel = self.asked.pop()
        transport = MemoryTransport(tunnel.far_side(cast("EndpointPool", self)))
        tunnel.opened()
        return transport


class Service:
    def __init__(self, idle: float, *pools: Pool) -> None:
        self.spec = snapshot.Upstream(Identity("shop.mesh", "db"), timeouts=Timeouts(idle=idle))
        self.pools = pools

    def pick(self, avoid: Pool | None = None) -> Pool | None:
        return next((pool for pool in self.pools if pool is not avoid), self.pools[0] if self.pools else None)


class Entry:
    name = "web->db"
    source = "web"
    caller = Caller(Identity("test.local", "web"))
    spec = snapshot.Listener(snapshot.ListenerKind.OUTBOUND, Address("127.0.0.1", 0), caller.identity, (Route("db"),))
    limits = Limits()
    doorway: Doorway | None = None
    by_name: Router[Way] | None = None

    def __init__(self, idle: float = inf, pools: int = 1) -> None:
        self.clock = VirtualClock()
        self.monotonic: Callable[[], float] = self.clock.monotonic
        self.random_bits = Random(5).getrandbits
        self.wheel = Wheel(self.clock.monotonic())
        telemetry = Telemetry(self.clock)
        self.ring = telemetry.ring
        self.unrouted = telemetry.counters.of(CounterKey("web", "", "-"))
        self.pools = [Pool() for _ in range(pools)]
        service = cast("Upstream", Service(idle, *self.pools))
        self.way: Way | None = Way(service, telemetry.counters.of(CounterKey("web", "db", "tcp")))
        self.frozen = False

    def opened(self, connection: ServerConnection) -> None:
        if self.frozen:
            connection.freeze()

    def closed(self, connection: ServerConnection) -> None:
        pass

    def call(self) -> MemoryTransport:
        near = Tunnel(self).near
        assert near is not None
        return MemoryTransport(near)

    @property
    def record(self) -> Record:
        (record,) = self.ring.since(0).records
        return record

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wheel.turn(self.clock.monotonic())


def joined(entry: Entry) -> tuple[MemoryTransport, MemoryTransport]:
    caller = entry.call()
    return caller, entry.pools[0].accept()


def test_what_comes_early_waits_and_holds_back_what_follows() -> None:
    entry = Entry()
    caller = entry.call()
    caller.feed(b"abcdef", size=3)
    assert caller.reading_paused
    service = entry.pools[0].accept()
    caller.settle()
    assert service.sent == b"abcdef"
    assert not caller.reading_paused


def test_who_does_not_take_holds_back_who_sends_and_only_that_way() -> None:
    caller, service = joined(Entry())
    service.stall()
    caller.feed(b"x" * 100_000)
    assert caller.reading_paused
    assert not service.reading_paused
    service.take()
    assert not caller.reading_paused
    assert service.sent == b"x" * 100_000


def test_what_came_early_and_is_not_taken_holds_back_as_well() -> None:
    entry = Entry()
    caller = entry.call()
    caller.feed(b"x" * 100_000)
    tunnel = entry.pools[0].asked.pop()
    service = MemoryTransport(tunnel.far_side(cast("EndpointPool", entry.pools[0])))
    service.stall()
    tunnel.opened()
    assert caller.reading_paused


def test_ends_pass_in_their_order() -> None:
    entry = Entry()
    caller, service = joined(entry)
    caller.end()
    assert service.ended
    assert not caller.ended
    service.feed(b"late")
    service.end()
    caller.settle()
    assert (caller.sent, caller.ended) == (b"late", True)
    assert (caller.closed, service.closed) == (True, True)
    assert (entry.record.cut, entry.record.bytes_out) == ("", 4)


def test_what_waits_for_a_reader_after_both_ends_is_still_sent_but_not_for_ever() -> None:
    entry = Entry()
    caller, service = joined(entry)
    caller.stall()
    service.feed(b"x" * 1000)
    service.end()
    caller.end()
    assert not entry.ring.total
    entry.pass_time(20.0)
    caller.take(500)
    entry.pass_time(20.0)
    assert not entry.ring.total
    entry.pass_time(40.0)
    assert entry.record.cut == "slow_reader"
    assert caller.aborted


@pytest.mark.parametrize("side", ["caller", "service"])
def test_who_is_lost_takes_the_other_along(side: str) -> None:
    entry = Entry()
    caller, service = joined(entry)
    first, other = (caller, service) if side == "caller" else (service, caller)
    first.lose(ConnectionResetError())
    assert other.aborted
    assert entry.record.cut == ("client_gone" if side == "caller" else "upstream_cut")


def test_a_caller_that_leaves_while_it_is_dialled_for() -> None:
    entry = Entry()
    caller = entry.call()
    caller.lose(ConnectionResetError())
    service = entry.pools[0].accept()
    assert service.aborted
    assert (entry.record.cut, entry.record.first_byte) == ("client_gone", 0.0)


def test_another_endpoint_is_tried_once() -> None:
    entry = Entry(pools=3)
    caller = entry.call()
    first, second, third = entry.pools
    first.asked.pop().not_opened(UPSTREAM_REFUSED, "first")
    second.asked.pop().not_opened(UPSTREAM_REFUSED, "second")
    assert not third.asked
    assert caller.aborted
    assert (entry.record.reason, entry.record.detail, entry.record.tries) == ("upstream_refused", "second", 2)


def test_idle_counts_from_the_last_byte_either_way() -> None:
    entry = Entry(idle=10.0)
    caller, service = joined(entry)
    for peer in (caller, service, caller):
        entry.pass_time(9.0)
        peer.feed(b"x")
    entry.pass_time(9.0)
    assert not entry.ring.total
    entry.pass_time(2.0)
    assert entry.record.cut == "idle"
    assert (caller.aborted, service.aborted) == (True, True)


def test_a_frozen_one_begins_when_it_is_thawed() -> None:
    entry = Entry()
    entry.frozen = True
    near = Tunnel(entry).near
    assert isinstance(near, NearSide)
    MemoryTransport(near).feed(b"early")
    assert near.busy_since() is None
    assert not entry.pools[0].asked
    near.thaw()
    assert near.busy_since() == -inf
    assert entry.pools[0].accept().sent == b"early"


def test_nothing_is_left_of_what_is_over() -> None:
    entry = Entry()
    for number in range(300):
        caller, service = joined(entry)
        caller.feed(b"ping")
        service.feed(b"pong")
        if number % 3 == 0:
            caller.end()
            service.end()
            caller.settle()
        else:
            (caller if number % 3 == 1 else service).lose(ConnectionResetError())
            (service if number % 3 == 1 else caller).settle()
    del caller, service
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Tunnel | NearSide | FarSide)]
    assert entry.ring.total == 300
