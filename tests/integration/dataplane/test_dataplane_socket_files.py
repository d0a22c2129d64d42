"""Endpoints at the file of a Unix-domain socket: whatever they speak, and when nobody is there."""

import errno
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path

import anyio
import grpc
import pytest
from anyio import to_thread

from minimesh.model.address import Address, UnixAddress
from minimesh.model.service import Protocol, Timeouts
from minimesh.model.snapshot import Endpoint
from tests.integration.dataplane.grpcshop import PATIENCE, Shop
from tests.integration.dataplane.stage import EACH_CODEC, FASTEST, GATEWAY, OUTBOUND, Stage, until
from tests.integration.dataplane.test_dataplane_bytes import carry, ends
from tests.integration.dataplane.test_dataplane_bytes_programs import needs, run, serving
from tests.integration.dataplane.test_dataplane_handover import next_image
from tests.integration.dataplane.wire import Peer, Service

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


@pytest.fixture
def full(file: Path) -> Iterator[Service]:
    """A service in whose line there is no room."""
    service = Service(backlog=0, file=file)
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
    assert [each.connect_ex(str(file)) for each in waiting][-1] == errno.EAGAIN
    yield service
    service.close()
    for each in waiting:
        each.close()


def lead_to(stage: Stage, file: Path, *, protocol: Protocol | None = None, timeouts: Timeouts = Timeouts()) -> None:  # noqa: B008 - frozen
    """The one endpoint of `api` is there from now on."""
    old = stage.snapshot
    endpoint = Endpoint(f"unix:{file}", (UnixAddress(str(file)),))
    api = replace(old.upstreams["api"], endpoints=(endpoint,), protocol=protocol, timeouts=timeouts)
    stage.apply(replace(old, generation=old.generation + 1, upstreams={"api": api}))


def at(stage: Stage, file: Path) -> Service:
    service = Service(file=file)
    stage.services.append(service)
    return service


async def answered(caller: Peer, service: Peer) -> None:
    await caller.send(GET)
    await service.request()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


async def conversation(stage: Stage, service: Service) -> tuple[Peer, Peer]:
    """A caller that was answered, and the connection that the service has got, which is kept."""
    caller = await stage.call()
    await caller.send(GET)
    peer = await service.accept()
    await peer.request()
    await peer.send(OK)
    assert (await caller.answer()).body == b"ok"
    return caller, peer


