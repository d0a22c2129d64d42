"""Upgrades: WebSocket by hand and by a real library; what is no tunnel; how the two directions end."""

import asyncio
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

from minimesh.model.project import Limits
from minimesh.model.service import Timeouts
from tests.integration.dataplane.stage import GATEWAY, OUTBOUND, WAITING, Stage, until
from tests.integration.dataplane.wire import Peer, Short

pytestmark = pytest.mark.anyio

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: api\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def tunnel(stage: Stage) -> tuple[Peer, Peer]:
    caller, service = await stage.conversation(HANDSHAKE)
    await service.head()
    await service.send(SWITCH)
    assert (await caller.answer()).status == 101
    return caller, service


async def test_a_handshake_passes_and_bytes_follow_as_they_are(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE)
    head = await service.head()
    assert (head.get(b"connection"), head.get(b"upgrade")) == (b"upgrade", b"websocket")
    assert head.get(b"sec-websocket-key") == b"dGhlIHNhbXBsZSBub25jZQ=="
    await service.send(SWITCH + b"first")
    answer = await caller.answer()
    assert answer.head.line == b"HTTP/1.1 101 Switching Protocols"
    assert (answer.head.get(b"connection"), answer.head.get(b"upgrade")) == (b"upgrade", b"websocket")
    assert answer.head.get(b"x-own") == b"1"
    assert await caller.exactly(5) == b"first"
    await caller.send(b"GET / HTTP/1.1\r\n\r\n\0\xff")
    assert await service.exactly(20) == b"GET / HTTP/1.1\r\n\r\n\0\xff"


async def test_what_the_caller_sends_too_early_waits_for_the_101(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE + b"early")
    await service.head()
    await service.send(SWITCH)
    assert await service.exactly(5) == b"early"
    assert (await caller.answer()).status == 101


async def test_a_handshake_with_a_body_is_a_plain_request(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE[:-2] + b"Content-Length: 5\r\n\r\nhello")
    head, body = await service.request()
    assert (head.get(b"upgrade"), head.get(b"connection"), body) == (None, None, b"hello")
    await service.send(OK)
    assert (await caller.answer()).status == 200
    await caller.send(GET)
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).status == 200


async def test_a_refused_handshake_leaves_http_on_both_sides(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE + GET)
    await service.head()
    await service.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert (await caller.answer()).status == 403
    assert (await service.head()).line == b"GET / HTTP/1.1"
    await service.send(OK)
    assert (await caller.answer()).status == 200


async def test_a_refusal_with_a_streamed_body(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE)
    await service.head()
    await service.send(b"HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n")
    await caller.until(b"\r\n\r\n")
    await service.send(b"2\r\nno\r\n0\r\n\r\n")
    assert await caller.until(b"0\r\n\r\n") == b"2\r\nno\r\n0\r\n\r\n"
    await caller.send(GET)
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        b"Connection: upgrade\r\nUpgrade: foo/2\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: upgrade\r\n",
    ],
)
async def test_other_upgrades_are_plain_requests_and_a_101_to_them_is_a_mistake(stage: Stage, fields: bytes) -> None:
    caller, service = await stage.conversation(b"GET / HTTP/1.1\r\nHost: api\r\n" + fields + b"\r\n")
    head = await service.head()
    assert head.get(b"upgrade") is head.get(b"connection") is head.get(b"http2-settings") is None
    await service.send(SWITCH)
    assert (await caller.answer()).reason == "upstream_protocol"


