"""From other tools' files to an answer through the gateway: `init`, `up -d`, a request."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import free_port

PATIENCE = 60.0
MINIMESH = [sys.executable, "-m", "minimesh"]
ANSWER = """\
import http.server, os, sys, urllib.request

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        peer = os.environ.get("API_URL")
        behind = urllib.request.urlopen(peer + "/").read().decode() if peer and "web" in sys.argv else ""
        said = f"{sys.argv[1]} {behind}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Answer).serve_forever()
"""

Minimesh = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder with a program that answers, `answer.py NAME PORT`; what was started in it is ended."""
    (tmp_path / "answer.py").write_text(ANSWER)
    yield tmp_path
    subprocess.run([*MINIMESH, "down", "-t", "2"], cwd=tmp_path, capture_output=True, check=False, timeout=PATIENCE)


@pytest.fixture
def minimesh(project: Path) -> Minimesh:
    """Runs a command in the project, which has to succeed; gives its stdout."""

    def run(*words: str) -> str:
        # What the files call `python` is this Python.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(
            [*MINIMESH, *words], cwd=project, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def answer(minimesh: Minimesh) -> str:
    gateway = json.loads(minimesh("ps", "-o", "json"))[0]
    return httpx.get(f"http://{gateway['listen']}/").text


def test_a_procfile(project: Path, minimesh: Minimesh) -> None:
    (project / "Procfile").write_text(
        "release: touch released\n"
        "web: test -f released && exec python answer.py web $PORT\n"
        "worker: exec python -c 'import signal; signal.pause()'\n"
    )
    minimesh("init")
    minimesh("up", "-d")
    assert answer(minimesh) == "web "
    states = {row["name"]: row["state"] for row in json.loads(minimesh("ps", "-a", "-o", "json"))}
    assert states["worker"] == "running"


def test_a_compose_file_whose_services_call_each_other_through_the_mesh(project: Path, minimesh: Minimesh) -> None:
    port = free_port()
    (project / "app").mkdir()
    (project / "compose.yaml").write_text(
        f"""\
services:
  web:
    build: .
    command: python answer.py web $$PORT
    ports: ["8080:80"]
    environment:
      API_URL: http://api:{port}
    depends_on:
      api: {{condition: service_healthy}}
  api:
    build: {{context: app}}
    command: ["python", "../answer.py", "api", "{port}"]
    expose: ["{port}"]
    healthcheck: {{test: ["CMD", "curl", "-f", "http://localhost:{port}/"]}}
"""
    )
    minimesh("init")
    minimesh("up", "-d")
    assert answer(minimesh) == "web api "
    edges = {(edge["source"], edge["destination"]) for edge in json.loads(minimesh("edges", "-o", "json"))}
    assert edges == {("gateway", "web"), ("web", "api")}


def test_a_process_compose_file(project: Path, minimesh: Minimesh) -> None:
    port = free_port()
    (project / "process-compose.yaml").write_text(
        f"""\
processes:
  seed: {{command: echo seeded > seed.txt}}
  web:
    command: exec python answer.py "$(cat seed.txt)" {port}
    depends_on: {{seed: {{condition: process_completed_successfully}}}}
    readiness_probe: {{http_get: {{path: /, port: {port}}}}}
"""
    )
    minimesh("init", "--from", "process-compose")
    minimesh("up", "-d")
    assert answer(minimesh) == "seeded "
