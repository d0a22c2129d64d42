"""Probes against sockets that are held by the test itself."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minimesh.model.address import Address, UnixAddress
from minimesh.supervise.dial import request
from minimesh.supervise.probe import Answer, Cause, LogWatch, ask_http, ask_tcp

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@contextmanager
def server(answer: bytes | None, heard: list[bytes] | None = None) -> Iterator[Address]:
    """Accepts one connection, reads a request and says `answer`; with None it never accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(listener, answer, heard):
        yield Address("127.0.0.1", listener.getsockname()[1])


@contextmanager
def server_at(file: Path, answer: bytes | None, heard: list[bytes] | None = None) -> Iterator[UnixAddress]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(file))
        listener.listen(0)
        with serving(listener, answer, heard):
            yield UnixAddress(str(file))


@contextmanager
def serving(listener: socket.socket, answer: bytes | None, heard: list[bytes] | None) -> Iterator[None]:
    def serve() -> None:
        with listener.accept()[0] as peer:
            data = peer.recv(4096)
            if heard is not None:
                heard.append(data)
            peer.sendall(answer or b"")

    thread = threading.Thread(target=serve) if answer is not None else None
    if thread is not None:
        thread.start()
    yield
    if thread is not None:
        thread.join(5)


def unused() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Address("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Answer(True, "GET /healthz 200")),
        (b"HTTP/1.0 302 Found\r\n\r\n", Answer(True, "GET /healthz 302")),
        (b"HTTP/1.1 503 \r\n\r\n", Answer(False, "/healthz 503")),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Answer(False, "/healthz 404")),
        (b"SSH-2.0-OpenSSH\r\n", Answer(False, "/healthz: no HTTP answer")),
        (b"", Answer(False, "/healthz: no HTTP answer")),
    ],
)
async def test_http(said: bytes, answer: Answer) -> None:
    heard: list[bytes] = []
    with server(said, heard) as address:
        assert await ask_http((address,), "/healthz", 2.0, "pay") == answer
    assert b"\r\nuser-agent: minimesh-probe\r\n" in heard[0]


async def test_http_without_an_answer_in_time() -> None:
    with server(None) as address:
        assert await ask_http((address,), "/", 0.05, "pay") == Answer(False, f"tcp {address}: no answer in 0.05 s")


async def test_tcp_and_refused() -> None:
    with server(None) as address:
        assert await ask_tcp((address,), 1.0) == Answer(True, f"tcp {address}")
    refused = unused()
    assert await ask_tcp((refused,), 1.0) == Answer(False, f"tcp {refused}: connection refused")


async def test_the_second_address_counts_and_the_first_gives_the_cause() -> None:
    refused = unused()
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as address:
        assert await ask_http((refused, address), "/", 1.0, "pay") == Answer(True, "GET / 200")
    other = unused()
    assert (await ask_tcp((refused, other), 1.0)).text == f"tcp {refused}: connection refused"


async def test_without_an_address_there_is_nothing_to_ask() -> None:
    assert await ask_tcp((), 1.0) == Answer(False, "it has no port to ask")


async def test_a_socket_file_is_asked_for_the_service(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with server_at(tmp_path / "pay.sock", b"HTTP/1.1 200 OK\r\n\r\n", heard) as address:
        assert await ask_http((address,), "/healthz", 2.0, "pay") == Answer(True, "GET /healthz 200")
    assert b"\r\nhost: pay\r\n" in heard[0]


async def test_an_answer_from_a_socket_file_is_heard_out(tmp_path: Path) -> None:
    """Who writes to one whose other end is closed fails, and says so at length in its log."""
    file, told = tmp_path / "pay.sock", asyncio.Event()
    broken: list[OSError] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
            for _ in range(2):
                writer.write(b"fine")
                await writer.drain()
        except OSError as error:
            broken.append(error)
        finally:
            writer.close()
            told.set()

    async with await asyncio.start_unix_server(serve, file):
        assert (await ask_http((UnixAddress(str(file)),), "/", 5.0, "pay")).ok
        await asyncio.wait_for(told.wait(), 5.0)
    assert broken == []


async def test_why_nobody_answers_at_a_socket_file(tmp_path: Path) -> None:
    missing, plain, full = tmp_path / "missing", tmp_path / "plain", tmp_path / "full"
    plain.write_text("")
    for file, why in ((missing, "no such file or directory"), (plain, "connection refused")):
        assert await ask_tcp((UnixAddress(str(file)),), 1.0) == Answer(False, f"unix:{file}: {why}")
    with server_at(full, None) as address, socket.socket(socket.AF_UNIX) as first:
        assert await ask_tcp((address,), 1.0) == Answer(True, f"unix:{full}")
        first.setblocking(False)
        assert first.connect_ex(str(full)) == errno.EAGAIN, "there is room for one, which has left"
        assert await ask_tcp((address,), 1.0) == Answer(False, f"unix:{full}: does not accept")


async def test_a_name_that_is_none() -> None:
    answer = await ask_tcp((Address("a..b", 80),), 5.0)
    assert not answer.ok
    assert answer.text.startswith("tcp a..b:80: ")


async def test_a_log_line_that_matches() -> None:
    watch = LogWatch("listening on .*:80")
    watch.look(["starting"])
    assert await watch.ask(0.01) == Answer(False, "no line matches 'listening on .*:80'")
    watch.look(["noise", "now listening on localhost:80"])
    assert await watch.ask(5.0) == Answer(True, "log 'listening on .*:80'")


def test_a_path_cannot_smuggle_anything() -> None:
    assert request("/a b\r\nx: y?q=1", "h").startswith(b"GET /a%20b%0D%0Ax:%20y?q=1 HTTP/1.1\r\nhost: h\r\n")


def test_a_cause_knows_since_when() -> None:
    cause = Cause()
    assert cause.note(Answer(False, "/healthz 503"), 10.0) == "/healthz 503 for 0.0 s"
    assert cause.note(Answer(False, "/healthz 503"), 10.6) == "/healthz 503 for 0.6 s"
    assert cause.note(Answer(False, "refused"), 11.0) == "refused for 0.0 s"
