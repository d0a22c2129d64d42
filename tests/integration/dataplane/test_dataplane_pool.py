"""Connections to endpoints: kept, shared, found closed, refused; and which endpoint is asked."""

import asyncio
import socket

import pytest

from minimesh.model.service import Timeouts
from tests.integration.dataplane.stage import EACH_CODEC, Stage, until
from tests.integration.dataplane.wire import Peer, Service, quickest

pytestmark = [pytest.mark.anyio, EACH_CODEC]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request(method: bytes = b"GET", body: bytes = b"") -> bytes:
    return method + b" / HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def answered(caller: Peer, service: Peer, request: bytes) -> None:
    await caller.send(request)
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


async def kept(stage: Stage, number: int) -> tuple[list[Peer], list[Peer]]:
    """Callers, and as many idle connections to the service."""
    callers = [await stage.call() for _ in range(number)]
    services: list[Peer] = []
    for caller in callers:
        await caller.send(request())
        services.append(await stage.service.accept())
        await services[-1].head()
    for caller, service in zip(callers, services, strict=True):
        await service.send(OK)
        await caller.answer()
    assert stage.idle == number
    return callers, services


async def test_one_connection_serves_one_caller_after_the_other(stage: Stage) -> None:
    (first,), (service,) = await kept(stage, 1)
    second = await stage.call()
    for caller in (first, second, first, second):
        await answered(caller, service, request())
    assert stage.idle == 1
    assert await stage.service.silent()


async def test_the_connection_used_last_is_used_next(stage: Stage) -> None:
    callers, services = await kept(stage, 3)
    for _ in range(3):
        await answered(callers[0], services[2], request())


async def test_the_callers_connection_survives_the_services(stage: Stage) -> None:
    caller = await stage.call()
    for _ in range(3):
        await caller.send(request())
        service = await stage.service.accept()
        await service.head()
        await service.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        answer = await caller.answer()
        assert (answer.body, answer.head.get(b"connection")) == (b"ok", None)
        await service.closed()


@pytest.mark.parametrize("fields", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: Close\r\n"])
async def test_what_will_not_be_kept_is_not_reused(stage: Stage, fields: bytes) -> None:
    caller, service = await stage.conversation(request())
    await service.head()
    await service.send(fields + b"Content-Length: 2\r\n\r\nok")
    await caller.answer()
    assert stage.idle == 0
    await caller.send(request())
    again = await stage.service.accept()
    await again.head()
    await again.send(OK)
    await caller.answer()


async def test_http_1_0_keep_alive_of_the_service_is_kept(stage: Stage) -> None:
    caller, service = await stage.conversation(request())
    await service.head()
    await service.send(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    await caller.answer()
    await answered(caller, service, request())


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"POST", b"PATCH"])
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_close_that_was_seen_costs_nobody_anything(stage: Stage, method: bytes, reset: bool) -> None:
    (caller,), (service,) = await kept(stage, 1)
    service.reset() if reset else service.close()
    await until(lambda: stage.idle == 0)
    await caller.send(request(method, b"abc"))
    again = await stage.service.accept()
    assert (await again.request())[1] == b"abc"
    await again.send(OK)
    assert (await caller.answer(method)).status == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"POST", b"PATCH"])
@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize("order", ["request first", "close first"])
async def test_a_close_that_crosses_the_request_costs_nobody_anything(
    stage: Stage, method: bytes, number: int, order: str
) -> None:
    """Both are there when the loop next looks, in either order; and all kept connections close at once."""
    callers, services = await kept(stage, number)
    if order == "request first":
        callers[0].send_now(request(method, b"abc"))
    for service in services:
        service.finish()
    if order == "close first":
        callers[0].send_now(request(method, b"abc"))
    again = await stage.service.accept()
    assert (await again.request())[1] == b"abc"
    await again.send(OK)
    assert (await callers[0].answer(method)).status == 200
    record = await stage.record(number + 1)
    assert (record.tries, record.reason, record.cut) == (1, "", "")


