"""The data plane in a process of its own: out of descriptors, with thousands of connections, under other people's
load generators and clients."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.integration.dataplane.stage import EACH_CODEC, FASTEST, Setup
from tests.integration.dataplane.wire import PATIENCE, Peer, Service

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("standalone.py")
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Mesh:
    """The process and its gateway's port."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def processor_time(self) -> float:
        """Seconds that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident(self) -> int:
        """Bytes in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def connection(self) -> Peer:
        connection = socket.create_connection(("127.0.0.1", self.port))
        return Peer(connection)


@asynccontextmanager
async def running(setup: Setup, service: Service, descriptors: int = 8192) -> AsyncIterator[Mesh]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        setup.codec,
        "uvloop" if setup.uvloop else "asyncio",
        str(service.port),
        str(descriptors),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        yield Mesh(process, int(line))
        assert process.returncode is None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            assert (await process.stderr.read()).decode() == ""
            assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipes are closed by the collector


@pytest.fixture
async def setup(request: pytest.FixtureRequest, anyio_backend: object) -> Setup:
    return request.node.callspec.params["anyio_backend"]  # type: ignore[no-any-return]


@pytest.fixture
async def service(setup: Setup) -> AsyncIterator[Service]:
    service = Service()
    async with service.serving(OK):
        yield service
    service.close()


@FASTEST
async def test_out_of_descriptors_it_waits_and_goes_on(setup: Setup, service: Service) -> None:
    async with running(setup, service, descriptors=64) as mesh:
        callers = [mesh.connection() for _ in range(200)]
        asked = callers[0]
        answer = await asked.ask(GET)
        assert (answer.status, answer.reason) in ((200, ""), (503, "out_of_descriptors"))
        used, started = mesh.processor_time, time.monotonic()
        await asyncio.sleep(1.0)
        assert (mesh.processor_time - used) / (time.monotonic() - started) < 0.05
        for caller in callers[:190]:
            caller.close()
        for caller in callers[190:]:
            assert (await caller.ask(GET)).status == 200
            caller.close()
        again = mesh.connection()
        assert (await again.ask(GET)).status == 200
        again.close()


@FASTEST
async def test_two_thousand_idle_connections(setup: Setup, service: Service) -> None:
    async with running(setup, service) as mesh:
        first = mesh.connection()
        assert (await first.ask(GET)).status == 200
        before = mesh.resident
        callers = [mesh.connection() for _ in range(2000)]
        for caller in callers:
            assert (await caller.ask(GET)).status == 200
        assert (mesh.resident - before) / len(callers) < 8 * 1024
        used = mesh.processor_time
        await asyncio.sleep(0.5)
        assert mesh.processor_time - used < 0.05
        assert (await first.ask(GET)).status == 200
        for caller in (first, *callers):
            caller.close()


@FASTEST
async def test_curl(setup: Setup, service: Service) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    async with running(setup, service) as mesh:

        async def curl(*arguments: str) -> str:
            process = await asyncio.create_subprocess_exec(
                "curl", "-sS", "--max-time", "5", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            return (await process.communicate())[0].decode()

        status = ("-o", os.devnull, "-w", "%{http_code} %{http_version} %{num_connects}\n")
        assert await curl(mesh.url) == "ok"
        assert await curl(*status, mesh.url, *status, mesh.url) == "200 1.1 1\n200 1.1 0\n"
        assert await curl(*status, "--http1.0", mesh.url) == "200 1.1 1\n"
        assert await curl(*status, "--http2", mesh.url) == "200 1.1 1\n"
        assert (
            await curl(*status, "-d", "x" * 5000, "-H", "Expect: 100-continue", "--expect100-timeout", "0.1", mesh.url)
            == "200 1.1 1\n"
        )
        assert await curl(*status, "-T", str(PROGRAM), "-H", "Transfer-Encoding: chunked", mesh.url) == "200 1.1 1\n"
        assert (await curl("-I", mesh.url)).startswith("HTTP/1.1 200 OK\r\n")
        assert (await curl(*status, "-X", "TRACE", mesh.url)).startswith("405 1.1")


@FASTEST
async def test_httpx(setup: Setup, service: Service) -> None:
    async with running(setup, service) as mesh, httpx.AsyncClient(base_url=mesh.url, trust_env=False) as client:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await client.request(method, "/a/b?c=d", content=b"x" * 100_000 if method != "GET" else None)
            assert (answer.status_code, answer.text) == (200, "ok")

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 1000

        assert (await client.post("/", content=pieces())).status_code == 200
        answers = await asyncio.gather(*(client.get("/") for _ in range(200)))
        assert {answer.status_code for answer in answers} == {200}
    gone = Service()
    gone.close()
    async with running(setup, gone) as mesh, httpx.AsyncClient(base_url=mesh.url, trust_env=False) as client:
        answer = await client.get("/")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["reason"], problem["fault"]) == (503, "upstream_refused", "app")
        assert answer.headers["x-minimesh-reason"].startswith("upstream_refused; service=api; tries=2; id=")
        assert problem["id"] in answer.headers["x-minimesh-reason"]


@pytest.mark.slow
@pytest.mark.alone
@EACH_CODEC
async def test_wrk_loses_no_request(setup: Setup, service: Service) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    async with running(setup, service) as mesh:
        process = await asyncio.create_subprocess_exec(
            "wrk", "-t1", "-c256", "-d3s", mesh.url, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
    assert int(re.findall(r"(\d+) requests in", said)[0]) > 1000, said


@pytest.mark.slow
@pytest.mark.alone
@FASTEST
async def test_slowhttptest_does_not_stop_the_service(setup: Setup, service: Service) -> None:
    """Slow heads, slow bodies and slow reading, at once and each of a mesh of its own."""
    if shutil.which("slowhttptest") is None:
        pytest.skip("slowhttptest is not installed")
    await asyncio.gather(*(attacked(setup, service, attack) for attack in ("-H", "-B", "-X")))


async def attacked(setup: Setup, service: Service, attack: str) -> None:
    async with running(setup, service) as mesh:
        process = await asyncio.create_subprocess_exec(
            *("slowhttptest", attack, "-c", "500", "-r", "200", "-i", "1", "-l", "8", "-p", "3", "-u", mesh.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = asyncio.ensure_future(process.communicate())
        served = 0
        while not said.done():
            caller = mesh.connection()
            started = time.monotonic()
            assert (await caller.ask(GET)).status == 200
            assert time.monotonic() - started < 1.0
            caller.close()
            served += 1
            await asyncio.sleep(0.05)
        assert served > 20
        text = re.sub(r"\x1b\[[0-9;]*m", "", (await said)[0].decode())
        assert "service available:   NO" not in text, text
        assert "service available" in text, text
