"""curl, nghttp and h2load against the mesh, before services of either version of HTTP; skipped where they are not."""

import asyncio
import http.server
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

from minimesh.testing.conformance.http2.wire import Code, goaway
from tests.integration.dataplane.stage import EACH_CODEC, FASTEST, GATEWAY, Stage, until

pytestmark = pytest.mark.anyio

BODY = b"hello from a service\n" * 2_000


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"no {' and '.join(missing)} here")


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Hangs up when it is over, whatever its callers would still keep."""

    request_queue_size = 256

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), lambda *given: Handler(*given, directory=str(folder)))
        self.accepted: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.accepted.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page").write_bytes(BODY)
    return tmp_path


@contextmanager
def http1(folder: Path) -> Iterator[int]:
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def http2(folder: Path) -> AsyncIterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: ASYNC220 - it is only started
        ["nghttpd", "--no-tls", "--echo-upload", "-a", "127.0.0.1", "-d", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await until(lambda: _listens(port), "nghttpd listens")
        yield port, server
    finally:
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def service(stage: Stage, version: str, folder: Path) -> AsyncIterator[str]:
    """The address of the mesh before a service of that version of HTTP."""
    if version == "1":
        with http1(folder) as port:
            stage.open(ports=(port,))
            yield "http://{}:{}".format(*stage.plane.address(GATEWAY))
    else:
        async with http2(folder) as (port, _):
            stage.open(ports=(port,))
            yield "http://{}:{}".format(*stage.plane.address(GATEWAY))


def _leave_after(most: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A service on the h2 library that takes so many requests on a connection."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        taken = 0
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    taken += 1
                    if taken > most:
                        connection.reset_stream(event.stream_id, error_code=7)
                        continue
                    connection.send_headers(event.stream_id, [(":status", "204")], end_stream=True)
                    if taken == most:
                        # What is behind that stream has not been looked at.
                        writer.write(connection.data_to_send() + goaway(event.stream_id, Code.NO_ERROR))
            writer.write(connection.data_to_send())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, h2.exceptions.ProtocolError):
            await converse(reader, writer)
        writer.close()

    return serve


async def run(*command: str, data: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, errors = await process.communicate(data)
    assert process.returncode == 0, (command, out[-500:], errors[-500:])
    return out


@needs("curl", "nghttpd")
@EACH_CODEC
@pytest.mark.parametrize("version", ["1", "2"])
async def test_curl(bare: Stage, folder: Path, version: str) -> None:
    async with service(bare, version, folder) as mesh:
        for way, spoken in (("--http2-prior-knowledge", b"2"), ("--http2", b"1.1"), ("--http1.1", b"1.1")):
            curl = ("curl", "-sS", way, "-w", "%{http_code} %{http_version}")
            assert await run(*curl, f"{mesh}/page") == BODY + b"200 " + spoken
            assert await run(*curl, "-o", "/dev/null", "-I", f"{mesh}/page") == b"200 " + spoken
            assert await run(*curl, f"{mesh}/none", "-o", "/dev/null") == b"404 " + spoken
            echoed = await run(*curl, "--data-binary", "@-", f"{mesh}/page", data=BODY)
            assert echoed == BODY + b"200 " + spoken


@needs("nghttp", "nghttpd")
@EACH_CODEC
@pytest.mark.parametrize("version", ["1", "2"])
async def test_nghttp(bare: Stage, folder: Path, version: str) -> None:
    (folder / "upload").write_bytes(BODY)
    async with service(bare, version, folder) as mesh:
        said = await run("nghttp", "-v", "-m", "40", "-n", f"{mesh}/page", f"{mesh}/page?other")
        assert said.count(b":status: 200") == 80
        upload = ("-p", "7", "--trailer", "sum: 42", "-d", str(folder / "upload"))
        said = await run("nghttp", "-v", "-n", *upload, f"{mesh}/page")
        assert said.count(b":status: 200") == 1


@needs("h2load", "nghttpd")
@FASTEST
@pytest.mark.parametrize("version", ["1", "2"])
async def test_h2load(bare: Stage, folder: Path, version: str) -> None:
    async with service(bare, version, folder) as mesh:
        said = await run("h2load", "-n", "600", "-c", "5", "-m", "20", f"{mesh}/page")
        assert b"600 succeeded, 0 failed, 0 errored, 0 timeout" in said
        said = await run("h2load", "-n", "200", "-c", "2", "-m", "10", "-w", "10", "-W", "10", f"{mesh}/page")
        assert b"200 succeeded, 0 failed, 0 errored, 0 timeout" in said


@needs("h2load", "nghttpd")
@FASTEST
async def test_an_endpoint_is_killed_under_load(bare: Stage, folder: Path) -> None:
    """At most what it was at is lost, and each of these is told so; all others go to the one that is left."""
    async with http2(folder) as (first, killed), http2(folder) as (second, _):
        bare.open(ports=(first, second))
        mesh = "http://{}:{}".format(*bare.plane.address(GATEWAY))
        load = asyncio.ensure_future(run("h2load", "-n", "3000", "-c", "4", "-m", "10", f"{mesh}/page"))
        await until(lambda: bare.telemetry.ring.total > 300)
        killed.send_signal(signal.SIGKILL)
        said = (await load).decode()
        statuses = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, (\d+) 5xx", said)
        assert statuses is not None
        assert int(statuses[1]) + int(statuses[2]) == 3_000
        assert int(statuses[2]) <= 40


@needs("h2load")
@FASTEST
async def test_an_endpoint_that_leaves_again_and_again(bare: Stage) -> None:
    """GOAWAY after every 50 requests: none fails."""
    server = await asyncio.start_server(_leave_after(50), "127.0.0.1", 0)
    async with server:
        bare.open(ports=(server.sockets[0].getsockname()[1],))
        mesh = "http://{}:{}".format(*bare.plane.address(GATEWAY))
        said = await run("h2load", "-n", "1000", "-c", "3", "-m", "10", f"{mesh}/page")
        assert b"1000 succeeded, 0 failed, 0 errored, 0 timeout" in said
