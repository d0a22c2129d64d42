"""Time: heads and bodies that do not come, answers that nobody reads, services that are silent."""

import asyncio
from dataclasses import replace

import pytest

from minimesh.model.project import Limits
from minimesh.model.route import Route
from minimesh.model.service import Timeouts
from tests.integration.dataplane.stage import GATEWAY, OUTBOUND, WAITING, Stage, until
from tests.integration.dataplane.wire import PATIENCE, Peer, Short, quickest

pytestmark = [pytest.mark.anyio, WAITING]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT = Limits(head=0.1, body=0.1, send=0.1, idle=0.2)


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: api\r\n", b"\r\n"])
async def test_a_head_that_is_not_whole_in_time_is_408(bare: Stage, begun: bytes) -> None:
    bare.open(limits=SHORT)

    async def once() -> float:
        caller = await bare.call()
        started = bare.loop.time()
        await caller.send(begun)
        answer = await caller.answer()
        took: float = bare.loop.time() - started
        assert (answer.status, answer.reason, answer.head.get(b"connection")) == (408, "client_timeout", b"close")
        await caller.closed()
        return took

    assert 0.0 < await quickest(once, 0.35) < 0.35
    assert await bare.service.silent()


async def test_more_bytes_do_not_buy_more_time(bare: Stage) -> None:
    bare.open(limits=SHORT)

    async def drip(caller: Peer) -> None:
        await caller.send(b"GET / HTTP/1.1\r\nHost: api\r\n")
        while True:
            await caller.send(b"a")
            await asyncio.sleep(0.01)

    async def once() -> float:
        caller = await bare.call()
        started = bare.loop.time()
        dripping = asyncio.ensure_future(drip(caller))
        assert (await caller.answer()).status == 408
        took: float = bare.loop.time() - started
        dripping.cancel()
        await asyncio.wait([dripping])
        return took

    assert await quickest(once, 0.35) < 0.35


async def test_the_head_limit_counts_for_each_request_of_a_connection(bare: Stage) -> None:
    bare.open(limits=SHORT)
    caller, service = await bare.conversation(GET + b"GET / HT")
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).status == 200
    assert (await caller.answer()).status == 408


async def test_a_body_that_stands_still_is_408_and_cut_at_the_service(bare: Stage) -> None:
    bare.open(limits=SHORT)
    caller, service = await bare.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\nhello")
    await service.until(b"hello")
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (408, "client_timeout")
    await caller.closed()
    await service.closed()
    record = await bare.record()
    assert (record.status, record.reason, record.bytes_in) == (408, "client_timeout", 5)


async def test_a_body_that_stands_still_after_the_answer_began_cuts_it(bare: Stage) -> None:
    bare.open(limits=SHORT)
    caller, service = await bare.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\nhello")
    await service.until(b"hello")
    await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await caller.head()
    with pytest.raises(Short):
        await caller.until(b"0\r\n\r\n")
    assert (await bare.record()).cut == "slow_body"


async def test_a_body_may_take_long_if_it_moves(bare: Stage) -> None:
    bare.open(limits=Limits(body=0.6))
    caller, service = await bare.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 8\r\n\r\n")
    for _ in range(8):
        await asyncio.sleep(0.1)
        await caller.send(b"x")
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).status == 200


async def test_a_body_that_the_service_does_not_take_is_not_the_callers_fault(bare: Stage) -> None:
    bare.open(limits=Limits(body=0.2))
    size = 16 * 1024 * 1024
    caller, service = await bare.conversation(b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % size)
    sending = asyncio.ensure_future(caller.send(b"x" * size))
    await asyncio.sleep(0.4)
    assert not sending.done()
    await service.request()
    await sending
    await service.send(OK)
    assert (await caller.answer()).status == 200


async def test_an_idle_connection_is_closed_without_a_word(bare: Stage) -> None:
    bare.open(limits=SHORT)
    fresh, used = await bare.call(), await bare.call()
    async with bare.service.serving(OK):
        await used.ask(GET)
    started = bare.loop.time()
    await fresh.closed()
    await used.closed()
    assert 0.1 < bare.loop.time() - started < 0.5
    assert len(bare.records) == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 67108864\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_a_caller_that_reads_nothing_is_cut_and_so_is_the_service(bare: Stage, framing: bytes) -> None:
    bare.open(limits=SHORT)
    caller = await bare.call(receive_buffer=4096)
    await caller.send(GET)
    service = await bare.service.accept()
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
    with pytest.raises(ConnectionError):
        await service.pour(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    record = await bare.record()
    assert (record.status, record.cut) == (200, "slow_reader")
    await until(lambda: bare.open_connections == 0)
    with pytest.raises(Short) as cut:
        await caller.until(b"\r\n0\r\n\r\n")
    assert cut.value.reset


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
async def test_a_caller_that_does_not_take_the_end_of_its_answer_is_let_go(bare: Stage, close: bytes) -> None:
    """All of the answer is with the mesh and the exchange is over; only the caller does not read it."""
    bare.open(limits=SHORT)
    bare.shrink_send_buffers()
    caller = await bare.call(receive_buffer=4096)
    await caller.send(b"GET / HTTP/1.1\r\nHost: api\r\n" + close + b"\r\n")
    service = await bare.service.accept()
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
    await bare.record()
    await until(lambda: bare.open_connections == 0)


@pytest.mark.slow
@pytest.mark.alone
async def test_a_slow_reader_gets_the_end_of_its_answer_although_the_connection_closes(bare: Stage) -> None:
    bare.open(limits=Limits(send=3.0))
    bare.shrink_send_buffers()
    caller = await bare.call(receive_buffer=4096)
    await caller.send(b"GET / HTTP/1.0\r\n\r\n")
    service = await bare.service.accept()
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536)
    await bare.record()
    await asyncio.sleep(2.3)  # longer than anybody waits for a caller that has everything and only does not close
    assert len((await caller.answer()).body) == 65536


