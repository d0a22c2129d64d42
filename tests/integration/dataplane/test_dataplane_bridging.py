"""Streams between every two versions of HTTP: each piece at once, trailers, interim answers, and cuts that show."""

import asyncio
from dataclasses import replace

import pytest

from minimesh.model.project import Limits
from minimesh.model.service import Protocol, Timeouts
from tests.integration.dataplane.bridges import Caller1, Caller2, Pairs, Service1, Service2, accept, call
from tests.integration.dataplane.multiplexed import Http2Peer
from tests.integration.dataplane.stage import FASTEST, Stage
from tests.integration.dataplane.tunnels import WIRE
from tests.integration.dataplane.wire import Peer

pytestmark = [pytest.mark.anyio, FASTEST]

# From HTTP/2 to HTTP/1 a service is only asked so once it has shown that it speaks nothing else.
WAYS = pytest.mark.parametrize(
    ("caller", "service"), [(1, 1), (1, 2), (2, 1), (2, 2)], ids=lambda version: f"h{version}"
)
EVENTS = (b"content-type", b"text/event-stream")
TRAILERS = ((b"x-sum", b"42"), (b"x-of", b"all"))


async def met(
    stage: Stage, caller: int, service: int, method: str = "GET", fields: Pairs = (), *, body: bool = False
) -> tuple[Caller1 | Caller2, Service1 | Service2]:
    """A caller with a request under way, and the service that has its head."""
    one = await call(stage, caller)
    await one.ask(method, "/", fields, body=body)
    if caller == 2 and service == 1:
        first = await stage.service.accept()
        await first.until(b"SM\r\n\r\n")
        await first.send(b"HTTP/1.1 400 What\r\nconnection: close\r\n\r\n")
        first.close()
    other = await accept(stage, service)
    await other.asked()
    return one, other


@WAYS
async def test_each_event_arrives_when_it_is_sent(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service)
    await other.begin(200, [EVENTS])
    status, fields = await one.head()
    assert (status, fields[b"content-type"]) == (200, b"text/event-stream")
    for number in range(3):
        event = b"data: %d\n\n" % number
        await other.send(event)
        assert await one.exactly(len(event)) == event
    await other.end()
    await one.ended()
    record = await bare.record()
    assert (record.cut, record.bytes_out) == ("", 27)


@WAYS
async def test_no_limit_but_idleness_ends_a_stream(bare: Stage, caller: int, service: int) -> None:
    bare.open(
        timeouts=Timeouts(idle=1.0), limits=replace(Limits(), head=0.2, body=0.2, idle=0.2), protocol=WIRE[service]
    )
    one, other = await met(bare, caller, service)
    await other.begin(200, [EVENTS])
    await one.head()
    for _ in range(3):
        await asyncio.sleep(0.4)
        await other.send(b":\n\n")
        assert await one.exactly(3) == b":\n\n"
    await one.is_cut()
    assert (await bare.record()).cut == "timed_out"


@WAYS
async def test_a_service_hears_at_once_that_its_caller_left(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service)
    await other.begin(200, [EVENTS])
    await one.head()
    await one.leave()
    if isinstance(other, Service1):
        await other.peer.closed()
    else:
        assert await other.peer.was_reset(other.number) == 8
    assert (await bare.record()).cut == "client_gone"


@WAYS
async def test_a_service_that_breaks_off_never_looks_done(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service)
    await other.begin(200)
    await other.send(b"half")
    await one.head()
    assert await one.exactly(4) == b"half"
    await other.leave()
    await one.is_cut()
    assert (await bare.record()).cut == "upstream_cut"


@WAYS
async def test_a_caller_that_breaks_off_never_looks_done(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service, "POST", body=True)
    await one.send(b"half")
    assert await other.exactly(4) == b"half"
    await one.leave()
    await other.is_cut()


@WAYS
async def test_both_bodies_flow_at_once_and_end_with_trailers(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service, "POST", [(b"te", b"trailers")] if caller == 2 else (), body=True)
    await other.begin(200)
    await one.head()
    for number in range(3):
        await one.send(b"%d up" % number)
        assert await other.exactly(4) == b"%d up" % number
        await other.send(b"%d down" % number)
        assert await one.exactly(6) == b"%d down" % number
    await one.end(TRAILERS)
    assert await other.ended() == dict(TRAILERS)
    await other.end(TRAILERS[:1])
    assert await one.ended() == dict(TRAILERS[:1])
    record = await bare.record()
    assert (record.cut, record.bytes_in, record.bytes_out) == ("", 12, 18)


@WAYS
async def test_early_hints_arrive_before_the_answer(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service)
    link = (b"link", b"</a.css>; rel=preload")
    for _ in range(2):
        await other.interim(103, [link])
        status, fields = await one.interim()
        assert (status, fields[b"link"]) == (103, link[1])
    await other.begin(200)
    assert (await one.head())[0] == 200
    await other.end()
    await one.ended()


@WAYS
async def test_a_caller_that_expects_is_told_to_go_on(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one = await call(bare, caller)
    await one.ask("POST", "/", [(b"expect", b"100-continue")], body=True)
    if caller == 2 and service == 1:
        first = await bare.service.accept()
        await first.until(b"SM\r\n\r\n")
        await first.send(b"HTTP/1.1 400 What\r\nconnection: close\r\n\r\n")
        first.close()
    other = await accept(bare, service)
    assert (await other.asked())[b"expect"] == b"100-continue"
    await other.interim(100)
    assert (await one.interim())[0] == 100
    await one.send(b"body")
    await one.end()
    assert await other.exactly(4) == b"body"
    await other.ended()
    await other.begin(200)
    assert (await one.head())[0] == 200
    await other.end()
    await one.ended()


@WAYS
async def test_a_caller_that_expects_may_be_refused_instead(bare: Stage, caller: int, service: int) -> None:
    bare.open(protocol=WIRE[service])
    one, other = await met(bare, caller, service, "POST", [(b"expect", b"100-continue")], body=True)
    await other.begin(413)
    await other.end()
    assert (await one.head())[0] == 413
    await one.ended()


async def test_a_body_that_ends_with_its_connection_ends_cleanly_over_http_2(bare: Stage) -> None:
    bare.open()
    one, other = await met(bare, 2, 1)
    assert isinstance(other.peer, Peer)
    await other.peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil I close")
    assert (await one.head())[0] == 200
    assert await one.exactly(13) == b"until I close"
    other.peer.finish()
    assert await one.ended() == {}


@pytest.mark.parametrize("caller", [1, 2])
async def test_a_slow_reader_holds_back_its_own_stream_alone(bare: Stage, caller: int) -> None:
    """A service on HTTP/2 with two streams on one connection, of two callers."""
    bare.open(protocol=Protocol.H2)
    slow = await call(bare, 2)
    assert isinstance(slow, Caller2)
    slow.peer.credit = False
    await slow.ask("GET", "/slow")
    service = await accept(bare, 2)
    assert isinstance(service, Service2)
    await service.asked()
    number = service.number
    quick = await call(bare, caller)
    await quick.ask("GET", "/quick")
    await service.asked()
    peer: Http2Peer = service.peer
    for stream in (number, service.number):
        await peer.answer(stream, 200)
    await slow.head()
    await quick.head()
    await peer.pour(number, b"s" * 65_535)
    for _ in range(8):
        await peer.pour(service.number, b"q" * 16_384)
        assert await quick.exactly(16_384) == b"q" * 16_384
    assert len(await slow.exactly(65_535)) == 65_535
