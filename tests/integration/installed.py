"""A copy of minimesh that a test may change, as somebody has installed it, and a mesh of it."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minimesh
from minimesh.control.client import Client, NotRunningError
from tests import processes
from tests.processes import is_gone

PATIENCE = 40.0
SERVER = """\
import http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = str(os.getpid()).encode()
        if self.path == "/wait":
            open("asked", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.01)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Handler.log_message = lambda *told: None
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TOML = f"""\
version = 1
[mesh]
name = "shop"
[telemetry]
access_log = "access.log"
[gateway]
routes = [{{ path = "/*", to = "web" }}]
[services.web]
run = [{json.dumps(sys.executable)}, "server.py"]
ready = "/"
stop = "1s"
[services.tick]
run = "while true; do printf 'one '; sleep 0.2; echo half; done"
port = "none"
stop = "1s"
"""


class Installed:
    """A project, and a copy of the package that stands for what is installed: it can be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root / "shop"
        self.site = root / "site"
        self.root.mkdir()
        shutil.copytree(Path(minimesh.__file__).parent, self.site / "minimesh")  # with what is compiled of it
        (self.root / "server.py").write_text(SERVER)
        (self.root / "minimesh.toml").write_text(TOML)
        self.environment = {**os.environ, "PYTHONPATH": str(self.site)}
        self.client = Client(self.root)
        self.process: subprocess.Popen[str] | None = None
        self.python = sys.executable

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.site / "minimesh" / file
        text = path.read_text()
        assert old in text, file
        path.write_text(text.replace(old, new))

    def new_version(self, version: str = "9.9.9") -> None:
        self.edit("__init__.py", minimesh.__version__, version)

    def start(self, state: str = "ready", **more: Any) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [self.python, "-m", "minimesh", "up"],
            **{
                "cwd": self.root,
                "env": self.environment,
                "stdout": subprocess.DEVNULL,
                "stderr": subprocess.DEVNULL,
                "text": True,
                **more,
            },
        )
        process = self.process
        until(lambda: process.poll() is not None or self.mesh()["state"] == state)
        assert process.poll() is None, "see what `minimesh up` says in this folder"
        return process

    def run(self, *words: str, code: int = 0) -> str:
        ran = subprocess.run(
            [self.python, "-m", "minimesh", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ran.returncode == code, ran.stderr
        return ran.stdout + ran.stderr

    def mesh(self) -> dict[str, Any]:
        """{} between two images."""
        try:
            found: dict[str, Any] = self.client.get("/v1/mesh")
        except NotRunningError:
            return {"state": "", "image": 0, "upgraded": None}
        return found

    def services(self) -> dict[str, dict[str, Any]]:
        return {service["name"]: service for service in self.client.get("/v1/services")}

    def pids(self) -> dict[str, int]:
        return {name: service["pid"] for name, service in self.services().items()}

    def begin(self, within: float | None = None) -> int:
        """The image that will be there."""
        body = {"within_ms": None if within is None else within * 1000}
        return int(self.client.post("/v1/upgrade", body)["image"])

    def upgrade(self) -> dict[str, Any]:
        """The result."""
        image = self.begin()
        until(lambda: self.mesh()["image"] == image)
        result: dict[str, Any] = self.mesh()["upgraded"]
        return result

    def call(self, path: str = "/") -> str:
        connection = http.client.HTTPConnection(self.gateway, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read().decode()
        finally:
            connection.close()

    @property
    def gateway(self) -> str:
        return str(self.mesh()["gateway"]["address"])

    def lines(self, service: str) -> list[str]:
        lines = self.client.stream("/v1/logs", {"service": [service], "tail": 10_000})
        return [line["line"] for line in lines if line["stream"] != "mesh"]

    def descriptors(self) -> list[str]:
        assert self.process is not None
        found = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(entry.readlink()).partition(":")[0])
        return sorted(found)

    def stop(self) -> None:
        """Ends it where it runs, and shows that nothing is left."""
        process = self.process
        if process is None:
            return
        pids: list[int] = []
        if process.poll() is None:
            pids = [pid for pid in self.pids().values() if pid]
            process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        until(lambda: all(is_gone(pid) for pid in pids))
        assert not (self.root / ".minimesh/control.sock").exists()
        assert not (self.root / ".minimesh/run.json").exists()


def until(condition: Callable[[], object]) -> None:
    assert processes.until(condition, PATIENCE), "it never came"
