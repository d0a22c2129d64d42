"""Programs that speak protocols of their own, with their own clients, through the mesh."""

import asyncio
import os
import resource
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from minimesh.model.reason import Cut
from minimesh.model.record import Record
from tests.integration.dataplane.stage import FASTEST, OUTBOUND, Stage, until
from tests.integration.dataplane.test_dataplane_bytes import carry
from tests.integration.dataplane.wire import Peer, Short

pytestmark = [pytest.mark.anyio]
PATIENCE = 30.0
GIBIBYTE = 1 << 30


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def postgres_folder() -> Path | None:
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
    return port


async def run(*command: str, given: bytes = b"") -> str:
    """What a client prints, once it has ended well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(given), PATIENCE)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, printed.decode()
    return printed.decode()


@asynccontextmanager
async def serving(at: int | Path, command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server, once its port or socket file accepts connections."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )

    def accepts() -> bool:
        assert process.returncode is None, command
        with socket.socket(socket.AF_INET if isinstance(at, int) else socket.AF_UNIX) as probe:
            return probe.connect_ex(("127.0.0.1", at) if isinstance(at, int) else str(at)) == 0

    try:
        await until(accepts, f"{command[0]} accepts", turn=0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def leads_to(stage: Stage, port: int) -> tuple[str, str]:
    """Where the mesh carries bytes to that port: host and port."""
    stage.open(ports=(port,))
    carry(stage)
    host, own = stage.plane.address(OUTBOUND)
    return host, str(own)


async def ended(stage: Stage, number: int) -> tuple[Record, ...]:
    """The records of that many connections, all of which ended as they should."""
    await stage.record(number)
    assert {(record.cut, record.reason) for record in stage.records} == {("", "")}
    return stage.records


def redis(port: int, folder: Path) -> list[str]:
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]


@FASTEST
@needs("redis-server", "redis-cli", "redis-benchmark")
async def test_redis_with_two_hundred_connections(bare: Stage, tmp_path: Path) -> None:
    port = free_port()
    async with serving(port, redis(port, tmp_path)):
        host, own = leads_to(bare, port)
        at = ("-h", host, "-p", own)
        assert await run("redis-cli", *at, "set", "name", "value") == "OK\n"
        assert await run("redis-cli", *at, "get", "name") == "value\n"
        assert "PONG" in await run("redis-cli", *at, given=b"ping\n")
        done = await run("redis-benchmark", *at, "-t", "set,get", "-n", "4000", "-c", "200", "-P", "4", "-q")
        assert done.count("requests per second") == 2
        assert len(await ended(bare, 403)) >= 403


@FASTEST
@needs("redis-server", "redis-cli")
async def test_a_service_that_is_killed_under_a_waiting_client(bare: Stage, tmp_path: Path) -> None:
    port = free_port()
    async with serving(port, redis(port, tmp_path)) as server:
        leads_to(bare, port)
        caller = await bare.call(OUTBOUND)
        await caller.send(b"BLPOP nothing 0\r\n")
        await until(lambda: bare.plane.statistics().upstreams["api"]["api/1"].active == 1)
        server.kill()
        try:
            assert await caller.rest() == b""
        except Short as short:
            assert short.reset  # noqa: PT017 - either is what the kernel says of a process that is gone
        caller.close()
        await bare.record()


@FASTEST
@needs("nats-server")
async def test_nats_whose_server_speaks_first(bare: Stage) -> None:
    port = free_port()
    async with serving(port, ["nats-server", "-a", "127.0.0.1", "-p", str(port)]):
        leads_to(bare, port)
        caller = await bare.call(OUTBOUND)
        assert (await caller.until(b"\r\n")).startswith(b"INFO {")
        await caller.send(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n')
        assert b"hello" in await caller.until(b"PONG\r\n")


@FASTEST
@needs("socat")
async def test_a_half_close_reaches_a_program_that_waits_for_it(bare: Stage) -> None:
    port = free_port()
    async with serving(port, ["socat", f"TCP-LISTEN:{port},fork,bind=127.0.0.1", "SYSTEM:wc -c"]):
        host, own = leads_to(bare, port)
        assert (await run("socat", "-t", "10", "-", f"TCP:{host}:{own}", given=bytes(300_000))).strip() == "300000"
        await ended(bare, 1)


@FASTEST
@needs("psql", "openssl", "runuser")
@pytest.mark.skipif(postgres_folder() is None, reason="not installed: postgresql")
@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL is started as its own user")
async def test_postgresql_which_agrees_on_tls_itself(bare: Stage) -> None:
    programs = postgres_folder()
    assert programs is not None
    port = free_port()
    folder = Path("/tmp") / f"minimesh-postgres-{port}"
    folder.mkdir(mode=0o700)
    shutil.chown(folder, "postgres")
    as_postgres = ("runuser", "-u", "postgres", "--")
    try:
        data, certificate, key = (str(folder / name) for name in ("data", "c.pem", "k.pem"))
        await run(*as_postgres, str(programs / "initdb"), "-D", data, "-A", "trust", "--no-sync")
        subject = ("-subj", "/CN=db", "-days", "2", "-nodes", "-newkey", "rsa:2048")
        await run(*as_postgres, "openssl", "req", "-x509", *subject, "-keyout", key, "-out", certificate)
        settings = {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(programs / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
        async with serving(port, [*as_postgres, *server, *options]):
            host, own = leads_to(bare, port)
            asked = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            for mode, secured in (("require", "t"), ("prefer", "t"), ("disable", "f")):
                to = f"host={host} port={own} user=postgres sslmode={mode}"
                assert (await run("psql", "-XAt", "-c", asked, to)).strip() == secured
            await bare.record(3)
            # psql may be gone before the server has answered the end of TLS.
            assert {record.reason for record in bare.records} == {""}
            assert {record.cut for record in bare.records} <= {"", Cut.CLIENT_GONE}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@FASTEST
@pytest.mark.slow
async def test_a_gibibyte_at_flat_memory(bare: Stage) -> None:
    bare.open()
    carry(bare)
    caller = await bare.call(OUTBOUND)
    service = await bare.service.accept()
    loop = asyncio.get_running_loop()
    piece, room = bytes(1 << 20), bytearray(1 << 20)

    async def send() -> None:
        for _ in range(GIBIBYTE // len(piece)):
            await caller.send(piece)
        caller.finish()

    async def receive(peer: Peer) -> int:
        got = 0
        while size := await loop.sock_recv_into(peer.socket, room):
            got += size
        return got

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, got = await asyncio.gather(send(), receive(service))
    assert got == GIBIBYTE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    service.finish()
    assert (await bare.record()).bytes_in == GIBIBYTE
