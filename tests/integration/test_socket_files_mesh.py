"""Services at socket files in a real mesh: waited for, told of by their paths, called as any other, come and gone."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.test_cli_mesh import MINIMESH, run
from tests.processes import until

PATIENCE = 40.0
SERVER = """\
import http.server, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"asked {self.headers['host']} for {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message = lambda *told: None

socketserver.ThreadingUnixStreamServer("run/pay.sock", Handler).serve_forever()
"""
ECHO = """\
import socketserver

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello " + self.rfile.readline())

socketserver.ThreadingUnixStreamServer("run/echo.sock", Handler).serve_forever()
"""
TOML = """\
version = 1
[mesh]
name = "files"
[gateway]
routes = [{ path = "/*", to = "pay" }]
[services.pay]
address = "unix:run/pay.sock"
ready = "/healthz"
[services.echo]
address = "unix:run/echo.sock"
protocol = "tcp"
[tasks.ask]
run = "test -n \\"$PAY_URL\\" && test -n \\"$ECHO_ADDR\\""
depends_on = ["pay", "echo"]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Whose services are not there yet."""
    root = tmp_path_factory.mktemp("files")
    (root / "run").mkdir()
    (root / "minimesh.toml").write_text(TOML)
    with subprocess.Popen([*MINIMESH, "up"], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        assert until(lambda: subprocess.run([*MINIMESH, "ps", "-q"], cwd=root, capture_output=True).returncode == 0)
        yield root
        run(root, "down", "-t", "5")
        up.wait(PATIENCE)


@contextmanager
def program(root: Path, code: str) -> Iterator[None]:
    """Until the end of the block; its file stays."""
    with subprocess.Popen([sys.executable, "-c", code], cwd=root) as running:
        try:
            yield
        finally:
            running.kill()


def services(root: Path) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(run(root, "ps", "-o", "json").stdout)}


def test_files_are_waited_for_and_told_of_and_calls_come_through(mesh: Path) -> None:
    pay, echo = mesh / "run/pay.sock", mesh / "run/echo.sock"
    waits = services(mesh)["pay"]
    assert (waits["state"], waits["listen"]) == ("starting", f"unix:{pay}")
    assert str(waits["reason"]).startswith(f"unix:{pay}: no such file or directory")
    echo.write_text("")
    assert until(lambda: f"unix:{echo}: connection refused" in str(services(mesh)["echo"]["reason"]))
    echo.unlink()

    with program(mesh, SERVER), program(mesh, ECHO):
        run(mesh, "wait", "ask")
        gateway = f"http://{services(mesh)['gateway']['listen']}"
        assert httpx.get(f"{gateway}/a").text == "asked pay for /a"
        ask = "import os, socket; s = socket.create_connection((os.environ['ECHO_HOST'], os.environ['ECHO_PORT']))"
        told = f"{ask}; s.sendall(b'me\\n'); print(s.makefile().readline(), end='')"
        assert run(mesh, "exec", "ask", "--", sys.executable, "-c", told).stdout == "hello me\n"
        assert run(mesh, "port", "pay", "-q").stdout.splitlines()[0] == f"unix:{pay}"

    assert until(lambda: httpx.get(f"{gateway}/b").status_code == 503)
    answer = httpx.get(f"{gateway}/b").json()
    assert (answer["reason"], answer["detail"]) == ("upstream_refused", f"connect unix:{pay}: Connection refused")
    pay.unlink()
    with program(mesh, SERVER):
        assert until(lambda: httpx.get(f"{gateway}/c").status_code == 200)


def test_what_the_commands_say_of_them(mesh: Path) -> None:
    told = json.loads(run(mesh, "describe", "pay", "-o", "json").stdout)["settings"]
    assert {each["key"]: each["value"] for each in told}["services.pay.address"] == "unix:run/pay.sock"
    assert 'address = "unix:run/pay.sock"' in run(mesh, "config").stdout
    planned = run(mesh, "up", "--dry-run").stdout.splitlines()
    assert any(line.startswith("pay ") and line.endswith(f"unix:{mesh}/run/pay.sock") for line in planned)
    assert "pay" in run(mesh, "graph").stdout
