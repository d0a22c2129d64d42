"""The control API for a loop: HTTP/1.0 over its Unix socket, so that every answer ends with its connection.

What `minimesh.control.client` is to a command, but cancellable. httpx would take 0.14 s of the half second in which
something is to be seen.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Protocol

from minimesh.control.client import Client, NotRunningError, Parameters, RefusedError, query, refusal

READ_AT_ONCE = 256 * 1024
LONGEST_LINE = 16 * 1024 * 1024
"""Of a stream. The live view of a thousand services is about a megabyte."""


class Source(Protocol):
    """Where the screens get everything from. All raise NotRunningError and RefusedError."""

    async def get(self, path: str) -> Any:
        """The answer of GET `/v1/…`: one of `minimesh.control.views`."""
        ...

    async def post(self, path: str, body: object = None) -> Any:
        """The answer of POST, None where it has no body."""
        ...

    def stream(self, path: str, parameters: Parameters) -> AsyncIterator[list[Any]]:
        """The objects of a live view, as many at once as have come; ends with the mesh."""
        ...


class Api:
    """Speaks to the mesh of one project folder; a connection for each question."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def get(self, path: str) -> Any:
        return await self._whole("GET", path, None)

    async def post(self, path: str, body: object = None) -> Any:
        return await self._whole("POST", path, body)

    async def stream(self, path: str, parameters: Parameters) -> AsyncIterator[list[Any]]:
        async with aclosing(self._body("GET", path + query(parameters), None)) as body:
            rest = b""
            async for data in body:
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise RefusedError(502, "unreadable", "the mesh sent a line without an end")
                if lines:
                    yield [json.loads(line) for line in lines if line]

    async def _whole(self, method: str, path: str, body: object) -> Any:
        async with aclosing(self._body(method, path, body)) as pieces:
            content = b"".join([piece async for piece in pieces])
        try:
            return json.loads(content) if content else None
        except ValueError as error:  # cut: the mesh has ended meanwhile, or becomes another one
            raise NotRunningError(self.root) from error

    async def _body(self, method: str, target: str, body: object) -> AsyncGenerator[bytes, None]:
        """Sends, then gives the bytes of a good answer as they come. Raises RefusedError for any other answer."""
        content = b"" if body is None else json.dumps(body).encode()
        try:
            reader, writer = await asyncio.open_unix_connection(Client(self.root).socket, limit=READ_AT_ONCE)
        except OSError as error:
            raise NotRunningError(self.root) from error
        try:
            head = f"{method} {target} HTTP/1.0\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n"
            kind = "content-type: application/json\r\n" if content else ""
            writer.write(f"{head}{kind}\r\n".encode() + content)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(None, 2)[1])
            if status >= 400:
                raise refusal(status, await reader.read())
            while data := await reader.read(READ_AT_ONCE):
                yield data
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise NotRunningError(self.root) from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