async def test_requests_share_a_kept_connection(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    lead_to(stage, file)
    _, kept = await conversation(stage, service)
    await answered(await stage.call(), kept)
    assert stage.idle == 1
    assert (await stage.record(2)).endpoint == f"unix:{file}"


async def test_a_kept_connection_that_was_closed_is_seen_to_be(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    lead_to(stage, file)
    caller, first = await conversation(stage, service)
    first.close()
    await caller.send(GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"))
    second = await service.accept()
    await second.request()
    await second.send(OK)
    assert (await caller.answer()).status == 200
    assert (await stage.record(2)).tries == 1


@EACH_CODEC
async def test_what_is_known_to_speak_http2_is_spoken_to_so(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    lead_to(stage, file, protocol=Protocol.H2)
    caller = await stage.call()
    await caller.send(GET)
    assert await (await service.accept()).exactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _nothing(_: Path) -> None:
    """No file at all."""


def _left_over(file: Path) -> None:
    """A socket whose program is gone."""
    Service(file=file).close()


@FASTEST
async def test_grpc_at_a_file(stage: Stage, file: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Shop()])
    server.add_insecure_port(f"unix:{file}")
    server.start()
    lead_to(stage, file, protocol=Protocol.GRPC)
    host, port = stage.plane.address(GATEWAY)
    try:
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            echo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Orders/Echo")
            assert [await echo(word, timeout=PATIENCE) for word in (b"a", b"b")] == [b"a", b"b"]
        assert (await stage.record(2)).grpc_status == 0
    finally:
        await to_thread.run_sync(server.stop(0).wait, PATIENCE)


@pytest.mark.parametrize(
    ("put", "why"),
    [(_nothing, "No such file or directory"), (Path.touch, "Connection refused"), (_left_over, "Connection refused")],
)
async def test_nobody_there_is_told_by_the_path(
    stage: Stage, file: Path, put: Callable[[Path], None], why: str
) -> None:
    put(file)
    lead_to(stage, file)
    caller = await stage.call()
    await caller.send(GET)
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (503, "upstream_refused")
    assert (await stage.record()).detail == f"connect unix:{file}: {why}"


async def test_a_file_may_appear_later_and_anew(stage: Stage, file: Path) -> None:
    lead_to(stage, file)
    caller = await stage.call()
    await caller.send(GET)
    assert (await caller.answer()).status == 503
    for _ in range(2):
        service = at(stage, file)
        await caller.send(GET)
        peer = await service.accept()
        await peer.request()
        await peer.send(OK)
        assert (await caller.answer()).body == b"ok"
        service.close()
        await anyio.Path(file).unlink()
        await until(lambda: stage.idle == 0, "the mesh sees that the service has left")


async def test_a_port_and_a_file_of_the_same_program(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    nobody = Service()
    nobody.close()
    refused = Address("127.0.0.1", nobody.port)
    endpoint = Endpoint("api/1", (refused, UnixAddress(str(file))))
    stage.keep_endpoints((endpoint,))
    caller = await stage.call()
    await caller.send(GET)
    await (await service.accept()).request()


async def test_a_full_line_is_waited_in(stage: Stage, file: Path, full: Service) -> None:
    lead_to(stage, file, timeouts=Timeouts(connect=5.0))
    caller = await stage.call()
    await caller.send(GET)
    await until(lambda: stage.open_connections == 2, "the mesh dials")
    async with full.serving(OK):
        assert (await caller.answer()).body == b"ok"


@FASTEST
async def test_a_full_line_is_not_waited_in_for_ever(stage: Stage, file: Path, full: Service) -> None:
    lead_to(stage, file, timeouts=Timeouts(connect=0.2))
    caller = await stage.call()
    await caller.send(GET)
    assert (await caller.answer()).reason == "connect_timeout"
    assert full.peers == []


@EACH_CODEC
async def test_a_kept_connection_goes_on_in_the_next_image(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    lead_to(stage, file)
    caller, kept = await conversation(stage, service)
    stage.plane.freeze()
    async with next_image(stage) as plane:
        await answered(caller, kept)
        assert await service.silent(), "the connection to the service was kept too"
        stage.telemetry = plane._around.telemetry


async def test_bytes_pass_and_so_do_their_ends(stage: Stage, file: Path) -> None:
    service = at(stage, file)
    carry(stage)
    lead_to(stage, file, timeouts=Timeouts(idle=inf))
    caller = await stage.call(OUTBOUND)
    peer = await service.accept()
    await peer.send(b"220 hello\r\n")
    assert await caller.exactly(11) == b"220 hello\r\n"
    await caller.send(b"ping")
    caller.finish()
    assert await peer.rest() == b"ping"
    await peer.send(b"pong")
    peer.finish()
    assert await caller.rest() == b"pong"
    record = await stage.record()
    assert (record.bytes_in, record.bytes_out, record.cut, record.endpoint) == (4, 15, "", f"unix:{file}")


async def test_bytes_to_nobody_are_a_reset_with_a_reason(stage: Stage, file: Path) -> None:
    carry(stage)
    lead_to(stage, file)
    assert (await ends(await stage.call(OUTBOUND))).reset
    record = await stage.record()
    assert (record.reason, record.detail) == ("upstream_refused", f"connect unix:{file}: No such file or directory")


@FASTEST
@needs("redis-server", "redis-cli", "redis-benchmark")
async def test_redis_at_a_file(bare: Stage, file: Path) -> None:
    command = ["redis-server", "--port", "0", "--unixsocket", str(file), "--save", "", "--dir", str(file.parent)]
    async with serving(file, command):
        bare.open()
        carry(bare)
        lead_to(bare, file, timeouts=Timeouts(idle=inf))
        host, own = bare.plane.address(OUTBOUND)
        to = ("-h", host, "-p", str(own))
        assert await run("redis-cli", *to, "set", "name", "value") == "OK\n"
        assert await run("redis-cli", *to, "get", "name") == "value\n"
        done = await run("redis-benchmark", *to, "-t", "set,get", "-n", "4000", "-c", "50", "-q")
        assert done.count("requests per second") == 2
        assert {(record.cut, record.reason) for record in bare.records} == {("", "")}
