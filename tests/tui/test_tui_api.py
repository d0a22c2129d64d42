"""The client on a loop: lines however they are cut, refusals as they are told, and what has gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from minimesh.control.client import NotRunningError, RefusedError
from minimesh_tui.api import Api

OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


@asynccontextmanager
async def answering(root: Path, *pieces: bytes) -> AsyncIterator[list[bytes]]:
    """A mesh that gives these pieces, each on its own; what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    (root / ".minimesh").mkdir()
    async with await asyncio.start_unix_server(answer, root / ".minimesh" / "control.sock"):
        yield asked


@pytest.mark.anyio
@pytest.mark.parametrize("cut", [1, 7, 1_000])
async def test_lines_of_a_stream(tmp_path: Path, cut: int) -> None:
    body = b'{"a":1}\n{"b":"\\u00e9"}\n\n{"c":[2]}\n'
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    async with answering(tmp_path, OK, *pieces) as asked:
        batches = [batch async for batch in Api(tmp_path).stream("/v1/logs", {"follow": 1, "since": None})]
    assert [item for batch in batches for item in batch] == [{"a": 1}, {"b": "é"}, {"c": [2]}]
    assert asked[0].startswith(b"GET /v1/logs?follow=1 HTTP/1.0\r\n")


@pytest.mark.anyio
async def test_an_answer_and_none(tmp_path: Path) -> None:
    async with answering(tmp_path, OK, b'{"project":', b'"shop"}'):
        assert await Api(tmp_path).get("/v1/mesh") == {"project": "shop"}


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/v1/mesh", "/v1/services/web/env"])
async def test_an_answer_that_is_cut_comes_from_a_mesh_that_has_gone(tmp_path: Path, path: str) -> None:
    async with answering(tmp_path, OK, b'{"project": "sh'):
        with pytest.raises(NotRunningError):
            await Api(tmp_path).get(path)


@pytest.mark.anyio
async def test_no_content(tmp_path: Path) -> None:
    async with answering(tmp_path, b"HTTP/1.1 204 No Content\r\n\r\n") as asked:
        assert await Api(tmp_path).post("/v1/services/web/restart") is None
    assert asked[0].startswith(b"POST /v1/services/web/restart HTTP/1.0\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"error":{"code":"stopping","message":"the mesh is stopping"}}', "stopping"), (b"<html>", "unreadable")],
)
async def test_refusals(tmp_path: Path, body: bytes, code: str) -> None:
    async with answering(tmp_path, b"HTTP/1.1 409 Conflict\r\n\r\n", body):
        with pytest.raises(RefusedError) as refused:
            await Api(tmp_path).post("/v1/services/web/stop")
    assert (refused.value.status, refused.value.code) == (409, code)


Ask = Callable[[Api], Any]


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200",)], ids=["nothing", "half a head"])
async def test_a_mesh_that_goes_while_it_is_asked(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    async with answering(tmp_path, *pieces):
        with pytest.raises(NotRunningError):
            await Api(tmp_path).get("/v1/mesh")


@pytest.mark.anyio
async def test_no_mesh(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError):
        await Api(tmp_path).get("/v1/mesh")
