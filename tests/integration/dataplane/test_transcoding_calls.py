"""REST from callers of HTTP/1.1 and HTTP/2 to a service of grpcio, by its google.api.http annotations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

import httpx
import pytest

from minimesh.model.cors import Cors
from minimesh.model.route import PathKind, PathMatch, Route
from minimesh.model.service import Protocol, Timeouts
from minimesh.model.transcoding import Transcoding
from minimesh.spec.annotations import read_api
from tests.integration.dataplane.library import Library
from tests.integration.dataplane.stage import FASTEST, GATEWAY, SETUPS, Stage, until
from tests.protos import LIBRARY

pytestmark = pytest.mark.anyio
API, _ = read_api(LIBRARY)
CALLERS = pytest.mark.parametrize(
    ("anyio_backend", "version"),
    [(SETUPS[0], 1), (SETUPS[0], 2), (SETUPS[2], 1)],
    ids=["fast-http1", "fast-http2", "reference-http1"],
    indirect=["anyio_backend"],
)


class Running(NamedTuple):
    stage: Stage
    library: Library

    def client(self, version: int = 1) -> httpx.AsyncClient:
        host, port = self.stage.plane.address(GATEWAY)
        return httpx.AsyncClient(base_url=f"http://{host}:{port}", http1=version == 1, http2=version == 2, timeout=20)

    async def ask(self, method: str, path: str, body: object = None, version: int = 1) -> httpx.Response:
        async with self.client(version) as client:
            return await client.request(method, path, json=body)

    def set(self, transcoding: Transcoding | None) -> None:
        old = self.stage.snapshot
        api = replace(old.upstreams["api"], protocol=Protocol.GRPC, transcoding=transcoding)
        self.stage.apply(replace(old, generation=old.generation + 1, upstreams={"api": api}))


@pytest.fixture
async def running(bare: Stage) -> AsyncIterator[Running]:
    library = Library()
    with library.serving() as port:
        routes = (Route("api"), Route("api", PathMatch(PathKind.PREFIX, "/api"), strip_prefix="/api"))
        bare.open(ports=(port,), routes=routes)
        made = Running(bare, library)
        made.set(Transcoding(API))
        yield made


@CALLERS
async def test_a_path_becomes_a_message_and_a_message_json(running: Running, version: int) -> None:
    answer = await running.ask("GET", "/v1/shelves/a%20b", version=version)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"name": "shelves/a b", "size": str(2**40)}
    assert (answer.headers["shelf-served"], answer.headers["cost"]) == ("1", "7")
    assert "grpc-status" not in answer.headers
    record = await running.stage.record()
    assert (record.method, record.target, record.status, record.grpc_status, record.destination) == (
        "GET",
        "/v1/shelves/a%20b",
        200,
        0,
        "api",
    )


@CALLERS
async def test_a_body_is_a_field_and_the_query_the_rest(running: Running, version: int) -> None:
    book = {"title": "Die Wand", "genre": "GENRE_NOVEL", "tags": ["a"], "lent": True, "cover": "AP8=", "sold": "12"}
    answer = await running.ask("POST", "/v1/shelves/1/books?validateOnly=true", book, version)
    assert (answer.status_code, answer.json()) == (200, book)
    request = running.library.asked[-1]
    assert (request.parent, request.validate_only, request.book.sold) == ("shelves/1", True, 12)


@FASTEST
async def test_the_other_ways_of_annotations(running: Running) -> None:
    assert (await running.ask("GET", "/v1/shelf/x")).json()["name"] == "x"
    assert (await running.ask("GET", "/api/v1/shelf/x")).json()["name"] == "x"
    assert (await running.ask("GET", "/v1/shelves/1/books?pageSize=2")).json() == [{"title": "shelves/1"}] * 2
    assert (await running.ask("GET", "/v1/shelves/1/books")).json() == []
    patched = await running.ask("PATCH", "/v1/shelves/1/books/2?update_mask=title", {"name": "x", "title": "New"})
    assert patched.json() == {"name": "shelves/1/books/2", "title": "New"}
    assert list(running.library.asked[-1].update_mask.paths) == ["title"]
    assert (await running.ask("DELETE", "/v1/shelves/1/books/2?force=true")).json() == {}
    assert (await running.ask("TOUCH", "/v1/shelves/1/books/2")).json() == {}
    assert (await running.ask("GET", "/v1/files/a/b%2Fc/d%20e")).json() == {"title": "a/b%2Fc/d e"}
    assert (await running.ask("GET", "/v1/files")).json() == {}


@FASTEST
async def test_a_query_names_fields_of_fields_and_lists(running: Running) -> None:
    query = (
        "author.given_name=Marlen&author.familyName=H&genres=GENRE_NOVEL&genres=2&in_print=true&lent=false"
        "&since=2024-01-02T03:04:05Z&cursor=AP8&fields=title,sold"
    )
    assert (await running.ask("GET", f"/v1/shelves/1/books?{query}")).status_code == 200
    request = running.library.asked[-1]
    assert (request.author.given_name, request.author.family_name) == ("Marlen", "H")
    assert (list(request.genres), request.in_print, request.lent.value) == ([1, 2], True, False)
    assert (request.since.seconds, request.cursor, list(request.fields.paths)) == (
        1704164645,
        b"\x00\xff",
        ["title", "sold"],
    )


WRONG: dict[str, tuple[str, str, object, str]] = {
    "no such field": ("GET", "/v1/shelf/x?colour=red", None, "no field colour"),
    "no number": ("GET", "/v1/shelves/1/books?page_size=two", None, "pageSize"),
    "no flag": ("GET", "/v1/shelves/1/books?in_print=1", None, "in_print"),
    "twice": ("GET", "/v1/shelves/1/books?page_size=1&page_size=2", None, "more than once"),
    "a message": ("GET", "/v1/shelves/1/books?author=x", None, "author"),
    "a map": ("GET", "/v1/shelves/1/books?labels=x", None, "labels"),
    "below a value": ("GET", "/v1/shelves/1/books?page_size.x=1", None, "page_size"),
    "in the path": ("GET", "/v1/shelf/x?name=y", None, "in the path"),
    "unknown in the body": ("POST", "/v1/shelves/1/books", {"colour": 1}, "colour"),
    "wrong in the body": ("POST", "/v1/shelves/1/books", {"title": 1}, "title"),
    "no object": ("POST", "/v1/shelves/1/books/2:move", [], "object"),
    "no enum": ("POST", "/v1/shelves/1/books", {"genre": "NONE"}, "genre"),
}


@FASTEST
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_is_no_request_of_it_is_told(running: Running, wrong: tuple[str, str, object, str]) -> None:
    method, path, body, said = wrong
    answer = await running.ask(method, path, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert said in answer.json()["message"]
    assert answer.headers["x-minimesh-reason"].startswith("bad_message;")
    assert running.library.asked == []
    assert (await running.stage.record()).reason == "bad_message"


@FASTEST
@pytest.mark.parametrize("body", [b"{", b'{"a": 1, "a": 2}', b"NaN", b"[" * 100_000, b'{"title": "\\ud800"}', b"\xff"])
async def test_what_is_no_json_is_told(running: Running, body: bytes) -> None:
    async with running.client() as client:
        kind = {"content-type": "application/json"}
        answer = await client.post("/v1/shelves/1/books", content=body, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@FASTEST
async def test_a_form_is_refused(running: Running) -> None:
    async with running.client() as client:
        answer = await client.post("/v1/shelves/1/books", content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert running.library.asked == []


@CALLERS
async def test_an_error_of_the_service_has_its_status_and_details(running: Running, version: int) -> None:
    answer = await running.ask("POST", "/v1/shelves/1/books/2:move", {"to": "shelves/2"}, version)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 9,
        "message": "it is lent: ü",
        "details": [{"@type": "type.googleapis.com/library.v1.Author", "givenName": "Ada"}],
    }
    assert (await running.stage.record()).grpc_status == 9


@CALLERS
async def test_what_nothing_is_annotated_for(running: Running, version: int) -> None:
    for method, path in (("GET", "/v2"), ("PUT", "/v1/shelves/1"), ("GET", "/v1/shelves/"), ("GET", "/")):
        answer = await running.ask(method, path, version=version)
        assert (answer.status_code, answer.json()["code"]) == (404, 5)
        assert answer.headers["x-minimesh-reason"].startswith("no_method;")
    assert (await running.ask("HEAD", "/v2", version=version)).status_code == 404


@FASTEST
async def test_a_page_of_another_origin_asks_first(running: Running) -> None:
    """A preflight means no call of gRPC, and is answered all the same."""
    old = running.stage.snapshot
    gateway = replace(old.listeners[GATEWAY], routes=(Route("api", cors=Cors(("https://app.test",))),))
    listeners = {**old.listeners, GATEWAY: gateway}
    running.stage.apply(replace(old, generation=old.generation + 1, listeners=listeners))
    page = {"origin": "https://app.test"}
    async with running.client() as client:
        asks = {**page, "access-control-request-method": "GET"}
        assert (await client.options("/v1/shelves/a", headers=asks)).status_code == 204
        assert (await client.options("/v1/shelves/a", headers=page)).status_code == 404
        answer = await client.get("/v1/shelves/a", headers=page)
        assert (answer.status_code, answer.json()["name"]) == (200, "shelves/a")
        assert answer.headers["access-control-allow-origin"] == "https://app.test"


@FASTEST
async def test_until_it_has_told_what_it_can_be_asked(running: Running) -> None:
    running.set(Transcoding(None))
    answer = await running.ask("GET", "/v1/shelf/x")
    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert answer.headers["x-minimesh-reason"].startswith("not_reflected;")
    running.set(Transcoding(API))
    assert (await running.ask("GET", "/v1/shelf/x")).status_code == 200
    running.set(None)
    assert (await running.ask("GET", "/v1/shelf/x")).headers["content-type"] != "application/json"


@FASTEST
async def test_no_endpoint_and_a_deadline(running: Running) -> None:
    async with running.client() as client:
        late = await client.get("/v1/watch?count=2", headers={"grpc-timeout": "100m"})
        assert late.status_code == 200  # the first book is there already
        assert '"book 1"' in late.text
    running.stage.keep_endpoints(())
    answer = await running.ask("GET", "/v1/shelf/x")
    assert (answer.status_code, answer.json()["code"]) == (503, 14)


@CALLERS
async def test_each_message_of_a_stream_is_a_line_when_it_is_sent(running: Running, version: int) -> None:
    async with running.client(version) as client, client.stream("GET", "/v1/watch?count=2") as answer:
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines)) == {"title": "book 1"}
        running.library.more.set()
        assert [json.loads(line) async for line in lines] == [{"title": "book 2"}]
    assert answer.headers["content-type"] == "application/x-ndjson"


@CALLERS
async def test_a_stream_for_an_event_source(running: Running, version: int) -> None:
    running.library.more.set()
    async with running.client(version) as client:
        answer = await client.get("/v1/watch?count=2&fail=true", headers={"accept": "text/event-stream"})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text == (
        'data: {"title": "book 1"}\n\ndata: {"title": "book 2"}\n\n'
        'event: error\ndata: {"code": 15, "message": "it burnt"}\n\n'
    )


@CALLERS
async def test_a_stream_that_fails(running: Running, version: int) -> None:
    """Before its first message with a status, after that in a last line."""
    running.library.more.set()
    at_once = await running.ask("GET", "/v1/watch?fail=true", version=version)
    assert (at_once.status_code, at_once.json()) == (500, {"code": 15, "message": "it burnt"})
    later = await running.ask("GET", "/v1/watch?count=1&fail=true", version=version)
    assert later.status_code == 200
    last = json.loads(later.text.splitlines()[-1])
    assert last == {"error": {"code": 15, "message": "it burnt"}}


@CALLERS
async def test_lines_become_a_stream_of_messages(running: Running, version: int) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b'{"book": {"title": "a"}}\n\n{"book": {"ti'
        yield b'tle": "b"}}\n'
        yield b'{"book": {"title": "c"}}'

    async with running.client(version) as client:
        kind = {"content-type": "application/x-ndjson"}
        answer = await client.post("/v1/shelves/1/books:import", content=lines(), headers=kind)
    assert answer.json() == {"count": 3, "titles": ["a", "b", "c"]}
    assert {request.parent for request in running.library.asked} == {"shelves/1"}


@CALLERS
async def test_lines_both_ways(running: Running, version: int) -> None:
    async with running.client(version) as client:
        kind = {"content-type": "application/x-ndjson"}
        body = b'{"title": "a"}\n{"title": "b"}\n'
        answer = await client.post("/v1/chat", content=body, headers=kind)
    assert answer.text == '{"title": "a!"}\n{"title": "b!"}\n'


@FASTEST
async def test_a_bad_line_ends_the_call(running: Running) -> None:
    async with running.client() as client:
        kind = {"content-type": "application/x-ndjson"}
        body = b'{"book": {"title": "a"}}\n{"book": 1}\n'
        answer = await client.post("/v1/shelves/1/books:import", content=body, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@CALLERS
async def test_large_messages_are_converted_on_another_thread(running: Running, version: int) -> None:
    title = "x" * (1 << 20)
    answer = await running.ask("POST", "/v1/shelves/1/books", {"title": title}, version)
    assert answer.json() == {"title": title}


@FASTEST
async def test_messages_that_are_too_large(running: Running) -> None:
    answer = await running.ask("POST", "/v1/shelves/1/books", {"title": "x" * (5 << 20)})
    assert (answer.status_code, answer.json()["code"]) == (413, 8)
    answer = await running.ask("GET", "/v1/shelves/" + "x" * 5000 + "/books?page_size=1000")
    assert (answer.status_code, answer.json()["code"]) == (500, 13)
    assert (await running.stage.record(2)).cut == "upstream_cut"


@FASTEST
async def test_a_caller_that_leaves_cancels_the_call(running: Running) -> None:
    async with running.client(2) as client, client.stream("GET", "/v1/watch?count=2") as answer:
        await anext(answer.aiter_raw())
    await until(running.library.cancelled.is_set)


@FASTEST
async def test_the_service_hears_how_long_it_has(running: Running) -> None:
    old = running.stage.snapshot
    api = replace(old.upstreams["api"], timeouts=Timeouts(request=7.0))
    running.stage.apply(replace(old, generation=99, upstreams={"api": api}))
    assert (await running.ask("GET", "/v1/shelf/x")).status_code == 200
    assert "accept-encoding" not in running.library.metadata[-1]
    assert 6.0 < running.library.remaining[-1] <= 7.0
