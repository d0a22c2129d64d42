"""A control API with canned answers, and a way to run commands in this process."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from minimesh.cli.app import run


class Answer(NamedTuple):
    status: int
    body: object


class FakeMesh:
    """Answers by path; a list under a streaming path is sent as JSON Lines. `asked` is what came."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[str, object] = {}
        self.asked: list[tuple[str, str, dict[str, list[str]], object]] = []

    def give(self, path: str, body: object, status: int = 200) -> None:
        self.answers[path] = Answer(status, body)

    def refuse(self, path: str, status: int, message: str) -> None:
        self.give(path, {"error": {"code": "test", "message": message}}, status)


STREAMS = frozenset({"/v1/tap", "/v1/logs", "/v1/events"})


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    mesh: FakeMesh


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer(json.loads(content) if content else None)

    def _answer(self, body: object) -> None:
        target = urlsplit(self.path)
        self.server.mesh.asked.append((self.command, target.path, parse_qs(target.query), body))
        answer = self.server.mesh.answers.get(target.path)
        if not isinstance(answer, Answer):
            answer = Answer(404, {"error": {"code": "not_found", "message": f"nothing at {target.path}"}})
        if target.path in STREAMS and isinstance(answer.body, list):
            content = "".join(f"{json.dumps(item)}\n" for item in answer.body).encode()
        else:
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if content:
            self.wfile.write(content)

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the current one; nothing of the caller's environment speaks to minimesh."""
    for name in ("MINIMESH_FILE", "MINIMESH_PROJECT", "MINIMESH_DEBUG", "NO_COLOR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("p").resolve()
    monkeypatch.chdir(folder)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield folder
    time.tzset()


@pytest.fixture
def mesh(project: Path) -> Iterator[FakeMesh]:
    """A mesh that runs in the current folder."""
    (project / ".minimesh").mkdir()
    fake = FakeMesh(project)
    with _Server(str(project / ".minimesh" / "control.sock"), _Handler) as server:
        server.mesh = fake
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def minimesh(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line in this process, with stdout and stderr that are no terminals."""

    def command(*words: str) -> Ran:
        code = run(words)
        return Ran(code, *capsys.readouterr())

    return command
