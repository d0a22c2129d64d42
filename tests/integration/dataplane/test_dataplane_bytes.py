"""Connections whose bytes are passed on as they are: both directions, their ends, their limits and their records."""

import asyncio
import random
import socket
import ssl
from dataclasses import replace
from math import inf

import pytest

from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind
from minimesh.telemetry.accesslog import fault_of
from minimesh.telemetry.counters import RouteCounters
from tests.integration.dataplane.stage import ANY_PORT, FASTEST, OUTBOUND, TRUST_DOMAIN, Stage, until
from tests.integration.dataplane.wire import Peer, Service, Short

pytestmark = pytest.mark.anyio

TCP = "gateway:0"
SILENT = Timeouts(idle=inf)
MUCH = random.Random(3).randbytes(4 * 1024 * 1024)


def carry(
    stage: Stage,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    timeouts: Timeouts = SILENT,
    sni: str | None = None,
) -> None:
    """From now on `web` calls `api` in bytes, and so does the world, at the gateway's port TCP."""
    old = stage.snapshot
    web = replace(old.listeners[OUTBOUND], opaque=True, limits=limits)
    routes = (Route("api", host=sni),)
    gateway = Listener(ListenerKind.GATEWAY, ANY_PORT, Identity(TRUST_DOMAIN, "gateway"), routes, limits, opaque=True)
    upstreams = {"api": replace(old.upstreams["api"], timeouts=timeouts)}
    stage.apply(replace(old, generation=2, listeners={OUTBOUND: web, TCP: gateway}, upstreams=upstreams))


async def joined(stage: Stage) -> tuple[Peer, Peer]:
    caller = await stage.call(OUTBOUND)
    return caller, await stage.service.accept()


def counters(stage: Stage) -> RouteCounters:
    return next(each for each in stage.telemetry.counters.all() if each.key.route == "tcp" and each.requests)


async def ends(peer: Peer) -> Short:
    with pytest.raises(Short) as caught:
        await peer.exactly(1)
    return caught.value


