"""A live view that somebody waits for: what comes, and that nothing comes."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesh.control import client as module
from minimesh.control.client import Client
from minimesh.control.paths import StateFolder

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
SOON = 0.01
PATIENCE = 10.0


class Mesh:
    """The other end of the control socket: sends what a test says, when it says so."""

    def __init__(self, root: Path) -> None:
        socket_file = StateFolder(root).bound_socket()
        socket_file.parent.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_file))
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._answer: socket.socket | None = None

    def accept(self, answer: bytes = b"") -> None:
        self._answer, _ = self._listener.accept()
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._answer.recv(4096)
        self.send(answer)

    def send(self, content: bytes) -> None:
        assert self._answer is not None
        self._answer.sendall(content)

    def close(self) -> None:
        self._listener.close()
        if self._answer is not None:
            self._answer.close()


def chunk(*items: object) -> bytes:
    lines = "".join(f"{json.dumps(item)}\n" for item in items).encode()
    return b"%x\r\n%b\r\n" % (len(lines), lines)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    mesh = Mesh(tmp_path)
    yield mesh
    mesh.close()


@pytest.fixture
def ticks(mesh: Mesh, tmp_path: Path) -> Iterator[dict[str, object] | None]:
    """A view of which a tick is due each SOON; the head of the answer has been sent."""
    reader = Client(tmp_path).ticking("/v1/tap", {}, SOON)
    opening = threading.Thread(target=mesh.accept, args=[HEAD])
    opening.start()
    assert next(reader) is None
    opening.join(PATIENCE)
    return reader


def test_a_tick_for_each_time_in_which_nothing_comes(mesh: Mesh, ticks: Iterator[dict[str, object] | None]) -> None:
    assert next(ticks) is None
    mesh.send(chunk({"a": 1}))
    assert next(ticks) == {"a": 1}
    assert next(ticks) is None  # the end of the chunk that was read is nothing new
    mesh.send(chunk({"a": 2}, {"a": 3}) + chunk({"a": 4}))
    assert [next(ticks), next(ticks), next(ticks)] == [{"a": 2}, {"a": 3}, {"a": 4}]
    assert next(ticks) is None
    mesh.send(b"0\r\n\r\n")
    assert next(ticks, "the end") == "the end"


def test_a_line_in_pieces_is_waited_for(mesh: Mesh, ticks: Iterator[dict[str, object] | None]) -> None:
    content = chunk({"name": "payments"})
    mesh.send(content[:8])
    rest = threading.Timer(5 * SOON, mesh.send, [content[8:]])
    rest.start()
    assert next(ticks) == {"name": "payments"}
    rest.join(PATIENCE)


def test_a_mesh_that_dies_ends_the_view(mesh: Mesh, ticks: Iterator[dict[str, object] | None]) -> None:
    mesh.close()
    assert next(ticks, "the end") == "the end"


def test_a_slow_answer_is_told_and_still_taken(mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", SOON)
    slow = threading.Event()

    def answer() -> None:
        mesh.accept()
        assert slow.wait(PATIENCE)
        mesh.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    opening = threading.Thread(target=answer)
    opening.start()
    assert Client(tmp_path).post("/v1/change", {}, slow.set) == {}
    opening.join(PATIENCE)
