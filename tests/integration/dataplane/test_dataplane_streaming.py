"""Bodies on their way: held back when the other side does not read, cut when one side leaves, never collected."""

import asyncio
import gc
from pathlib import Path

import pytest

from minimesh.model.project import Limits
from tests.integration.dataplane.stage import WAITING, Stage, until
from tests.integration.dataplane.wire import Short

pytestmark = [pytest.mark.anyio, WAITING]

MIB = 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HELD = 16 * MIB
"""More than both kernels' buffers of a connection take."""


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("framing", ["fixed", "chunked"])
async def test_a_caller_that_does_not_read_holds_back_the_service(stage: Stage, framing: str) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    if framing == "fixed":
        data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HELD + b"x" * HELD
    else:
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * (HELD // 65536) + b"0\r\n\r\n"
    sending = asyncio.ensure_future(service.send(data))
    await caller.head_arrives()
    await asyncio.sleep(0.1)
    assert not sending.done(), "the service is held back"
    answer = await caller.answer()
    assert answer.body == b"x" * HELD
    await sending
    await caller.send(GET)
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


@pytest.mark.parametrize("framing", ["fixed", "chunked"])
async def test_a_service_that_does_not_read_holds_back_the_caller(stage: Stage, framing: str) -> None:
    caller = await stage.call()
    if framing == "fixed":
        data = b"PUT / HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n" % HELD + b"x" * HELD
    else:
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        data = b"PUT / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * (HELD // 65536)
        data += b"0\r\n\r\n"
    sending = asyncio.ensure_future(caller.send(data))
    service = await stage.service.accept()
    await asyncio.sleep(0.1)
    assert not sending.done(), "the caller is held back"
    assert (await service.request())[1] == b"x" * HELD
    await sending
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


async def test_the_next_answer_waits_until_the_last_one_is_taken(stage: Stage) -> None:
    """Whoever sends request after request and reads nothing must not make the mesh collect the answers."""
    stage.shrink_send_buffers()
    caller = await stage.call(receive_buffer=4096)
    await caller.send(GET * 100)
    service = await stage.service.accept()
    size = 60_000  # two are more than the mesh may hold, and each comes whole
    answered = 0

    async def answer() -> None:
        nonlocal answered
        while True:
            await service.head()
            await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            answered += 1

    answering = asyncio.ensure_future(answer())
    last = -1
    while answered > last:
        last = answered
        await asyncio.sleep(0.1)
    assert answered < 10
    for _ in range(100):
        assert len((await caller.answer()).body) == size
    answering.cancel()
    await asyncio.wait([answering])


async def test_a_connection_whose_last_answer_overflowed_serves_the_next_caller(stage: Stage) -> None:
    """The last bytes of an answer block its caller, and by then the connection is another's."""
    for _ in range(3):
        caller = await stage.call(receive_buffer=4096)
        await caller.send(GET)
        if not stage.service.peers:
            await stage.service.accept()
        service = stage.service.peers[0]
        await service.head()
        size = 4 * MIB
        sending = asyncio.ensure_future(
            service.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        )
        assert len((await caller.answer()).body) == size
        await sending
    other = await stage.call()
    await other.send(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
    assert len((await other.answer()).body) == 100_000
    assert len(stage.service.peers) == 1


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_a_caller_that_leaves_in_mid_answer_cancels_it(stage: Stage, reset: bool) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await caller.until(b"hello\r\n")
    caller.reset() if reset else caller.close()
    with pytest.raises(ConnectionError):
        await service.pour(b"5\r\nhello\r\n")
    record = await stage.record()
    assert (record.status, record.reason, record.cut) == (200, "", "client_gone")
    await until(lambda: stage.open_connections == 0)


async def test_a_caller_that_resets_before_the_answer_cancels_it(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    caller.reset()
    with pytest.raises(Short) as cut:
        await service.exactly(1)
    assert cut.value.reset
    record = await stage.record()
    assert (record.status, record.cut, record.duration >= 0) == (0, "client_gone", True)


async def test_a_caller_that_resets_in_mid_request_cancels_it(stage: Stage) -> None:
    caller, service = await stage.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\nhello")
    await service.until(b"hello")
    caller.reset()
    with pytest.raises(Short):
        await service.exactly(1)
    assert (await stage.record()).cut == "client_gone"


async def test_stopping_cuts_what_runs_and_says_so(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    await caller.until(b"hello")
    assert await stage.plane.drain(0.05) == 1
    with pytest.raises(Short):
        await caller.exactly(5)
    with pytest.raises(Short):
        await service.exactly(1)
    assert (await stage.record()).cut == "stopped"


async def test_draining_lets_what_runs_end_and_closes_what_is_idle(stage: Stage) -> None:
    idle = await stage.call()
    caller, service = await stage.conversation(GET)
    await service.head()
    draining = asyncio.ensure_future(stage.plane.drain(5.0))
    await idle.closed()
    await service.send(OK)
    answer = await caller.answer()
    assert (answer.body, answer.head.get(b"connection")) == (b"ok", b"close")
    await caller.closed()
    caller.close()
    assert await draining == 0
    with pytest.raises(ConnectionRefusedError):
        await stage.call()


async def test_two_hundred_slow_readers_of_a_mebibyte(bare: Stage) -> None:
    """Most of their answers waits with the service; then they are cut and nothing is left of them."""
    bare.open(limits=Limits(send=0.3))
    bare.shrink_send_buffers()
    body = b"x" * MIB
    sending: list[asyncio.Future[None]] = []
    async with asyncio.timeout(20):
        callers = [await bare.call(receive_buffer=4096) for _ in range(200)]
        for caller in callers:
            await caller.send(GET)
        services = [await bare.service.accept() for _ in callers]
        gc.collect()
        before = resident()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + body
        for service in services:
            await service.head()
            sending.append(asyncio.ensure_future(service.send(answer)))
        await asyncio.sleep(0.3)
        assert resident() - before < 64 * MIB
        await until(lambda: bare.open_connections == 0)
    await asyncio.wait(sending)
    assert {type(one.exception()) for one in sending} <= {ConnectionResetError, BrokenPipeError, type(None)}
    assert {record.cut for record in bare.records} == {"slow_reader"}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("way", ["down", "up"])
async def test_256_mebibytes_take_no_more_memory_than_one(stage: Stage, way: str) -> None:
    size, piece = 256 * MIB, b"x" * 65536
    head = b"Content-Length: %d\r\n\r\n" % size
    caller, service = await stage.conversation(GET if way == "down" else b"PUT / HTTP/1.1\r\nHost: api\r\n" + head)
    await service.head()
    sender, receiver = (service, caller) if way == "down" else (caller, service)

    async def send() -> None:
        if way == "down":
            await service.send(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(size // len(piece)):
            await sender.send(piece)

    sending = asyncio.ensure_future(send())
    if way == "down":
        await caller.head()
    gc.collect()
    before, highest = resident(), 0
    for _ in range(size // len(piece) // 16):
        await receiver.exactly(len(piece) * 16)
        highest = max(highest, resident())
    await sending
    assert highest - before < 16 * MIB
    if way == "up":
        await service.send(OK)
        assert (await caller.answer()).status == 200