@pytest.mark.parametrize("fields", [b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket\r\n", b""])
async def test_a_switch_to_something_else_is_502(stage: Stage, fields: bytes) -> None:
    caller, service = await stage.conversation(HANDSHAKE)
    await service.head()
    await service.send(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n")
    assert (await caller.answer()).reason == "upstream_protocol"


async def test_http_1_0_cannot_upgrade(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (await service.head()).get(b"upgrade") is None
    await service.send(OK)
    assert (await caller.answer()).status == 200


# --- how it ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["caller", "service"])
async def test_each_side_may_shut_before_the_other(stage: Stage, first: str) -> None:
    caller, service = await tunnel(stage)
    one, other = (caller, service) if first == "caller" else (service, caller)
    await one.send(b"last words")
    one.finish()
    assert await other.rest() == b"last words"
    await other.send(b"an answer to them")
    other.finish()
    assert await one.rest() == b"an answer to them"
    record = await stage.record()
    assert (record.status, record.reason, record.cut) == (101, "", "")
    assert {record.bytes_in, record.bytes_out} == {10, 17}
    await until(lambda: stage.open_connections == 0)


@pytest.mark.parametrize("last", ["caller", "service"])
async def test_nothing_is_lost_when_both_sides_shut_while_bytes_wait(stage: Stage, last: str) -> None:
    caller, service = await tunnel(stage)
    sender, reader = (caller, service) if last == "caller" else (service, caller)
    data = b"x" * 16 * 1024 * 1024

    async def send() -> None:
        await sender.send(data)
        sender.finish()

    sending = asyncio.ensure_future(send())
    await asyncio.sleep(0.05)
    reader.finish()
    await sender.closed_by_other()
    assert not sending.done()
    assert len(await reader.rest()) == len(data)
    await sending
    assert (await stage.record()).cut == ""


async def test_a_caller_that_has_shut_before_the_101_has_shut_in_the_tunnel(stage: Stage) -> None:
    caller, service = await stage.conversation(HANDSHAKE + b"all")
    caller.finish()
    await service.head()
    await service.send(SWITCH + b"bye")
    assert await service.rest() == b"all"
    service.finish()
    assert (await caller.answer()).status == 101
    assert await caller.rest() == b"bye"


@pytest.mark.parametrize("first", ["caller", "service"])
async def test_a_reset_becomes_a_reset(stage: Stage, first: str) -> None:
    caller, service = await tunnel(stage)
    one, other = (caller, service) if first == "caller" else (service, caller)
    one.reset()
    with pytest.raises(Short) as cut:
        await other.exactly(1)
    assert cut.value.reset
    assert (await stage.record()).cut == ("client_gone" if first == "caller" else "upstream_cut")


@WAITING
async def test_the_idle_limit_ends_a_silent_tunnel_and_the_request_limit_does_not(bare: Stage) -> None:
    bare.open(timeouts=Timeouts(request=0.1, idle=0.3), limits=replace(Limits(), head=0.1, body=0.1, idle=0.1))
    caller, service = await tunnel(bare)
    for _ in range(3):
        await asyncio.sleep(0.1)
        await caller.send(b"x")
        assert await service.exactly(1) == b"x"
    with pytest.raises(Short):
        await caller.exactly(1)
    await service.closed()
    assert (await bare.record()).cut == "timed_out"


@WAITING
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_tunnel_holds_back_who_sends_too_much(stage: Stage, way: str) -> None:
    caller, service = await tunnel(stage)
    sender, reader = (caller, service) if way == "up" else (service, caller)
    size = 16 * 1024 * 1024
    sending = asyncio.ensure_future(sender.send(b"x" * size))
    await asyncio.sleep(0.1)
    assert not sending.done()
    assert len(await reader.exactly(size)) == size
    await sending


# --- a real library --------------------------------------------------------------------------------------------


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.parametrize("listener", [GATEWAY, OUTBOUND])
async def test_websockets_echo(stage: Stage, listener: str) -> None:
    stage.service.socket.close()
    async with serve(echo, "127.0.0.1", stage.service.port, max_size=None):
        host, port = stage.plane.address(listener)
        async with connect(f"ws://{host}:{port}/chat", max_size=None, compression=None, proxy=None) as client:
            for message in ("hello", "ä" * 1000, b"\0" * 100_000, b"x" * 2_000_000, ""):
                await client.send(message)
                assert await client.recv() == message
            await (await client.ping())
    record = await stage.record()
    assert (record.status, record.cut, record.reason) == (101, "", "")
    assert record.bytes_in > 2_000_000 < record.bytes_out


async def test_websockets_closed_by_the_service(stage: Stage) -> None:
    async def hang_up(connection: ServerConnection) -> None:
        await connection.send("bye")
        await connection.close(4000, "enough")

    stage.service.socket.close()
    async with serve(hang_up, "127.0.0.1", stage.service.port):
        host, port = stage.plane.address(GATEWAY)
        async with connect(f"ws://{host}:{port}/", proxy=None) as client:
            assert await client.recv() == "bye"
            await client.wait_closed()
            assert (client.close_code, client.close_reason) == (4000, "enough")


async def test_websockets_refused(stage: Stage) -> None:
    async with stage.service.serving(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"):
        host, port = stage.plane.address(GATEWAY)
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{host}:{port}/", proxy=None)
        assert refused.value.response.status_code == 403


@WAITING
async def test_thirty_websockets_at_once(stage: Stage) -> None:
    stage.service.socket.close()
    async with serve(echo, "127.0.0.1", stage.service.port):
        host, port = stage.plane.address(GATEWAY)

        async def converse(number: int) -> None:
            async with connect(f"ws://{host}:{port}/", proxy=None) as client:
                for step in range(20):
                    await client.send(f"{number}/{step}")
                    assert await client.recv() == f"{number}/{step}"
                await client.close()
                with pytest.raises(ConnectionClosedOK):
                    await client.recv()

        await asyncio.gather(*map(converse, range(30)))
    assert {record.cut for record in stage.records} == {""}