@pytest.mark.parametrize(
    ("method", "sent_again"), [(b"GET", True), (b"PUT", True), (b"POST", False), (b"PATCH", False)]
)
async def test_a_kept_connection_that_closes_on_the_request(stage: Stage, method: bytes, sent_again: bool) -> None:
    """The service has read it, and nobody knows what it did: only what may be done twice is sent again."""
    (caller,), (service,) = await kept(stage, 1)
    await caller.send(request(method, b"abc"))
    await service.request()
    service.close()
    if sent_again:
        again = await stage.service.accept()
        assert (await again.request())[1] == b"abc"
        await again.send(OK)
        assert (await caller.answer()).status == 200
    else:
        assert (await caller.answer()).reason == "upstream_reset"
        assert await stage.service.silent()


async def test_when_one_kept_connection_after_the_other_closes_a_fresh_one_is_made(stage: Stage) -> None:
    callers, services = await kept(stage, 5)
    await callers[0].send(request())
    for closing in (services[4], services[3]):
        await closing.head()
        closing.close()
    fresh = await stage.service.accept()
    await fresh.head()
    await fresh.send(OK)
    assert (await callers[0].answer()).status == 200
    assert (await stage.record(6)).tries == 1


async def test_a_request_is_sent_again_over_one_fresh_connection_only(stage: Stage) -> None:
    (caller,), (service,) = await kept(stage, 1)
    await caller.send(request())
    await service.head()
    service.close()
    again = await stage.service.accept()
    await again.head()
    again.close()
    assert (await caller.answer()).reason == "upstream_reset"
    assert await stage.service.silent()


async def test_a_body_too_long_to_keep_is_sent_once(stage: Stage) -> None:
    (caller,), (service,) = await kept(stage, 1)
    await caller.send(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100_000)
    await service.head()
    await service.exactly(100_000)
    service.close()
    assert (await caller.answer()).reason == "upstream_reset"
    assert await stage.service.silent()


async def test_the_services_own_keep_alive_limit_is_respected(stage: Stage) -> None:
    """A second before it is up, so that requests and close do not cross."""
    caller, service = await stage.conversation(request())
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 2\r\n\r\nok")
    await caller.answer()
    await service.closed()
    assert stage.idle == 0


# --- endpoints -------------------------------------------------------------------------------------------------


async def test_endpoints_take_turns(bare: Stage) -> None:
    bare.open(endpoints=3)
    caller = await bare.call()
    peers: list[Peer] = []
    for number in range(9):
        await caller.send(request())
        if number < 3:
            peers.append(await bare.services[number].accept())
        await peers[number % 3].head()
        await peers[number % 3].send(OK)
        await caller.answer()
    assert [record.endpoint for record in bare.records] == ["api/1", "api/2", "api/3"] * 3


async def test_a_refused_endpoint_is_passed_over(bare: Stage) -> None:
    bare.open(endpoints=2)
    bare.services[0].close()
    async with bare.services[1].serving(OK):
        caller = await bare.call()
        for _ in range(6):
            assert (await caller.ask(request(b"POST", b"abc"))).status == 200
    assert {record.endpoint for record in bare.records} == {"api/2"}
    assert max(record.tries for record in bare.records) == 2


async def test_refused_is_503_at_once(stage: Stage) -> None:
    stage.service.close()
    caller = await stage.call()
    for method in (b"GET", b"POST"):

        async def once(method: bytes = method) -> float:
            started = stage.loop.time()
            answer = await caller.ask(request(method, b"abc"))
            took: float = stage.loop.time() - started
            assert (answer.status, answer.reason) == (503, "upstream_refused")
            assert b'"fault": "app"' in answer.body
            return took

        assert await quickest(once, 0.1) < 0.1
    record = await stage.record()
    assert (record.status, record.reason, record.endpoint, record.tries) == (503, "upstream_refused", "api/1", 2)


async def test_no_endpoint_is_503(stage: Stage) -> None:
    stage.serve_at()
    caller = await stage.call()
    answer = await caller.ask(request())
    assert (answer.status, answer.reason) == (503, "no_endpoint")
    assert (await stage.record()).tries == 0


