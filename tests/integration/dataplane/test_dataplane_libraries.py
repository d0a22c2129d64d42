"""Libraries that people use, at both ends of two meshes with HTTP/2 between them, and of one mesh."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Subprotocol

from minimesh.dataplane.codecs import codec_named
from minimesh.model.service import Protocol
from tests.integration.dataplane.bridges import Service1
from tests.integration.dataplane.stage import FASTEST, GATEWAY, Stage, until

pytestmark = [pytest.mark.anyio, FASTEST]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "bye":
            await connection.close(4001, "enough")
        else:
            await connection.send(message)


@pytest.fixture
async def front(stage: Stage) -> AsyncIterator[Stage]:
    """A mesh that knows the gateway of another as a service on HTTP/2; behind that one is `stage.service`."""
    stage.service.socket.close()
    front = Stage(codec_named("fast"))
    front.open(ports=(stage.plane.address(GATEWAY)[1],), protocol=Protocol.H2)
    yield front
    # The other mesh would keep the connection.
    front.keep_endpoints(())
    await front.close()


def websocket(front: Stage, **options: object) -> connect:
    host, port = front.plane.address(GATEWAY)
    return connect(f"ws://{host}:{port}/chat", proxy=None, max_size=None, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def served(stage: Stage, *subprotocols: Subprotocol) -> AsyncIterator[Server]:
    async with serve(echo, "127.0.0.1", stage.service.port, max_size=None, subprotocols=subprotocols or None) as server:
        yield server


async def ended_well(client: ClientConnection) -> None:
    await client.close()
    assert client.close_code == 1000


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_messages_of_any_size_and_kind(stage: Stage, front: Stage, compression: str | None) -> None:
    async with served(stage), websocket(front, compression=compression) as client:
        for message in ("hello", "", "ä" * 1000, b"\0" * 100_000, b"x" * 16 * 1024 * 1024):
            await client.send(message)
            received = await client.recv()
            # Not `==` in an assertion: the difference of two such messages takes minutes to show.
            assert (len(received), hash(received)) == (len(message), hash(message))
        await ended_well(client)
    assert [(record.status, record.cut) for record in front.records] == [(101, "")]


async def test_fragments_with_a_ping_between_them(stage: Stage, front: Stage) -> None:
    async def pieces() -> AsyncIterator[str]:
        for number in range(20):
            yield f"{number} "
            await (await client.ping())

    async with served(stage), websocket(front) as client:
        await client.send(pieces())
        assert await client.recv() == "".join(f"{number} " for number in range(20))
        await ended_well(client)


async def test_what_was_agreed_on_and_how_it_was_closed(stage: Stage, front: Stage) -> None:
    async with served(stage, Subprotocol("json")), websocket(front, subprotocols=["graphql", "json"]) as client:
        assert client.subprotocol == "json"
        await client.send("bye")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert (client.close_code, client.close_reason) == (4001, "enough")


async def test_text_that_is_none_is_for_the_ends_to_judge(stage: Stage, front: Stage) -> None:
    async with served(stage), websocket(front, compression=None) as client:
        # A text frame of one byte 0xFF, masked with zeros.
        client.transport.write(b"\x81\x81\0\0\0\0\xff")
        await client.wait_closed()
        assert client.close_code == 1007


async def test_a_refusal(stage: Stage, front: Stage) -> None:
    async def refuse(connection: ServerConnection, request: object) -> object:
        return connection.respond(403, "not you\n")

    server: Server
    async with serve(echo, "127.0.0.1", stage.service.port, process_request=refuse) as server:  # type: ignore[arg-type]
        with pytest.raises(InvalidStatus) as refused:
            await websocket(front)
        assert (refused.value.response.status_code, refused.value.response.body) == (403, b"not you\n")
        assert server.sockets


async def test_httpx_reads_events_over_http_2(stage: Stage) -> None:
    host, port = stage.plane.address(GATEWAY)
    async with (
        stage.service.serving(b"HTTP/1.1 400 What\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        httpx.AsyncClient(http1=False, http2=True, base_url=f"http://{host}:{port}") as client,
    ):
        assert (await client.get("/")).http_version == "HTTP/2"
    service: Service1 | None = None

    async def stream() -> None:
        nonlocal service
        service = Service1(await stage.service.accept())
        await service.asked()
        await service.begin(200, [(b"content-type", b"text/event-stream")])
        await service.send(b"data: 0\n\n")

    async with (
        anyio.create_task_group() as group,
        httpx.AsyncClient(http1=False, http2=True, base_url=f"http://{host}:{port}") as client,
    ):
        group.start_soon(stream)
        async with client.stream("GET", "/events") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "data: 0"
            assert service is not None
            await service.send(b"data: 1\n\n")
            assert [await anext(lines), await anext(lines)] == ["", "data: 1"]
    assert service is not None
    # The connection is closed: httpx does not reset the stream of an answer that it leaves.
    await service.peer.closed()
    await until(lambda: stage.telemetry.ring.total == 2)
    assert stage.records[1].cut == "client_gone"
