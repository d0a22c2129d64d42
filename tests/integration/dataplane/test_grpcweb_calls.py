"""gRPC-Web from callers of HTTP/1.1 and HTTP/2 to a service of grpcio."""

import base64
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

import httpx
import pytest

from minimesh.model.cors import Cors
from minimesh.model.route import Route
from minimesh.model.service import Protocol
from tests.integration.dataplane.grpcshop import Shop
from tests.integration.dataplane.stage import EACH_CODEC, FASTEST, GATEWAY, SETUPS, Stage, until

pytestmark = pytest.mark.anyio
CALLERS = pytest.mark.parametrize(
    ("anyio_backend", "version"),
    [(SETUPS[0], 1), (SETUPS[0], 2), (SETUPS[2], 1)],
    ids=["fast-http1", "fast-http2", "reference-http1"],
    indirect=["anyio_backend"],
)

BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text"


class Told(NamedTuple):
    """An answer of gRPC-Web taken apart."""

    kind: str
    messages: list[bytes]
    status: dict[str, str]


class Running(NamedTuple):
    stage: Stage
    shop: Shop

    def client(self, version: int) -> httpx.AsyncClient:
        host, port = self.stage.plane.address(GATEWAY)
        return httpx.AsyncClient(base_url=f"http://{host}:{port}", http1=version == 1, http2=version == 2)

    async def ask(self, version: int, method: str, body: bytes, kind: str) -> Told:
        async with self.client(version) as client:
            answer = await client.post(f"/shop.Orders/{method}", content=body, headers={"content-type": kind})
        assert answer.status_code == 200
        return take_apart(answer.headers["content-type"], answer.content)


def frame(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def text_of(data: bytes) -> bytes:
    """In two pieces, padded each."""
    return base64.b64encode(data[:4]) + base64.b64encode(data[4:])


def take_apart(kind: str, body: bytes) -> Told:
    if kind.startswith(TEXT):
        body = b"".join(base64.b64decode(body[at : at + 4]) for at in range(0, len(body), 4))
    messages: list[bytes] = []
    while body:
        flags, size = struct.unpack(">BI", body[:5])
        content, body = body[5 : 5 + size], body[5 + size :]
        assert len(content) == size
        if flags == 0x80:
            assert not body
            return Told(kind, messages, dict(line.split(": ", 1) for line in content.decode().splitlines()))
        messages.append(content)
    raise AssertionError("there is no frame of trailers")


@pytest.fixture
async def running(bare: Stage) -> AsyncIterator[Running]:
    """A service that says nothing of itself: what it speaks is found out."""
    shop = Shop()
    with shop.serving() as port:
        bare.open(ports=(port,))
        yield Running(bare, shop)


def say(stage: Stage, protocol: Protocol) -> None:
    old = stage.snapshot
    api = replace(old.upstreams["api"], protocol=protocol)
    stage.apply(replace(old, generation=old.generation + 1, upstreams={"api": api}))


@CALLERS
@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("said", [True, False])
async def test_a_call_and_its_trailers(running: Running, version: int, kind: str, said: bool) -> None:
    if said:
        say(running.stage, Protocol.GRPC)
    message = frame(b"hello")
    told = await running.ask(version, "Echo", text_of(message) if kind == TEXT else message, kind)
    assert told.messages == [b"hello"]
    assert told.status["grpc-status"] == "0"
    assert (told.status["cost"], told.status["proof-bin"]) == ("7", "AP8")
    record = await running.stage.record()
    assert (record.grpc_status, record.destination, record.status) == (0, "api", 200)


@CALLERS
async def test_a_failure_is_told_in_the_body(running: Running, version: int) -> None:
    told = await running.ask(version, "Fail", frame(b"x"), BINARY)
    assert told == Told(BINARY.removesuffix("+proto"), [], told.status)
    assert told.status["grpc-status"] == "5"
    assert told.status["grpc-message"] == "no such order: %C3%BC"


@FASTEST
async def test_a_method_that_there_is_not(running: Running) -> None:
    told = await running.ask(1, "Nothing", frame(b"x"), BINARY)
    assert told.status["grpc-status"] == "12"


@CALLERS
@pytest.mark.parametrize("kind", [BINARY, TEXT])
async def test_each_message_of_a_stream_comes_when_it_is_sent(running: Running, version: int, kind: str) -> None:
    message = frame(b"x")
    async with running.client(version) as client:
        content = text_of(message) if kind == TEXT else message
        wanted = {"content-type": kind}
        async with client.stream("POST", "/shop.Orders/Count", content=content, headers=wanted) as answer:
            pieces = answer.aiter_raw()
            first = await anext(pieces)
            assert not running.shop.more.is_set()
            assert b"one" in (base64.b64decode(first) if kind == TEXT else first)
            running.shop.more.set()
            rest = b"".join([piece async for piece in pieces])
    told = take_apart(answer.headers["content-type"], first + rest)
    assert (told.messages, told.status["grpc-status"]) == ([b"one", b"two"], "0")


@FASTEST
async def test_a_stream_that_is_given_up_is_cancelled(running: Running) -> None:
    async with running.client(2) as client:
        wanted = {"content-type": BINARY}
        async with client.stream("POST", "/shop.Orders/Count", content=frame(b"x"), headers=wanted) as answer:
            await anext(answer.aiter_raw())
    await until(running.shop.cancelled.is_set)


@EACH_CODEC
async def test_a_connection_that_breaks_cancels_the_call(running: Running) -> None:
    caller = await running.stage.call()
    head = f"POST /shop.Orders/Count HTTP/1.1\r\nHost: api\r\nContent-Type: {BINARY}\r\nContent-Length: 6\r\n\r\n"
    await caller.send(head.encode() + frame(b"x"))
    await caller.until(b"one")
    caller.reset()
    await until(running.shop.cancelled.is_set)


@FASTEST
async def test_no_endpoint_is_told_in_kind(running: Running) -> None:
    running.stage.keep_endpoints(())
    told = await running.ask(1, "Echo", frame(b"x"), BINARY)
    assert told.status["grpc-status"] == "14"
    assert "no_endpoint" in told.status["grpc-message"] or "ready" in told.status["grpc-message"]


@FASTEST
async def test_a_service_of_its_own_gets_what_came(bare: Stage) -> None:
    """It does not speak HTTP/2, so gRPC-Web is its own affair."""
    bare.open()
    async with bare.service.serving(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web\r\ncontent-length: 3\r\n\r\nown"
    ):
        host, port = bare.plane.address(GATEWAY)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            answer = await client.post("/a.B/C", content=frame(b"x"), headers={"content-type": BINARY})
    assert answer.content == b"own"


@FASTEST
@pytest.mark.parametrize("method", ["Get", "Nothing"])
async def test_a_page_of_another_origin_may_read_the_answer(running: Running, method: str) -> None:
    old = running.stage.snapshot
    gateway = replace(old.listeners[GATEWAY], routes=(Route("api", cors=Cors(("https://app.test",))),))
    listeners = {**old.listeners, GATEWAY: gateway}
    running.stage.apply(replace(old, generation=old.generation + 1, listeners=listeners))
    page = {"origin": "https://app.test", "content-type": BINARY}
    async with running.client(1) as client:
        asks = {"origin": "https://app.test", "access-control-request-method": "POST"}
        assert (await client.options(f"/shop.Orders/{method}", headers=asks)).status_code == 204
        answer = await client.post(f"/shop.Orders/{method}", content=frame(b"1"), headers=page)
        assert answer.headers["access-control-allow-origin"] == "https://app.test"
