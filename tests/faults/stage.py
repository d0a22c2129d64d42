"""A mesh of two services in a process of its own, to which things happen."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minimesh.control.client import Client, NotRunningError, RefusedError
from tests.processes import until

PATIENCE = 20.0
MINIMESH = [sys.executable, "-m", "minimesh"]
PROGRAM = """\
import http.server, os, signal, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = os.environ["NAME"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

Handler.log_message = lambda self, *told: print(self.path, flush=True)
if "DEAF" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILE = f"""\
version = 1
[mesh]
name = "faults"
[[gateway.routes]]
path = "/*"
to = "front"
[services.front]
run = [{json.dumps(sys.executable)}, "-S", "program.py"]
env = {{ NAME = "front" }}
ready = "/"
depends_on = ["back"]
[services.back]
run = [{json.dumps(sys.executable)}, "-S", "program.py"]
env = {{ NAME = "back" }}
ready = "/"
"""
SERVICES = ("front", "back")


class Stage:
    """A project folder and the meshes that run in it, one after another. Each service has a child of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = Client(root)
        self.mesh: subprocess.Popen[str] | None = None
        self._started: list[subprocess.Popen[str]] = []
        root.mkdir(exist_ok=True)
        (root / "program.py").write_text(PROGRAM)
        self.write(FILE)

    def write(self, text: str) -> None:
        (self.root / "minimesh.toml").write_text(text)

    def begin(self, env: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        """Starts a mesh and waits for nothing. env: beside the test's own."""
        self.mesh = subprocess.Popen(
            [sys.executable, "-m", "minimesh.control.daemon", "--root", str(self.root)],
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(self.mesh)
        return self.mesh

    def up(self, env: Mapping[str, str] = {}) -> None:
        mesh = self.begin(env)
        assert until(lambda: self.is_ready() or mesh.poll() is not None)
        assert mesh.poll() is None, self.output()
        assert until(self.answers), "it is ready and does not answer"

    def down(self) -> str:
        """Stops it as Ctrl-C does; what it wrote."""
        assert self.mesh is not None
        self.mesh.send_signal(signal.SIGINT)
        output = self.output()
        assert self.mesh.returncode == 0, output
        return output

    def kill(self) -> None:
        assert self.mesh is not None
        self.mesh.kill()
        self.output()

    def output(self) -> str:
        """What the mesh wrote, when it has ended; it is killed where it does not."""
        assert self.mesh is not None
        killer = threading.Timer(PATIENCE, self.mesh.kill)
        killer.start()
        output = self.mesh.communicate()[0]
        killer.cancel()
        assert "Traceback" not in output, output
        return output

    def close(self) -> None:
        for mesh in self._started:
            if mesh.poll() is None:
                mesh.send_signal(signal.SIGINT)
                try:
                    mesh.communicate(timeout=PATIENCE)
                except subprocess.TimeoutExpired:
                    mesh.kill()
                    mesh.communicate()
        for pid in self.processes():  # only where a test has failed
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # ---- what is to be seen of it

    def is_ready(self) -> bool:
        try:
            return bool(self.client.get("/v1/mesh")["state"] == "ready")
        except (NotRunningError, RefusedError):
            return False

    def services(self) -> dict[str, dict[str, Any]]:
        return {view["name"]: view for view in self.client.get("/v1/services")}

    def pids(self) -> dict[str, int]:
        return {name: view["pid"] for name, view in self.services().items() if name in SERVICES}

    def gateway(self) -> tuple[str, int]:
        host, _, port = self.client.get("/v1/mesh")["gateway"]["address"].rpartition(":")
        return host, int(port)

    def answers(self) -> bool:
        """A request through the gateway gets what the service says."""
        try:
            return get(self.gateway()) == "front"
        except (OSError, http.client.HTTPException, NotRunningError, RefusedError):
            return False

    def notes(self) -> list[str]:
        return [event["message"] for event in self.client.stream("/v1/events") if event.get("kind") == "note"]

    def minimesh(self, *words: str) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run([*MINIMESH, *words], cwd=self.root, capture_output=True, text=True, timeout=PATIENCE)
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran

    def processes(self) -> list[int]:
        """All that runs for this project, by its folder: services, their children, strays. Not the mesh itself."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            pid = int(entry.name)
            try:
                mine = entry.joinpath("cwd").readlink() == self.root
                dead = entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if mine and not dead and pid not in (os.getpid(), self.mesh.pid if self.mesh else 0):
                found.append(pid)
        return found


def get(address: tuple[str, int], path: str = "/", timeout: float = 5.0) -> str:
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