# --- services --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", [GATEWAY, OUTBOUND])
async def test_the_request_limit_is_504(bare: Stage, listener: str) -> None:
    bare.open(timeouts=Timeouts(request=0.1))
    caller, service = await bare.conversation(GET, listener)
    await service.head()
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (504, "timeout")
    await service.closed()
    await caller.send(GET)
    again = await bare.service.accept()
    await again.head()
    await again.send(OK)
    assert (await caller.answer()).status == 200


async def test_a_routes_own_limit_goes_before_the_services(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(request=30.0), routes=(Route("api", timeout=0.1),))
    caller, service = await bare.conversation(GET)
    await service.head()
    assert (await caller.answer()).reason == "timeout"


async def test_the_request_limit_cuts_an_answer_that_has_begun(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(request=0.1))
    caller, service = await bare.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    with pytest.raises(Short) as cut:
        await caller.answer()
    assert cut.value.reset
    await service.closed()
    record = await bare.record()
    assert (record.status, record.cut, record.bytes_out) == (200, "timed_out", 5)


async def test_the_request_limit_counts_a_body_that_does_not_come(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(request=0.1))
    caller, service = await bare.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\nhello")
    await service.until(b"hello")
    assert (await caller.answer()).reason == "timeout"
    await service.closed()


async def test_an_endpoint_without_a_byte_is_504_at_the_idle_limit(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(idle=0.1))
    caller, service = await bare.conversation(GET)
    await service.head()
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (504, "timeout")
    await service.closed()


async def test_an_answer_that_stands_still_is_cut_at_the_idle_limit(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(idle=0.1))
    caller, service = await bare.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    with pytest.raises(Short):
        await caller.answer()
    assert (await bare.record()).cut == "timed_out"


async def test_an_answer_may_take_long_if_it_moves(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(idle=0.6))
    caller, service = await bare.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
    for _ in range(8):
        await asyncio.sleep(0.1)
        await service.send(b"x")
    assert (await caller.answer()).body == b"x" * 8


# --- many ------------------------------------------------------------------------------------------------------


async def test_five_hundred_slow_heads_leave_others_served(bare: Stage) -> None:
    bare.open(limits=Limits(head=0.4))
    slow = [await bare.call() for _ in range(500)]
    for caller in slow:
        await caller.send(b"GET / HTTP/1.1\r\nHost: api\r\nX-a: ")
    async with bare.service.serving(OK):
        caller = await bare.call()
        for _ in range(20):
            for dripping in slow[::10]:
                dripping.send_now(b"b")
            started = bare.loop.time()
            assert (await caller.ask(GET)).status == 200
            assert bare.loop.time() - started < 0.5
    assert {(await one.answer()).status for one in slow} == {408}


async def test_connections_over_the_limit_wait_until_there_is_room(bare: Stage) -> None:
    bare.open(limits=Limits(connections=3))
    callers = []
    for _ in range(6):
        callers.append(bare.call_now())
        await asyncio.sleep(0)
    async with bare.service.serving(OK):
        for caller in callers:
            await caller.send(GET)
        for caller in callers[:3]:
            assert (await caller.answer()).status == 200
        statistics = bare.plane.statistics().listeners["gateway"]
        assert (statistics.connections, statistics.accepted, statistics.paused) == (3, 3, True)
        assert (await callers[1].ask(GET)).status == 200
        callers[0].close()
        assert (await callers[3].answer()).status == 200
        gateway = bare.snapshot.listeners["gateway"]
        listeners = {**bare.snapshot.listeners, "gateway": replace(gateway, limits=Limits(connections=5))}
        bare.apply(replace(bare.snapshot, generation=2, listeners=listeners))
        for caller in callers[4:]:
            assert (await caller.answer()).status == 200


async def test_a_connection_that_was_just_accepted_when_the_mesh_drains_is_closed(stage: Stage) -> None:
    caller = await stage.call()
    await until(lambda: stage.plane.statistics().listeners["gateway"].accepted, turn=0.0)
    assert await stage.plane.drain(PATIENCE) == 0
    await caller.closed()