@pytest.fixture
def black_hole() -> object:
    """A port whose queue of connections is full: the kernel drops who knocks, as a firewall would."""
    service = Service(backlog=0)
    waiting = []
    for _ in range(4):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", service.port))
        waiting.append(connection)
    yield service
    for connection in waiting:
        connection.close()
    service.close()


async def test_a_black_hole_is_504_at_the_connect_limit(bare: Stage, black_hole: Service) -> None:
    bare.open(ports=(black_hole.port,), timeouts=Timeouts(connect=0.2))
    caller = await bare.call()

    async def once() -> float:
        started = bare.loop.time()
        answer = await caller.ask(request())
        took: float = bare.loop.time() - started
        assert (answer.status, answer.reason) == (504, "connect_timeout")
        return took

    assert 0.15 < await quickest(once, 0.38) < 0.38
    record = await bare.record()
    assert (record.reason, record.tries) == ("connect_timeout", 1)


async def test_from_a_black_hole_to_another_endpoint(bare: Stage, black_hole: Service) -> None:
    with_service = Service()
    bare.open(ports=(black_hole.port, with_service.port), timeouts=Timeouts(connect=0.1))
    bare.services.append(with_service)
    async with with_service.serving(OK):
        assert (await (await bare.call()).ask(request())).status == 200
    assert (await bare.record()).tries == 2


async def test_a_caller_that_leaves_while_its_connection_is_dialled(bare: Stage, black_hole: Service) -> None:
    bare.open(ports=(black_hole.port,), timeouts=Timeouts(connect=0.2))
    caller = await bare.call()
    await caller.send(request())
    await until(lambda: bare.open_connections == 2)
    caller.reset()
    record = await bare.record()
    assert (record.status, record.cut) == (0, "client_gone")
    await until(lambda: bare.open_connections == 0)


# --- snapshots -------------------------------------------------------------------------------------------------


async def test_a_running_exchange_ends_where_it_began(stage: Stage) -> None:
    caller, old = await stage.conversation(request())
    await old.head()
    new = Service()
    stage.serve_at(new)
    await old.send(OK)
    assert (await caller.answer()).body == b"ok"
    await old.closed()
    await caller.send(request())
    peer = await new.accept()
    await peer.head()
    await peer.send(OK)
    assert (await caller.answer()).body == b"ok"


async def test_idle_connections_to_a_gone_endpoint_close_and_others_stay(bare: Stage) -> None:
    bare.open(endpoints=2)
    caller = await bare.call()
    peers = []
    for service in bare.services:
        await caller.send(request())
        peers.append(await service.accept())
        await peers[-1].head()
        await peers[-1].send(OK)
        await caller.answer()
    gone, stays = bare.services
    endpoints = bare.snapshot.upstreams["api"].endpoints
    bare.keep_endpoints(endpoints[1:])
    await peers[0].closed()
    await answered(caller, peers[1], request())
    assert await stays.silent()
    assert await gone.silent()


async def test_a_hundred_callers_at_once_share_what_is_free(stage: Stage) -> None:
    async with stage.service.serving(OK):

        async def converse() -> None:
            caller = await stage.call()
            for _ in range(5):
                assert (await caller.ask(request(b"POST", b"abc"))).body == b"ok"

        await asyncio.gather(*(converse() for _ in range(100)))
    assert len(stage.services[0].peers) <= 100
    assert {(record.status, record.cut) for record in stage.records} == {(200, "")}


async def test_a_service_that_takes_few_at_once_is_served_by_what_becomes_free(stage: Stage) -> None:
    """Python's own servers let five wait. A SYN that finds no place comes again after a second: too late."""
    service = Service(backlog=1)
    stage.services.append(service)
    stage.open(ports=(service.port,), timeouts=Timeouts(connect=0.9))
    callers = [await stage.call() for _ in range(24)]
    async with service.serving(OK):
        for caller in callers:
            await caller.send(request())
        assert [(await caller.answer()).status for caller in callers] == [200] * len(callers)
