"""The way in for every program that is not the mesh: HTTP over its Unix socket. Standard library only."""

import http.client
import json
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import quote, urlencode

from minimesh.control.paths import StateFolder
from minimesh.control.views import ErrorBody, ErrorView

PATIENCE = 2.0
"""Seconds without a sign of the mesh until people are told what is waited for."""

Parameters: TypeAlias = Mapping[str, str | int | float | list[str] | None]
"""Query parameters; None and the empty list are left out, a list is repeated."""


class NotRunningError(Exception):
    """No mesh answers for this project."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"no mesh is running in {root}")
        self.root = root


class RefusedError(Exception):
    """The mesh answered with an error. `code`, `message` and `help` are for people, `body` is all that it said."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        help: str | None = None,  # noqa: A002 - the field's name
        body: ErrorBody | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.help = help
        self.body: ErrorBody = body or {"code": code, "message": message}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Client:
    """Speaks to the mesh that runs in `root` (absolute). Every method raises NotRunningError or RefusedError."""

    def __init__(self, root: Path, timeout: float = 10.0) -> None:
        self.root = root
        self._timeout = timeout

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """The answer of GET `/v1/…` as JSON: one of `minimesh.control.views`, or a list of it."""
        return self._whole("GET", path, parameters, None)

    def post(self, path: str, body: object = None, slow: Callable[[], object] | None = None) -> Any:
        """The answer of POST, None where it has no body. `slow` is called when there is none after PATIENCE."""
        return self._whole("POST", path, None, body, slow)

    def stream(self, path: str, parameters: Parameters | None = None, method: str = "GET") -> Iterator[dict[str, Any]]:
        """The objects of a live view as they come; ends with the view, or when the mesh has stopped."""
        return (item for item in self.ticking(path, parameters, None, method) if item is not None)

    def ticking(
        self, path: str, parameters: Parameters | None, every: float | None, method: str = "GET"
    ) -> Iterator[dict[str, Any] | None]:
        """The same, with None for each `every` seconds in which nothing came.

        So who waits for both needs no thread beside the one that reads: a signal which another thread takes does not
        wake the reader.
        """
        connection = _UnixConnection(self.socket, self._timeout)
        try:
            answer = self._send(connection, method, path, parameters, None)
            sock = connection.sock  # None where the mesh said that it will close
            if sock is not None:
                sock.settimeout(None)
            while True:
                if every is not None and sock is not None and not _comes(answer, sock, every):
                    yield None
                elif not (line := answer.readline()).endswith(b"\n"):
                    return  # its end, or cut: the mesh was killed
                elif line.strip():
                    yield json.loads(line)
        except (ConnectionError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _whole(
        self,
        method: str,
        path: str,
        parameters: Parameters | None,
        body: object,
        slow: Callable[[], object] | None = None,
    ) -> Any:
        connection = _UnixConnection(self.socket, self._timeout)
        try:
            content = self._send(connection, method, path, parameters, body, slow).read()
        finally:
            connection.close()
        return json.loads(content) if content else None

    def _send(
        self,
        connection: _UnixConnection,
        method: str,
        path: str,
        parameters: Parameters | None,
        body: object,
        slow: Callable[[], object] | None = None,
    ) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body)
        headers = {} if content is None else {"content-type": "application/json"}
        try:
            connection.request(method, path + query(parameters), content, headers)
            if slow is not None and not _is_readable(connection.sock, PATIENCE):
                slow()
            answer = connection.getresponse()
        except TimeoutError as error:
            raise RefusedError(504, "no_answer", f"the mesh did not answer in {self._timeout:g} s") from error
        except PermissionError as error:
            message = f"{self.root} is another user's project: a mesh there answers to its owner alone"
            raise RefusedError(403, "not_yours", message, f"ls -ld {self.root}/.minimesh") from error
        except (OSError, http.client.HTTPException) as error:
            raise NotRunningError(self.root) from error
        if answer.status >= 400:
            raise refusal(answer.status, answer.read())
        return answer

    @property
    def socket(self) -> Path:
        """Where a mesh of this project listens, if one runs."""
        return StateFolder(self.root).bound_socket()


def _comes(answer: http.client.HTTPResponse, sock: socket.socket, seconds: float) -> bool:
    """Whether something of the body, or its end, is there or comes in so many seconds."""
    sock.settimeout(0)
    read = answer.fp.peek()  # what has been read already, beside the end of the chunk before
    sock.settimeout(None)
    return bool(read.strip()) or _is_readable(sock, seconds)


def _is_readable(sock: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def query(parameters: Parameters | None) -> str:
    """What follows the path, with its question mark."""
    pairs = [
        (name, value)
        for name, values in (parameters or {}).items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    ]
    return f"?{urlencode(pairs)}" if pairs else ""


def refusal(status: int, content: bytes) -> RefusedError:
    """Out of an answer of 4xx or 5xx."""
    try:
        error = cast("ErrorView", json.loads(content))["error"]
        return RefusedError(status, error["code"], error["message"], error.get("help"), error)
    except (ValueError, KeyError, TypeError):
        return RefusedError(status, "unreadable", f"the mesh answered {status}", None)
