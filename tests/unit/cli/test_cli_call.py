"""`minimesh call`: what is sent, and what becomes of the answer."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from minimesh.cli.call import _copy
from minimesh.cli.context import Context
from minimesh.cli.terminal import Terminal

Command = Callable[..., tuple[int, str, str]]


class _Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * 1_000_000 if self.path == "/large" else f"{self.requestline}|".encode()
        body += "|".join(f"{name}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body) + (9 if self.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/cut"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def called(mesh: Any) -> Iterator[None]:
    """A mesh whose gateway is a service that answers with what it was sent."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        way = {"caller": "gateway", "address": address, "url": "http://a.test/", "variable": None, "route": "/*"}
        mesh.give("/v1/services/web/ports", {"name": "web", "listens": [], "shared": None, "reached": [way]})
        yield
        server.shutdown()
        thread.join()


def test_fields_are_sent_in_their_order_and_the_host_that_was_typed(called: None, minimesh: Command) -> None:
    words = ("-H", "X-A: 1", "-H", "X-A: 2", "-H", "Host: b.test")
    assert minimesh("call", "web", "/x", *words)[1] == "GET /x HTTP/1.1|Host: b.test|X-A: 1|X-A: 2|accept: */*"
    assert "|Host: a.test|" in minimesh("call", "web", "/x")[1]


def test_what_is_no_text_is_sent_as_it_was_typed(called: None, minimesh: Command) -> None:
    code, out, _ = minimesh("call", "web", "/\udcff#1", "-H", "X-A: \udcff")
    assert (code, out.partition(" HTTP")[0]) == (0, "GET /%FF%231")
    assert "|X-A: ÿ|" in out


def test_what_cannot_be_a_method_is_a_usage_error(called: None, minimesh: Command) -> None:
    for method in ("GE T", "GÉT", ""):
        assert minimesh("call", "web", "/", "-X", method)[0] == 2


def test_an_answer_that_breaks_off_is_no_success(called: None, minimesh: Command) -> None:
    code, out, err = minimesh("call", "web", "/cut")
    assert (code, out[:8]) == (1, "GET /cut")
    assert err.startswith("error[MM409]: the answer of web broke off: ")


def test_a_reader_that_leaves_is_no_failure(called: None, project: Path) -> None:
    command = [sys.executable, "-m", "minimesh", "-q", "call", "web", "/large"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert os.read(process.stdout.fileno(), 1) == b"x"
        process.stdout.close()
        assert (process.wait(20), process.stderr.read()) == (0, b"")


def test_on_a_terminal_letters_stay_whole_and_the_last_line_ends() -> None:
    screen = StringIO()
    out = Terminal(screen, colour=False, width=80)
    _copy(Context(out, out), iter(("é\x1b[2J".encode()[:1], "é\x1b[2J".encode()[1:])))
    assert screen.getvalue() == "é\\x1b[2J\n"
