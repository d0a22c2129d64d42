"""Flows of datagrams without a socket: what is sent where, what ends them, and that nothing is left of them."""

import errno
import gc
import os
import socket
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, cast

import pytest

from minimesh.dataplane.bound import Around
from minimesh.dataplane.codec import FAST
from minimesh.dataplane.datagrams.flow import ANSWERS_A_TURN, LAST_WORD, Flow
from minimesh.dataplane.datagrams.listener import DATAGRAMS_A_TURN, UdpListener
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.upstream import Upstream
from minimesh.dataplane.wheel import TICK, Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.record import Record
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from minimesh.telemetry import Telemetry
from minimesh.telemetry.counters import RouteCounters
from minimesh.testing.clock import VirtualClock

WEB = ("127.0.0.1", 50_000)
IDLE = 60.0


class Socket:
    """What comes in is put into `waiting` (data and sender, or the number of an error); what is sent stands in `sent`.

    refusal: the number of an error that the kernel has for us. failing: likewise, once, as soon as something is sent.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, tuple[str, int]] | int] = deque()
        self.sent: list[tuple[bytes, tuple[str, int] | None]] = []
        self.refusal = self.failing = 0
        self.closed = False

    def recvfrom_into(self, buffer: memoryview) -> tuple[int, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "")
        found = self.waiting.popleft()
        if isinstance(found, int):
            raise OSError(found, os.strerror(found))
        data, sender = found
        buffer[: len(data)] = data
        return len(data), sender

    def recv_into(self, buffer: memoryview) -> int:
        return self.recvfrom_into(buffer)[0]

    def send(self, data: memoryview) -> None:
        self.sendto(data, None)

    def sendto(self, data: memoryview, to: tuple[str, int] | None) -> None:
        number, self.failing = self.failing, 0
        if number:
            raise OSError(number, os.strerror(number))
        self.sent.append((bytes(data), to))

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        return self.refusal

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 20_000

    def fileno(self) -> int:
        return -1 if self.closed else 9

    def close(self) -> None:
        self.closed = True


class Loop:
    def __init__(self) -> None:
        self.readers: dict[Socket, Callable[[], None]] = {}

    def add_reader(self, of: Socket, call: Callable[[], None]) -> None:
        assert of not in self.readers
        self.readers[of] = call

    def remove_reader(self, of: Socket) -> None:
        assert not of.closed
        del self.readers[of]


class Offline(UdpListener):
    made: list[tuple[Address, Socket]]
    unwilling: dict[Address, int]
    """What connecting to an address, or the first look after it, ends with."""

    def connect(self, address: Address) -> socket.socket:
        number = self.unwilling.get(address, 0)
        if number == errno.EMFILE:
            raise OSError(number, os.strerror(number))
        made = Socket()
        made.refusal = number
        self.made.append((address, made))
        return cast("socket.socket", made)


class Mesh:
    """`web` calls `dns`, which has `endpoints` endpoints."""

    def __init__(self, endpoints: int = 1, connections: int = 100) -> None:
        self.clock = VirtualClock()
        self.loop = Loop()
        self.wheel = Wheel(self.clock.monotonic())
        self.telemetry = Telemetry(self.clock)
        self.addresses = [Address("127.0.0.1", 1 + n) for n in range(endpoints)]
        self.upstream = Upstream(
            self._spec(endpoints), cast("Any", self.loop), self.wheel, Outbox(lambda _: None), FAST
        )
        listener = snapshot.Listener(
            snapshot.ListenerKind.OUTBOUND,
            Address("127.0.0.1", 20_000),
            Identity("shop.mesh", "web"),
            (Route("dns"),),
            Limits(connections=connections),
            opaque=True,
            datagrams=True,
        )
        self.bound = Socket()
        self.listener = Offline(
            listener,
            cast("socket.socket", self.bound),
            Around(cast("Any", self.loop), self.wheel, self.telemetry, self.clock.monotonic, Random(5).getrandbits),
        )
        self.listener.made, self.listener.unwilling = [], {}
        self.listener.apply(listener, {"dns": self.upstream})
        self.listener.start()

    def _spec(self, endpoints: int) -> snapshot.Upstream:
        found = tuple(snapshot.Endpoint(f"dns-{n + 1}", (self.addresses[n],)) for n in range(endpoints))
        return snapshot.Upstream(Identity("shop.mesh", "dns"), found, Timeouts(idle=IDLE))

    def leave(self, endpoints: int) -> None:
        """Only so many endpoints are left."""
        self.upstream.apply(self._spec(endpoints))

    def send(self, *data: bytes, sender: tuple[str, int] = WEB) -> None:
        self.bound.waiting.extend((each, sender) for each in data)
        self.loop.readers[self.bound]()

    def answer(self, at: Socket, *what: bytes | int) -> None:
        at.waiting.extend(each if isinstance(each, int) else (each, WEB) for each in what)
        self.loop.readers[at]()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wheel.turn(self.clock.monotonic())

    def sockets(self, number: int) -> list[Socket]:
        assert len(self.listener.made) == number
        return [made for _, made in self.listener.made]

    @property
    def records(self) -> tuple[Record, ...]:
        return self.telemetry.ring.since(0).records

    @property
    def counters(self) -> RouteCounters:
        return next(each for each in self.telemetry.counters.all() if each.key.route == "udp")

    def nothing_is_left(self) -> None:
        assert self.listener.connections == 0
        assert self.loop.readers.keys() <= {self.bound}
        assert all(made.closed for _, made in self.listener.made)
        assert sum(pool.active + pool.idle for pool in self.upstream.pools) == 0
        assert self.counters.active == 0


def test_one_turn_of_the_loop_takes_so_many_and_leaves_the_rest() -> None:
    mesh = Mesh()
    mesh.send(*[b"x"] * (DATAGRAMS_A_TURN + 5))
    (service,) = mesh.sockets(1)
    assert (len(service.sent), len(mesh.bound.waiting)) == (DATAGRAMS_A_TURN, 5)
    mesh.answer(service, *[b"y"] * (ANSWERS_A_TURN + 3))
    assert (len(mesh.bound.sent), len(service.waiting)) == (ANSWERS_A_TURN, 3)
    assert set(mesh.bound.sent) == {(b"y", WEB)}


def test_whatever_comes_either_way_puts_off_the_end() -> None:
    mesh = Mesh()
    mesh.send(b"a")
    (service,) = mesh.sockets(1)
    mesh.pass_time(IDLE - 1)
    mesh.answer(service, b"b")
    mesh.pass_time(IDLE - 1)
    mesh.send(b"c")
    mesh.pass_time(IDLE - 1)
    assert mesh.telemetry.ring.total == 0
    mesh.pass_time(1 + 2 * TICK)
    assert [record.detail for record in mesh.records] == ["no datagram for 60 s; datagrams: 2 in, 1 out, 0 lost"]
    mesh.nothing_is_left()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_not_taken_is_lost_and_the_next_passes(number: int, first: bool) -> None:
    mesh = Mesh()
    if first:
        make = mesh.listener.connect

        def failing(address: Address) -> socket.socket:
            made = make(address)
            cast("Socket", made).failing = number
            return made

        mesh.listener.connect = failing  # type: ignore[method-assign]  # only the first one's socket is full
    else:
        mesh.send(b"before")
        mesh.sockets(1)[0].failing = number
    mesh.send(b"lost", b"next")
    (service,) = mesh.sockets(1)
    assert [data for data, _ in service.sent] == ([b"next"] if first else [b"before", b"next"])
    mesh.bound.failing = number
    mesh.answer(service, b"lost too", b"answer")
    assert mesh.bound.sent == [(b"answer", WEB)]
    mesh.listener.close()
    assert mesh.records[0].detail.endswith(", 2 lost")


def test_a_datagram_that_is_refused_is_sent_to_another_endpoint() -> None:
    mesh = Mesh(endpoints=2)
    mesh.send(b"a")
    mesh.sockets(1)[0].failing = errno.ECONNREFUSED
    mesh.send(b"b")
    one, other = mesh.sockets(2)
    assert ([data for data, _ in one.sent], [data for data, _ in other.sent]) == ([b"a"], [b"b"])
    assert [(each.reason, each.cut, each.endpoint) for each in mesh.records] == [("upstream_refused", "", "dns-1")]
    mesh.listener.close()
    mesh.nothing_is_left()


def test_the_next_datagram_after_a_refusal_goes_elsewhere_whoever_has_called_meanwhile() -> None:
    mesh = Mesh(endpoints=2)
    mesh.send(b"a")
    mesh.send(b"b", sender=("127.0.0.1", 50_001))
    one, _ = mesh.sockets(2)
    mesh.answer(one, b"answer", errno.ECONNREFUSED)
    assert [(each.reason, each.cut) for each in mesh.records] == [("", "upstream_cut")]
    mesh.send(b"c")
    assert [address for address, _ in mesh.listener.made] == [*mesh.addresses, mesh.addresses[1]]


def test_an_endpoint_that_does_not_listen_is_passed_over_with_the_same_datagram() -> None:
    mesh = Mesh(endpoints=2)
    mesh.listener.unwilling[mesh.addresses[0]] = errno.ECONNREFUSED
    mesh.send(b"a")
    one, other = mesh.sockets(2)
    assert (one.closed, other.closed, other.sent) == (True, False, [(b"a", None)])
    mesh.listener.unwilling[mesh.addresses[1]] = errno.ECONNREFUSED
    mesh.send(b"b", sender=("127.0.0.1", 50_001))
    (record,) = mesh.records
    assert (record.reason, record.tries, mesh.counters.retries) == ("upstream_refused", 2, 1)


def test_without_descriptors_nothing_else_is_tried() -> None:
    mesh = Mesh(endpoints=2)
    mesh.listener.unwilling = dict.fromkeys(mesh.addresses, errno.EMFILE)
    mesh.send(b"a")
    assert [(each.reason, each.tries) for each in mesh.records] == [("out_of_descriptors", 1)]
    mesh.nothing_is_left()


def test_an_error_of_the_bound_socket_stops_nobody() -> None:
    mesh = Mesh()
    mesh.bound.waiting.append(errno.ECONNRESET)
    mesh.send(b"a")
    assert mesh.sockets(1)[0].sent == [(b"a", None)]


def test_above_the_limit_what_is_new_is_dropped() -> None:
    mesh = Mesh(connections=1)
    mesh.send(b"a")
    mesh.send(b"b", sender=("127.0.0.1", 50_001))
    assert [(each.reason, each.client) for each in mesh.records] == [("overloaded", "127.0.0.1:50001")]
    assert (mesh.counters.classes[5], mesh.counters.active) == (1, 1)
    mesh.pass_time(IDLE + 2 * TICK)
    mesh.send(b"c", sender=("127.0.0.1", 50_001))
    assert len(mesh.sockets(2)) == 2


def test_an_endpoint_that_leaves_is_active_while_it_owes_an_answer_and_not_for_long() -> None:
    mesh = Mesh(endpoints=1)
    mesh.send(b"a")
    assert mesh.upstream.active("dns-1") == 1
    mesh.leave(0)
    assert mesh.upstream.busy
    mesh.pass_time(LAST_WORD + 2 * TICK)
    assert not mesh.upstream.busy
    assert [each.detail for each in mesh.records] == ["its endpoint left; datagrams: 1 in, 0 out, 0 lost"]
    mesh.nothing_is_left()


def test_an_answer_of_the_endpoint_that_leaves_passes_also_when_the_caller_goes_on() -> None:
    mesh = Mesh(endpoints=2)
    mesh.send(b"a", sender=("127.0.0.1", 50_001))
    mesh.send(b"b")
    mesh.leave(1)
    mesh.send(b"c")
    _, leaving, other = mesh.sockets(3)
    assert (leaving.sent, other.sent) == ([(b"b", None)], [(b"c", None)])
    mesh.answer(leaving, b"B")
    mesh.answer(other, b"C")
    assert mesh.bound.sent == [(b"B", WEB), (b"C", WEB)]
    assert mesh.listener.connections == 3
    mesh.pass_time(LAST_WORD + 2 * TICK)
    assert mesh.listener.connections == 2
    mesh.send(b"d")
    assert other.sent[-1] == (b"d", None)
    mesh.pass_time(IDLE + 2 * TICK)
    mesh.nothing_is_left()


def test_who_never_gets_an_answer_keeps_nobody_waiting() -> None:
    """A log collector or a counter of events says nothing."""
    mesh = Mesh()
    mesh.send(b"event")
    assert mesh.listener.busy(0.0)
    mesh.pass_time(LAST_WORD + TICK)
    assert not mesh.listener.busy(0.0)
    assert mesh.listener.cut_busy() == 0


def test_a_frozen_listener_leaves_datagrams_in_the_socket() -> None:
    mesh = Mesh()
    mesh.listener.freeze()
    assert mesh.loop.readers == {}
    mesh.listener.thaw()
    mesh.send(b"a")
    assert mesh.sockets(1)[0].sent == [(b"a", None)]


def test_nothing_that_needs_collecting_is_left() -> None:
    mesh = Mesh(endpoints=2)
    gc.collect()
    gc.disable()
    try:
        for port in range(1, 100):
            mesh.send(b"a", sender=("127.0.0.1", port))
        mesh.pass_time(IDLE + 2 * TICK)
        mesh.listener.made.clear()
        assert not any(isinstance(each, Flow) for each in gc.get_objects())
    finally:
        gc.enable()
    mesh.nothing_is_left()
