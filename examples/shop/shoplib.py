"""What the six programs share: a small HTTP server, and calls that carry the trace along.

A program is a `Service` with a few functions on paths. `call` asks another service; where that one lives
comes from the environment (`ORDERS_URL` and so on), which is all that a program knows of the mesh.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

# Whoever serves a request hands these on with the calls that it makes for it: so a trace stays whole.
PASSED_ON = ("traceparent", "tracestate", "x-request-id")
LARGEST_BODY = 64 * 1024
FINISH_WITHIN = 5.0  # seconds for the requests that are under way when we are told to stop
HANDLED = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("shop")
_thread = threading.local()  # .passed_on: headers of the request being served; .clients: by service


class Refused(Exception):  # noqa: N818 - reads as what it does where it is raised
    """No, and why; becomes an answer with this HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Request:
    path: str
    query: str
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, "the body is not JSON") from error
        if not isinstance(data, dict):
            raise Refused(400, "the body is not a JSON object")
        return data


@dataclass
class Answer:
    """A str is sent as HTML, anything else as JSON."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


def whole_number(data: dict[str, Any], key: str, at_most: int) -> int:
    value = data.get(key)
    if type(value) is not int or not 1 <= value <= at_most:
        raise Refused(400, f"{key} has to be a whole number from 1 to {at_most}")
    return value


# ---- serving ---------------------------------------------------------------------------------------------


class Service:
    """Functions on paths. `{name}` in a path is one segment, passed on as an argument of that name."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = []

    def on(self, method: str, path: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))

        def register(action: Callable[..., Answer]) -> Callable[..., Answer]:
            self._routes.append((method, pattern, action))
            return action

        return register

    def answer(self, method: str, request: Request) -> Answer:
        if request.path == "/healthz":
            return Answer(200, {"status": "ok"})
        known = [(verb, action, m) for verb, path, action in self._routes if (m := path.fullmatch(request.path))]
        for verb, action, match in known:
            if verb == method:
                return action(request, **{name: unquote(text) for name, text in match.groupdict().items()})
        raise Refused(405, f"{method} is not for {request.path}") if known else Refused(404, "no such page")

    def run(self, beside: Callable[[], None] | None = None) -> None:
        """Serve on $PORT until SIGTERM or SIGINT, then finish what is under way. beside: a worker without an end."""
        logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # before any thread: only sigwait takes them
        with _Server(("127.0.0.1", int(os.environ.get("PORT", "8000"))), _Handler) as server:
            server.service = self
            threading.Thread(target=server.serve_forever, daemon=True).start()
            if beside is not None:
                threading.Thread(target=beside, daemon=True).start()
            log.info("listening on port %d", server.server_port)
            signal.sigwait(HANDLED)
            log.info("stopping")
            server.stop()
        log.info("stopped")


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    service: Service
    stopping = False

    def __init__(self, *arguments: Any) -> None:
        self._busy = 0
        self._changed = threading.Condition()
        super().__init__(*arguments)

    @contextmanager
    def one_request(self) -> Iterator[None]:
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify()

    def stop(self) -> None:
        self.stopping = True
        self.shutdown()
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0, FINISH_WITHIN)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a caller that hung up is no mistake of ours
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection, with a thread of its own; so with calls of its own, too."""

    server: _Server
    protocol_version = "HTTP/1.1"  # keep-alive
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True

    def setup(self) -> None:
        _thread.clients = {}
        super().setup()

    def finish(self) -> None:
        super().finish()
        for client in _thread.clients.values():
            client.close()

    def serve(self) -> None:
        started = time.monotonic()
        with self.server.one_request():
            answer = self.answer()
            self.send(answer)
            self.wfile.flush()
        if self.path != "/healthz":
            milliseconds = (time.monotonic() - started) * 1000
            target = self.path.encode("unicode_escape").decode()
            request_id = self.headers.get("x-request-id", "-")
            log.info("%s %s %d %.1fms %s", self.command, target, answer.status, milliseconds, request_id)

    do_GET = do_HEAD = do_POST = serve  # noqa: N815 - the names that http.server looks for

    def answer(self) -> Answer:
        _thread.passed_on = {name: value for name in PASSED_ON if (value := self.headers.get(name))}
        method = "GET" if self.command == "HEAD" else self.command
        url = urlsplit(self.path)
        try:
            return self.server.service.answer(method, Request(url.path, url.query, self.body()))
        except Refused as refusal:
            return Answer(refusal.status, {"error": str(refusal)})
        except Exception:
            log.exception("%s %s", method, url.path)
            return Answer(500, {"error": "this is our mistake, see the log"})

    def body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        known = length.isdecimal() and "transfer-encoding" not in self.headers
        if known and int(length) <= LARGEST_BODY:
            return self.rfile.read(int(length))
        self.close_connection = True  # it stays unread, so no next request can be found behind it
        raise Refused(413, "the body is too large") if known else Refused(411, "say the body's Content-Length")

    def send(self, answer: Answer) -> None:
        html = isinstance(answer.content, str)
        body = (answer.content if html else json.dumps(answer.content)).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if html else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection or self.server.stopping:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing here: `serve` logs when the answer is on its way, with how long it took."""


# ---- calling ---------------------------------------------------------------------------------------------


class Reply(NamedTuple):
    status: int
    body: bytes


class Client:
    """One keep-alive connection to one base URL, for one thread."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self._base = parts.path.rstrip("/")
        self._connection = HTTPConnection(parts.netloc, timeout=timeout)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Raises OSError or HTTPException where no whole answer came."""
        sent = dict(headers or {})
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        reused = self._still_open()
        try:
            return self._once(method, self._base + path, content, sent)
        except (ConnectionError, HTTPException):
            # The server may close an idle connection just when we use it again. Asking twice for the same
            # thing does no harm; ordering twice does.
            if not reused or method != "GET":
                raise
            return self._once(method, self._base + path, content, sent)

    def _still_open(self) -> bool:
        """Whether there is a connection to use again. One that has something to say now has been closed."""
        socket = self._connection.sock
        if socket and select.select([socket], [], [], 0)[0]:
            self.close()
        return self._connection.sock is not None

    def _once(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            return Reply(response.status, response.read())
        except (OSError, HTTPException):
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()


def call(service: str, method: str, path: str, body: Any = None) -> Any:
    """Ask a service for JSON. What it refuses (4xx) is refused to our caller in the same words; else 502."""
    try:
        if service not in _thread.clients:
            _thread.clients[service] = Client(os.environ[f"{service.upper()}_URL"])
        reply = _thread.clients[service].request(method, path, body, _thread.passed_on)
        data = json.loads(reply.body)
    except (OSError, HTTPException, ValueError) as error:
        raise Refused(502, f"{service} gave no answer: {error}") from error
    if reply.status >= 500:
        raise Refused(502, f"{service} failed with {reply.status}")
    if reply.status >= 400:
        raise Refused(reply.status, data.get("error") or data.get("title") or "refused")
    return data
