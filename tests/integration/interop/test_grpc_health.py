"""`ready = { grpc = true }`: what a probe hears from programs with a health service, and from others."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from minimesh.model.address import Address, Dialable, UnixAddress
from minimesh.supervise.probe import Answer, ask_grpc

pytestmark = pytest.mark.anyio
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
NONE = "it has no gRPC health service: use ready = { tcp = true }"


@contextmanager
def program(states: dict[str, bytes] | None, file: Path | None = None) -> Iterator[Dialable]:
    """A server of gRPC, at a port or a socket file: the states of its services, or None where it has no health service
    at all."""
    asked: list[dict[str, str]] = []

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append({name: str(value) for name, value in context.invocation_metadata()})
        name = request[2:].decode()
        if name not in (states or {}):
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return (states or {})[name]

    server = grpc.server(ThreadPoolExecutor(2))
    if states is not None:
        methods: dict[str, Any] = {"Check": grpc.unary_unary_rpc_method_handler(check)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods),))
    port = server.add_insecure_port("127.0.0.1:0" if file is None else f"unix:{file}")
    server.start()
    yield Address("127.0.0.1", port) if file is None else UnixAddress(str(file))
    assert all(headers["user-agent"] == "minimesh-probe" for headers in asked)
    server.stop(None).wait()


@pytest.mark.parametrize(
    ("states", "service", "answer"),
    [
        ({"": SERVING}, "", Answer(True, "health: SERVING")),
        ({"": NOT_SERVING}, "", Answer(False, "health: NOT_SERVING")),
        ({"": b""}, "", Answer(False, "health: UNKNOWN")),
        ({"": b"\x08\x07"}, "", Answer(False, "health: 7")),
        ({"a.B": SERVING}, "a.B", Answer(True, "health of a.B: SERVING")),
        ({"": SERVING}, "a.B", Answer(False, "its health service does not know a.B")),
        (None, "", Answer(False, NONE, sentence=True)),
    ],
)
async def test_what_it_says(states: dict[str, bytes] | None, service: str, answer: Answer) -> None:
    with program(states) as address:
        assert await ask_grpc((address,), service, 5.0, "pay") == answer


async def test_a_socket_file_is_asked_as_well(tmp_path: Path) -> None:
    with program({"": SERVING}, tmp_path / "pay.sock") as address:
        assert await ask_grpc((address,), "", 5.0, "pay") == Answer(True, "health: SERVING")


@contextmanager
def stranger(said: bytes | None) -> Iterator[Address]:
    """Says this and closes; None: says nothing and waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as peer:
                peer.recv(4096)
                if said is None:
                    peer.recv(4096)
                else:
                    peer.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        thread.join(5)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "health: it does not speak HTTP/2"),
        (
            b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\1\4\0\0\0\1\x88" + b"\0\0\0\0\1\0\0\0\1",
            "health: HTTP 200 and no status of gRPC",
        ),
        (b"<!DOCTYPE HTML>\n<h1>Bad request</h1>", "health: it does not speak HTTP/2"),
        (b"", "health: connection lost"),
    ],
)
async def test_what_is_no_answer(said: bytes, text: str) -> None:
    with stranger(said) as address:
        answer = await ask_grpc((address,), "", 5.0, "pay")
    assert (answer.ok, answer.text) == (False, text)


async def test_nothing_in_time() -> None:
    with stranger(None) as address:
        assert await ask_grpc((address,), "", 0.05, "pay") == Answer(False, f"tcp {address}: no answer in 0.05 s")