async def test_whoever_speaks_first_is_heard(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    await service.send(b"220 hello\r\n")
    assert await caller.exactly(11) == b"220 hello\r\n"
    await caller.send(b"GET / HTTP/1.1\r\n\0\xff")
    assert await service.exactly(18) == b"GET / HTTP/1.1\r\n\0\xff"


async def test_an_end_is_passed_on_and_the_other_direction_goes_on(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    await caller.send(b"ping")
    caller.finish()
    assert await service.rest() == b"ping"
    await service.send(b"pong")
    assert await caller.exactly(4) == b"pong"
    service.finish()
    assert await caller.rest() == b""
    record = await stage.record()
    assert (record.bytes_in, record.bytes_out, record.cut, record.reason, record.status) == (4, 4, "", "", 0)
    assert (record.source, record.destination, record.route, record.protocol) == ("web", "api", "tcp", "tcp")
    assert (record.endpoint, record.tries) == ("api/1", 1)
    assert counters(stage).classes[1] == 1
    assert fault_of(record) is None


async def test_the_services_end_is_passed_on_first(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    service.finish()
    assert await caller.rest() == b""
    await caller.send(b"more")
    assert await service.exactly(4) == b"more"
    caller.finish()
    assert await service.rest() == b""
    assert (await stage.record()).cut == ""


async def test_a_caller_that_sends_all_and_shuts_at_once(stage: Stage) -> None:
    carry(stage)
    caller = await stage.call(OUTBOUND)
    caller.send_now(b"all of it")
    caller.finish()
    service = await stage.service.accept()
    assert await service.rest() == b"all of it"
    await service.send(b"answer")
    service.finish()
    assert await caller.rest() == b"answer"


@pytest.mark.parametrize("who", ["caller", "service"])
async def test_a_reset_is_passed_on_as_a_reset(stage: Stage, who: str) -> None:
    carry(stage)
    caller, service = await joined(stage)
    await caller.send(b"x")
    await service.exactly(1)
    first, other = (caller, service) if who == "caller" else (service, caller)
    first.reset()
    assert (await ends(other)).reset
    record = await stage.record()
    assert (record.cut, record.bytes_in) == ("client_gone" if who == "caller" else "upstream_cut", 1)


async def test_a_reset_after_the_other_side_has_ended_is_passed_on_but_nobodys_fault(stage: Stage) -> None:
    """A program that leaves without having read its client's TLS close_notify does that."""
    carry(stage)
    caller, service = await joined(stage)
    caller.finish()
    assert await service.rest() == b""
    service.reset()
    assert (await ends(caller)).reset
    record = await stage.record()
    assert (record.cut, record.detail) == ("", "the service reset the connection after the caller had ended it")


async def test_much_passes_whole_both_ways_at_once(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    for peer in (caller, service):
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)

    async def send(peer: Peer) -> None:
        await peer.send(MUCH)
        peer.finish()

    _, _, up, down = await asyncio.gather(send(caller), send(service), service.rest(), caller.rest())
    assert up == MUCH
    assert down == MUCH
    record = await stage.record()
    assert (record.bytes_in, record.bytes_out) == (len(MUCH), len(MUCH))


async def test_who_does_not_read_holds_back_who_sends(stage: Stage) -> None:
    carry(stage)
    stage.shrink_send_buffers()
    caller = await stage.call(OUTBOUND, receive_buffer=4096)
    service = await stage.service.accept()
    service.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    sent = 0
    last = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - last < 0.3:
        try:
            sent += service.socket.send(MUCH[:65536])
            last = asyncio.get_running_loop().time()
        except BlockingIOError:
            await asyncio.sleep(0.01)
        assert sent < 16 * len(MUCH), "the mesh takes without end, and no kernel does"
    service.finish()
    assert len(await caller.rest()) == sent


async def test_bytes_are_counted_while_the_connection_lives(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    await caller.send(b"ping")
    await service.exactly(4)
    assert (counters(stage).bytes_in, counters(stage).active) == (4, 1)
    assert stage.plane.statistics().upstreams["api"]["api/1"].active == 1
    assert stage.plane.statistics().listeners[OUTBOUND].connections == 1


async def test_a_refused_connection_is_a_reset_with_a_reason(stage: Stage) -> None:
    carry(stage)
    stage.service.close()
    caller = await stage.call(OUTBOUND)
    assert (await ends(caller)).reset
    record = await stage.record()
    assert (record.reason, record.status, record.tries) == ("upstream_refused", 0, 1)
    assert str(fault_of(record)) == "app"
    assert counters(stage).classes[5] == 1


async def test_another_endpoint_takes_what_one_refuses(bare: Stage) -> None:
    bare.open(endpoints=2)
    carry(bare)
    bare.services[0].close()
    for number in (1, 2):
        caller = await bare.call(OUTBOUND)
        service = await bare.services[1].accept()
        await caller.send(b"x")
        assert await service.exactly(1) == b"x"
        caller.close()
        service.close()
        assert (await bare.record(number)).endpoint == "api/2"
    assert sorted(record.tries for record in bare.records) == [2, 2]


async def test_a_service_without_an_endpoint(stage: Stage) -> None:
    carry(stage)
    stage.keep_endpoints(())
    caller = await stage.call(OUTBOUND)
    assert (await ends(caller)).reset
    assert (await stage.record()).reason == "no_endpoint"


@FASTEST
async def test_a_service_that_does_not_accept_in_time(stage: Stage) -> None:
    carry(stage, timeouts=Timeouts(connect=0.2, idle=inf))
    full = Service(backlog=0)
    stage.serve_at(full)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", full.port))
    caller = await stage.call(OUTBOUND)
    assert (await ends(caller)).reset
    assert (await stage.record()).reason == "connect_timeout"
    for each in waiting:
        each.close()


@FASTEST
async def test_silence_ends_only_where_it_has_a_limit(stage: Stage) -> None:
    carry(stage, timeouts=Timeouts(idle=0.3))
    caller, service = await joined(stage)
    for _ in range(3):
        await asyncio.sleep(0.2)
        await caller.send(b"x")
        await service.exactly(1)
    assert (await ends(caller)).reset
    assert (await ends(service)).reset
    record = await stage.record()
    assert (record.cut, record.detail, record.bytes_in) == ("idle", "not a byte for 0.3 s", 3)
    assert str(fault_of(record)) == "client"


async def test_no_more_connections_than_the_limit(stage: Stage) -> None:
    carry(stage, limits=Limits(connections=2))
    first, service = await joined(stage)
    await joined(stage)
    await stage.call(OUTBOUND)
    await until(lambda: stage.plane.full() == {OUTBOUND}, "the listener is full")
    assert await stage.service.silent()
    first.close()
    assert await service.rest() == b""
    service.close()
    await stage.service.accept()


async def test_what_outlives_a_drain_is_cut_and_counted(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    assert await stage.plane.drain(0.05) == 1
    assert (await ends(caller)).reset
    assert (await ends(service)).reset
    record = await stage.record()
    assert (record.cut, record.detail) == ("stopped", "the mesh stopped")
    assert counters(stage).reasons == {"stopped": 1}


async def test_a_frozen_listener_leaves_connections_for_who_comes_next(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    stage.plane.freeze()
    await stage.call(OUTBOUND)
    assert await stage.service.silent()
    assert not stage.plane.busy(-inf)
    await caller.send(b"still")
    assert await service.exactly(5) == b"still"
    stage.plane.thaw()
    await stage.service.accept()
    assert stage.plane.cut_busy() == 2
    assert (await ends(caller)).reset


async def test_tunnels_outlive_a_change_of_what_the_service_speaks(stage: Stage) -> None:
    carry(stage)
    caller, service = await joined(stage)
    old = stage.snapshot
    web = replace(old.listeners[OUTBOUND], opaque=False)
    stage.apply(replace(old, generation=3, listeners={OUTBOUND: web}))
    await caller.send(b"on")
    assert await service.exactly(2) == b"on"
    asks = await stage.call(OUTBOUND)
    await asks.send(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
    assert (await (await stage.service.accept()).head()).line == b"GET / HTTP/1.1"


async def test_a_listener_changes_kind_at_its_address(stage: Stage) -> None:
    """Without the port being free in between: nobody else can take it."""
    host, port = stage.plane.address(OUTBOUND)
    old = stage.snapshot
    fixed = replace(old.listeners[OUTBOUND], address=replace(ANY_PORT, port=port))
    stage.apply(replace(old, generation=2, listeners={}))
    stage.apply(replace(old, generation=3, listeners={OUTBOUND: fixed}))
    carry(stage)
    assert stage.plane.address(OUTBOUND) == (host, port)
    caller, service = await joined(stage)
    await service.send(b"hi")
    assert await caller.exactly(2) == b"hi"


async def test_the_address_of_a_service_that_is_gone_in_mid_stream(stage: Stage) -> None:
    """Endpoints that are taken away keep the connections that they have."""
    carry(stage)
    caller, service = await joined(stage)
    stage.keep_endpoints((Endpoint("api/other", (ANY_PORT,)),))
    await caller.send(b"on")
    assert await service.exactly(2) == b"on"
    assert stage.plane.active("api", "api/1") == 1


# --- by the server name that TLS asks for --------------------------------------------------------------------------


def hello(name: str | None) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


@pytest.mark.parametrize("sni", ["api.test", "*.test"])
async def test_tls_goes_where_its_name_leads_as_it_came(stage: Stage, sni: str) -> None:
    carry(stage, sni=sni)
    data = hello("api.test")
    caller = await stage.call(TCP)
    await caller.send(data[:100])
    assert await stage.service.silent()
    await caller.send(data[100:] + b"early")
    service = await stage.service.accept()
    assert await service.exactly(len(data) + 5) == data + b"early"
    caller.finish()
    await service.rest()
    service.finish()
    record = await stage.record()
    assert (record.source, record.destination, record.host) == ("gateway", "api", "api.test")
    assert record.bytes_in == len(data) + 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hello("other.test"), "no_route"),
        (hello(None), "no_route"),
        (b"GET / HTTP/1.1\r\n\r\n", "not_tls"),
        (b"", "not_tls"),
    ],
)
async def test_what_has_no_name_that_is_known_is_reset_with_a_reason(stage: Stage, data: bytes, reason: str) -> None:
    carry(stage, sni="api.test")
    caller = await stage.call(TCP)
    await caller.send(data)
    caller.finish()
    assert (await ends(caller)).reset
    record = await stage.record()
    assert (record.reason, record.destination, record.listener) == (reason, "", TCP)


@FASTEST
async def test_a_hello_does_not_take_for_ever(stage: Stage) -> None:
    carry(stage, sni="api.test", limits=Limits(head=0.2))
    caller = await stage.call(TCP)
    await caller.send(hello("api.test")[:50])
    assert (await ends(caller)).reset
    assert (await stage.record()).reason == "client_timeout"


async def test_an_entry_without_a_name_takes_what_is_left_on_the_port(stage: Stage) -> None:
    carry(stage, sni="api.test")
    old = stage.snapshot
    routes = (Route("api", host="nobody.test"), Route("api"))
    stage.apply(
        replace(old, generation=3, listeners={**old.listeners, TCP: replace(old.listeners[TCP], routes=routes)})
    )
    caller = await stage.call(TCP)
    await caller.send(b"plain")
    assert await (await stage.service.accept()).exactly(5) == b"plain"
