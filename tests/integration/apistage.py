"""A real mesh in this process, and its control API: each answer is held to the OpenAPI document."""

import http.client
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types

from minimesh.control.client import Client
from minimesh.control.daemon import run
from minimesh.control.report import Event, Ready, UpOptions

PATIENCE = 20.0

PROGRAM = """
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = int(self.path[8:11]) if self.path.startswith("/status/") else 200
        body = b"hello"
        if self.path == "/orders":
            body = urlopen(os.environ["ORDERS_URL"] + "/").read()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

print("café \\x1b[1mlistening", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

FILE = f'''
version = 1
[mesh]
name = "shop"
[gateway]
routes = [{{ path = "/*", to = "web" }}, {{ path = "/partner/*", to = "partner" }}]
[services.web]
run = ["{sys.executable}", "app.py"]
env = {{ GREETING = "hello from ${{self.port}}" }}
ready = "/healthz"
depends_on = ["orders"]
[services.orders]
run = "exec {sys.executable} app.py"
ready = "/healthz"
replicas = 2
[services.worker]
run = ["sleep", "1000"]
port = "none"
[services.partner]
address = "127.0.0.1:9"
ready = {{ tcp = true, every = "100ms", within = "300ms" }}
[tasks.seed]
run = ["true"]
[telemetry]
access_log = {{ path = "access.log", format = "json" }}
'''


class Api:
    """A client that holds every answer to the document, and remembers which operations it has seen."""

    def __init__(self, root: Path) -> None:
        self.client = Client(root)
        self.document = self.client.get("/v1/openapi.json")
        self.seen = {"document"}

    def get(self, path: str, template: str | None = None, /, **parameters: Any) -> Any:
        answer = self.client.get(path, parameters)
        self.check("get", template or path, 200, answer)
        return answer

    def post(self, path: str, template: str | None = None, body: object = None, status: int = 204) -> Any:
        answer = self.client.post(path, body)
        self.check("post", template or path, status, answer)
        return answer

    def stream(
        self, path: str, template: str | None = None, method: str = "get", /, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        for view in self.client.stream(path, parameters, method.upper()):
            self.check(method, template or path, 200, view)
            yield view

    def check(self, method: str, template: str, status: int, answer: object) -> None:
        operation = self.document["paths"][template][method]
        self.seen.add(operation["operationId"])
        content = operation["responses"][str(status)].get("content")
        if content is None:
            assert answer is None
            return
        (media,) = content.values()
        schema = {**media["schema"], "components": self.document["components"]}
        jsonschema.validate(answer, schema, cls=jsonschema.Draft202012Validator)


class Running:
    """A mesh in a thread, and what it reported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[Event] = []
        self.ready = threading.Event()
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE), self.events
        self.api = Api(root)

    def _run(self) -> None:
        self.code = run(UpOptions(self.root), self._report)
        self.ready.set()

    def _report(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Ready):
            self.ready.set()

    def ask(self, path: str) -> int:
        """GET at the gateway; the status."""
        host, _, port = self.api.client.get("/v1/mesh")["gateway"]["address"].rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()
