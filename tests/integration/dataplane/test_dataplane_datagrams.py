"""Datagrams through the mesh: both directions, many callers, endpoints that go away, limits and records."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from minimesh.dataplane import DataPlane, Open, OpenListener
from minimesh.model.address import Address
from minimesh.model.clock import SystemClock
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.record import Record
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind, Snapshot, Upstream
from minimesh.telemetry import Telemetry
from minimesh.telemetry.accesslog import fault_of
from tests.integration.dataplane.stage import ANY_PORT, EACH_CODEC, OUTBOUND, TRUST_DOMAIN, Stage, until
from tests.integration.dataplane.wire import PATIENCE
from tests.processes import free_port

pytestmark = [pytest.mark.anyio, EACH_CODEC]

LARGEST = 65_507


class Echo:
    """Answers each datagram with its own name and the datagram, or keeps it to itself while it is `silent`. On a socket
    of its own, since asyncio sends no empty datagrams."""

    def __init__(self, name: bytes, host: str) -> None:
        self.name = name
        self.silent = False
        self.got: list[bytes] = []
        self.callers: list[tuple[str, int]] = []
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        asyncio.get_running_loop().add_reader(self.socket, self._arrived)

    def _arrived(self) -> None:
        data, caller = self.socket.recvfrom(LARGEST)
        self.got.append(data)
        self.callers.append(caller)
        if not self.silent:
            self.say(self.name + data, caller)

    def say(self, data: bytes, caller: tuple[str, int]) -> None:
        self.socket.sendto(data, caller)

    def close(self) -> None:
        if self.socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self.socket)
            self.socket.close()


class Caller:
    """A socket of its own, and so a flow of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.name = "{}:{}".format(*self.socket.getsockname())

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.stage.plane.address(OUTBOUND))

    async def receive(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.get_running_loop().sock_recv(self.socket, LARGEST)

    async def ask(self, data: bytes) -> bytes:
        self.send(data)
        return await self.receive()


class Datagrams:
    """`web` calls `api` in datagrams; `endpoints` are replaced by `serve_at`."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.callers: list[Caller] = []
        self.echoes: list[Echo] = []

    def open(
        self,
        *endpoints: Endpoint,
        timeouts: Timeouts = Timeouts(idle=60.0),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        web = Listener(
            ListenerKind.OUTBOUND,
            ANY_PORT,
            Identity(TRUST_DOMAIN, "web"),
            (Route("api"),),
            limits,
            opaque=True,
            datagrams=True,
        )
        api = Upstream(Identity(TRUST_DOMAIN, "api"), endpoints, timeouts)
        self.stage.apply(Snapshot(1, listeners={OUTBOUND: web}, upstreams={"api": api}))

    def echo(self, name: bytes = b"", host: str = "127.0.0.1") -> Echo:
        made = Echo(name, host)
        self.echoes.append(made)
        return made

    def caller(self) -> Caller:
        made = Caller(self.stage)
        self.callers.append(made)
        return made

    @property
    def flows(self) -> int:
        return self.stage.plane.statistics().listeners[OUTBOUND].connections

    async def end(self) -> None:
        upstreams = {"api": replace(self.stage.snapshot.upstreams["api"], endpoints=())}
        self.stage.apply(Snapshot(99, upstreams=upstreams))
        for caller in self.callers:
            caller.socket.close()
        for each in self.echoes:
            each.close()
        await asyncio.sleep(0)


def at(*echoes: Echo) -> list[Endpoint]:
    return [Endpoint(f"api/{n}", (Address(*each.address),)) for n, each in enumerate(echoes, 1)]


def address_of(address: Address) -> tuple[str, int]:
    return address.host, address.port


def nobody() -> Address:
    """A port that nobody listens on, just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return Address(*taken.getsockname())


@pytest.fixture
async def udp(bare: Stage) -> AsyncIterator[Datagrams]:
    made = Datagrams(bare)
    yield made
    await made.end()


async def last(udp: Datagrams, number: int = 1) -> Record:
    return await udp.stage.record(number)


@pytest.mark.parametrize("size", [0, 1, 1500, LARGEST])
async def test_a_datagram_and_its_answer_pass_whole(udp: Datagrams, size: int) -> None:
    udp.open(*at(udp.echo()))
    data = os.urandom(size)
    assert await udp.caller().ask(data) == data


async def test_an_endpoint_may_send_on_its_own_and_each_caller_gets_what_is_his(udp: Datagrams) -> None:
    service = udp.echo()
    udp.open(*at(service))
    first, second = udp.caller(), udp.caller()
    assert (await first.ask(b"1"), await second.ask(b"2")) == (b"1", b"2")
    one, two = service.callers
    assert one != two
    service.say(b"news for one", one)
    service.say(b"news for two", two)
    assert (await second.receive(), await first.receive()) == (b"news for two", b"news for one")
    assert udp.flows == 2


async def test_a_caller_stays_with_its_endpoint_and_the_next_one_gets_another(udp: Datagrams) -> None:
    udp.open(*at(udp.echo(b"a"), udp.echo(b"b")))
    callers = [udp.caller() for _ in range(4)]
    first = [await each.ask(b"") for each in callers]
    assert sorted(first) == [b"a", b"a", b"b", b"b"]
    assert [await each.ask(b"") for each in callers] == first


async def test_fifty_callers_ask_at_once(udp: Datagrams) -> None:
    """As with DNS: each asks for two things at once and knows the answers by their number."""
    udp.open(*at(udp.echo(), udp.echo()))

    async def resolve(caller: Caller, number: int) -> None:
        for name in range(20):
            asked = {b"%d/%d/A" % (number, name), b"%d/%d/AAAA" % (number, name)}
            for each in asked:
                caller.send(each)
            assert {await caller.receive() for _ in asked} == asked

    await asyncio.gather(*(resolve(udp.caller(), number) for number in range(50)))
    assert udp.flows == 50


async def test_an_idle_flow_leaves_one_record(udp: Datagrams) -> None:
    udp.open(*at(udp.echo(b"!")), timeouts=Timeouts(idle=0.3))
    caller = udp.caller()
    await caller.ask(b"abc")
    await caller.ask(b"de")
    record = await last(udp)
    assert (record.source, record.destination, record.route, record.protocol) == ("web", "api", "udp", "udp")
    assert (record.bytes_in, record.bytes_out, record.tries, record.endpoint) == (5, 7, 1, "api/1")
    assert (record.status, record.reason, record.cut, record.client) == (0, "", "", caller.name)
    assert record.detail == "no datagram for 0.3 s; datagrams: 2 in, 2 out, 0 lost"
    assert 0 < record.first_byte < record.duration
    assert fault_of(record) is None
    assert udp.flows == 0
    (counters,) = (each for each in udp.stage.telemetry.counters.all() if each.requests)
    assert (counters.classes[1], counters.active, counters.bytes_in, sum(counters.latency)) == (1, 0, 5, 1)
    assert await caller.ask(b"again") == b"!again"


async def test_where_nobody_listens_the_same_datagram_goes_to_another_endpoint(udp: Datagrams) -> None:
    service = udp.echo(b"b")
    udp.open(Endpoint("api/0", (nobody(),)), *at(service))
    assert [await udp.caller().ask(b"") for _ in range(4)] == [b"b"] * 4
    await udp.end()
    assert [each.tries for each in udp.stage.records] == [2] * 4
    assert {each.endpoint for each in udp.stage.records} == {"api/1"}


async def test_a_program_may_listen_on_the_other_loopback_address(udp: Datagrams) -> None:
    service = udp.echo(b"6", "::1")
    port = service.address[1]
    udp.open(Endpoint("api/1", (Address("127.0.0.1", port), Address("::1", port))))
    assert await udp.caller().ask(b"") == b"6"


async def test_an_endpoint_that_goes_away_ends_its_flows_and_another_one_takes_over(udp: Datagrams) -> None:
    one, other = udp.echo(b"1"), udp.echo(b"2")
    udp.open(*at(one, other))
    caller = udp.caller()
    assert await caller.ask(b"") == b"1"
    one.close()
    caller.send(b"lost")
    record = await last(udp)
    assert (record.cut, record.reason, record.endpoint) == ("upstream_cut", "", "api/1")
    assert "Connection refused; datagrams: 2 in, 1 out" in record.detail
    assert await caller.ask(b"") == b"2"


async def test_nobody_anywhere_is_told_in_the_record(udp: Datagrams) -> None:
    address = nobody()
    udp.open(Endpoint("api/1", (address,)))
    udp.caller().send(b"x")
    record = await last(udp)
    assert (record.reason, record.tries, record.endpoint) == ("upstream_refused", 1, "api/1")
    assert record.detail.startswith(f"send to {address}: Connection refused; ")
    assert udp.flows == 0


async def test_no_endpoint_at_all(udp: Datagrams) -> None:
    udp.open()
    udp.caller().send(b"x")
    assert (await last(udp)).reason == "no_endpoint"


async def test_above_the_limit_new_callers_are_dropped_and_counted_and_old_ones_are_not(udp: Datagrams) -> None:
    udp.open(*at(udp.echo()), limits=Limits(connections=2))
    first, second, third = udp.caller(), udp.caller(), udp.caller()
    assert (await first.ask(b"1"), await second.ask(b"2")) == (b"1", b"2")
    third.send(b"3")
    record = await last(udp)
    assert (record.reason, record.client) == ("overloaded", third.name)
    assert await first.ask(b"still") == b"still"
    assert udp.flows == 2


async def test_a_leaving_endpoint_gets_nothing_more_and_its_answers_still_pass(udp: Datagrams) -> None:
    one, other = udp.echo(b"1"), udp.echo(b"2")
    one.silent = True
    udp.open(*at(one))
    caller = udp.caller()
    caller.send(b"slow")
    await until(lambda: one.got)
    assert udp.stage.plane.active("api", "api/1") == 1, "so that its program is let answer"
    udp.stage.keep_endpoints((Endpoint("api/2", (Address(*other.address),)),))
    one.say(b"late", one.callers[0])
    assert await caller.receive() == b"late"
    assert udp.stage.plane.active("api", "api/1") == 0
    assert await caller.ask(b"") == b"2"
    assert (await last(udp)).detail == "its endpoint left; datagrams: 1 in, 1 out, 0 lost"
    assert one.got == [b"slow"]


async def test_a_flow_to_a_leaving_endpoint_is_over_soon(udp: Datagrams) -> None:
    udp.open(*at(udp.echo()))
    await udp.caller().ask(b"x")
    udp.stage.keep_endpoints(())
    assert (await last(udp)).cut == ""
    assert udp.flows == 0


async def test_a_listener_that_goes_ends_its_flows(udp: Datagrams) -> None:
    service = udp.echo()
    udp.open(*at(service))
    answered, waiting = udp.caller(), udp.caller()
    await answered.ask(b"x")
    service.silent = True
    waiting.send(b"y")
    await until(lambda: len(service.got) == 2)
    udp.stage.apply(replace(udp.stage.snapshot, generation=2, listeners={}))
    cuts = {each.client: each.cut for each in udp.stage.records}
    assert cuts == {answered.name: "", waiting.name: "stopped"}


async def test_bytes_and_datagrams_may_have_the_same_port(udp: Datagrams) -> None:
    udp.open(*at(udp.echo()))
    old = udp.stage.snapshot
    address = Address("127.0.0.1", free_port())
    web = replace(old.listeners[OUTBOUND], address=address)
    udp.stage.apply(replace(old, generation=2, listeners={OUTBOUND: web}))
    assert await udp.caller().ask(b"x") == b"x"
    web = replace(old.listeners[OUTBOUND], address=address, datagrams=False)
    udp.stage.apply(replace(old, generation=3, listeners={OUTBOUND: web}))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free, socket.create_connection(address_of(address)):
        free.bind(address_of(address))
    udp.stage.apply(replace(old, generation=4, listeners={OUTBOUND: replace(web, datagrams=True)}))
    assert await udp.caller().ask(b"y") == b"y"


async def test_the_next_image_has_the_socket_and_flows_begin_anew(udp: Datagrams) -> None:
    stage = udp.stage
    service = udp.echo()
    udp.open(*at(service))
    caller = udp.caller()
    await caller.ask(b"before")
    stage.plane.freeze()
    caller.send(b"meanwhile")
    assert not stage.plane.busy(0.0)
    assert stage.plane.cut_busy() == 0, "nobody was owed an answer"
    assert (await last(udp)).detail.startswith("the mesh was upgraded; ")
    (given,) = stage.plane.hand_over().listeners
    address = Address(*stage.plane.address(OUTBOUND))
    passed = Open((OpenListener(given.name, os.dup(given.descriptor)),))
    stage.plane.close()
    telemetry = Telemetry(SystemClock())
    new = DataPlane(stage.loop, SystemClock(), telemetry, codec=stage.plane.codec)
    listeners = {OUTBOUND: replace(stage.snapshot.listeners[OUTBOUND], address=address)}
    await new.inherit(passed, replace(stage.snapshot, listeners=listeners))
    stage.plane, stage.telemetry = new, telemetry
    assert await caller.receive() == b"meanwhile"
    assert len(set(service.callers)) == 2


async def test_an_answer_under_way_is_waited_for_before_an_upgrade(udp: Datagrams) -> None:
    service = udp.echo()
    service.silent = True
    udp.open(*at(service))
    caller = udp.caller()
    caller.send(b"x")
    await until(lambda: service.got)
    udp.stage.plane.freeze()
    assert udp.stage.plane.busy(0.0)
    service.say(b"y", service.callers[0])
    assert await caller.receive() == b"y"
    assert not udp.stage.plane.busy(0.0)
    udp.stage.plane.thaw()
