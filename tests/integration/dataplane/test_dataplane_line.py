"""A service that may have one exchange at a time: who waits, who is sent away, and how those fare who wait."""

import asyncio
from dataclasses import replace

import pytest

from minimesh.model.route import Route
from minimesh.model.service import Breaker
from tests.integration.dataplane.stage import EACH_CODEC, OUTBOUND, Stage, until
from tests.integration.dataplane.wire import Peer

pytestmark = [pytest.mark.anyio, EACH_CODEC]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ONE = Breaker(requests=1, waiting=1)


def get(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: api\r\n\r\n" % path.encode()


def cap(stage: Stage, breaker: Breaker | None) -> None:
    """As a reload does."""
    now = stage.snapshot
    upstreams = {"api": replace(now.upstreams["api"], breaker=breaker)}
    stage.apply(replace(now, generation=now.generation + 1, upstreams=upstreams))


async def in_line(stage: Stage, number: int) -> None:
    """So many wait."""
    upstream = stage.plane._upstreams["api"]
    await until(lambda: upstream.admission.waiting == number, f"{number} wait")


async def asks(stage: Stage, path: str) -> Peer:
    caller = await stage.call()
    await caller.send(get(path))
    return caller


async def serve(service: Peer, path: str) -> None:
    """The next request there is for this path; answer it."""
    head = await service.head()
    assert head.line == f"GET {path} HTTP/1.1".encode()
    await service.send(OK)


async def test_the_line_moves_up_on_the_same_connection(stage: Stage) -> None:
    cap(stage, ONE)
    first, service = await stage.conversation(get("/1"))
    second = await asks(stage, "/2")
    await in_line(stage, 1)
    third = await (await stage.call(OUTBOUND)).ask(get("/3"))
    assert (third.status, third.reason, third.head.get(b"retry-after")) == (503, "overloaded", b"1")
    await serve(service, "/1")
    assert (await first.answer()).body == b"ok"
    await serve(service, "/2")
    assert (await second.answer()).body == b"ok"
    assert await stage.service.silent(), "one connection was enough"
    assert sorted(record.reason for record in stage.records) == ["", "", "overloaded"]


async def test_a_caller_that_leaves_the_line_is_not_served_in_vain(stage: Stage) -> None:
    cap(stage, Breaker(1, 3))
    _, service = await stage.conversation(get("/1"))
    closes, resets, stays = [await asks(stage, f"/{number}") for number in (2, 3, 4)]
    await in_line(stage, 3)
    closes.close()
    resets.reset()
    await in_line(stage, 1)
    await serve(service, "/1")
    await serve(service, "/4")
    assert (await stays.answer()).body == b"ok"
    assert sorted((record.target, record.cut) for record in stage.records if record.cut) == [
        ("/2", "client_gone"),
        ("/3", "client_gone"),
    ]


async def test_the_deadline_passes_in_line(bare: Stage) -> None:
    bare.open(routes=(Route("api", timeout=0.2),))
    cap(bare, ONE)
    first, service = await bare.conversation(get("/1"), OUTBOUND)
    late = await (await bare.call()).ask(get("/2"))
    assert (late.status, late.reason) == (504, "timeout")
    await serve(service, "/1")
    assert (await first.answer()).body == b"ok"
    third = await asks(bare, "/3")
    await serve(service, "/3")
    assert (await third.answer()).body == b"ok"


async def test_a_body_waits_with_its_request(stage: Stage) -> None:
    cap(stage, ONE)
    _, service = await stage.conversation(get("/1"))
    second = await stage.call()
    body = bytes(4 * 1024 * 1024)
    await second.send(b"POST /2 HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % len(body))
    await in_line(stage, 1)
    sending = asyncio.ensure_future(second.send(body))
    await serve(service, "/1")
    head, got = await service.request()
    assert (head.line, len(got)) == (b"POST /2 HTTP/1.1", len(body))
    await sending
    await service.send(OK)
    assert (await second.answer()).body == b"ok"


async def test_other_numbers_let_in_who_waits(stage: Stage) -> None:
    cap(stage, Breaker(1, 2))
    await stage.conversation(get("/1"))
    second, third = [await asks(stage, f"/{number}") for number in (2, 3)]
    await in_line(stage, 2)
    cap(stage, None)
    for caller in (second, third):
        service = await stage.service.accept()
        await service.head()
        await service.send(OK)
        assert (await caller.answer()).status == 200


async def test_at_the_end_nobody_is_let_in_only_to_be_cut(stage: Stage) -> None:
    cap(stage, ONE)
    _, service = await stage.conversation(get("/1"))
    await asks(stage, "/2")
    await in_line(stage, 1)
    await service.head()
    assert await stage.plane.drain(0.0) == 2
    await service.closed()
    assert await stage.service.silent()
    assert [record.cut for record in stage.records] == ["stopped", "stopped"]
