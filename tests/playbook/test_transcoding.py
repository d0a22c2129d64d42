"""REST before an exchange of gRPC, without a socket: what each side is told when it goes another way than usual."""

import gc
import json
from asyncio import Future
from collections.abc import Callable
from typing import Any, cast

import pytest

from minimesh.dataplane.connections import Starts
from minimesh.dataplane.heads import UNKNOWN, Fields, RequestHead, ResponseHead
from minimesh.dataplane.streams import ClientEvents, Fate
from minimesh.dataplane.transcoding.compiled import Compiled
from minimesh.dataplane.transcoding.exchange import exchange
from minimesh.dataplane.transcoding.framing import framed
from minimesh.dataplane.transcoding.lane import AT_ONCE
from minimesh.model.reason import CLIENT_TIMEOUT, UPSTREAM_RESET, Cut
from minimesh.spec.annotations import read_api
from minimesh.testing.clock import VirtualClock
from minimesh.testing.streams import FakeServerStream
from minimesh.testing.upstreams import FakeOrigin, FakePool, FakeUpstream
from tests.protos import LIBRARY

API = Compiled(read_api(LIBRARY)[0])
GRPC = Fields(((b"content-type", b"application/grpc"),))
JSON = (b"content-type", b"application/json")
SHELF = framed(b"\n\x09shelves/7")
OK = Fields(((b"grpc-status", b"0"),))


class Stage:
    """A caller, a service `a` that is connected to, and another thread that works when `work` is called."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.pool = FakePool("a", self.notes.append, kept=9)
        upstream = FakeUpstream("library", (self.pool,))
        upstream.transcoded = API
        self.origin = FakeOrigin(VirtualClock(), upstream, timeout=5.0)
        self.caller = FakeServerStream("caller", self.notes.append)
        self._aside: list[Callable[[], None]] = []

    def begin(self, head: RequestHead, data: bytes = b"", *, end: bool = True) -> Starts:
        made = exchange(self.origin, self.caller, head, self._offload)
        self.caller.exchange = made
        made.start(data, end)
        return made

    @property
    def service(self) -> ClientEvents:
        found = self.pool.streams[0].exchange
        assert found is not None
        return found

    def _offload(self, work: Callable[[], bytes], then: Callable[["Future[bytes]"], None]) -> None:
        def run() -> None:
            result = work()
            future: Any = type("Done", (), {"result": lambda _: result, "cancelled": lambda _: False})()
            future.exception = lambda: None
            then(cast("Future[bytes]", future))

        self._aside.append(run)

    def work(self) -> None:
        self._aside.pop(0)()

    @property
    def told(self) -> tuple[int, Any]:
        head = self.caller.head
        assert head is not None
        return head.status, json.loads(self.caller.body)

    @property
    def record(self) -> Any:
        (record,) = self.origin.ring.since(0).records
        return record


def asks(method: str, target: str, *fields: tuple[bytes, bytes], length: int = 0) -> RequestHead:
    return RequestHead(method.encode(), target.encode(), b"library", Fields(fields), length)


BOOK = asks("POST", "/v1/shelves/1/books", JSON, length=UNKNOWN)
SHELF_7 = asks("GET", "/v1/shelves/7")


def test_a_call_leaves_nothing_to_the_collector() -> None:
    stage = Stage()
    made = stage.begin(asks("GET", "/v1/shelves/7"))
    gc.collect()
    gc.disable()
    try:
        service = stage.service
        service.response_head(ResponseHead(200, GRPC, UNKNOWN), SHELF, False)
        stage.pool.streams[0].exchange = None
        service.response_end(OK)
        assert stage.told == (200, {"name": "shelves/7"})
        stage.caller.exchange = None
        del made, service
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_service_sees_a_call_only_when_the_body_is_whole() -> None:
    stage = Stage()
    made = stage.begin(BOOK, b'{"title": ', end=False)
    made.request_data(b'"x"}')
    assert stage.notes == []
    made.request_end(None)
    assert stage.notes[0].startswith("a1 head POST /library.v1.Library/CreateBook")
    assert stage.pool.streams[0].request_ended


def test_a_request_that_is_none_is_not_sent() -> None:
    stage = Stage()
    stage.begin(BOOK, b"{", end=True)
    assert stage.pool.streams == []
    assert stage.told[0] == 400
    assert stage.record.reason == "bad_message"


def test_a_large_body_is_read_aside_and_holds_its_caller_back() -> None:
    stage = Stage()
    made = stage.begin(BOOK, b'{"title": "%b"}' % (b"x" * AT_ONCE), end=True)
    assert stage.notes == ["caller pause"]
    stage.work()
    assert stage.notes[-1] == "caller resume"
    assert len(stage.pool.streams[0].body) > AT_ONCE
    made.request_cut(Cut.CLIENT_GONE, "it left")
    assert stage.pool.streams[0].was_reset


def test_a_caller_that_leaves_while_its_body_is_read() -> None:
    stage = Stage()
    made = stage.begin(BOOK, b'{"title": "%b"}' % (b"x" * AT_ONCE), end=True)
    made.request_cut(Cut.CLIENT_GONE, "it left")
    stage.work()
    assert stage.pool.streams == []
    assert stage.caller.head is None


def test_a_caller_that_leaves_while_its_answer_is_written() -> None:
    stage = Stage()
    made = stage.begin(SHELF_7)
    service = stage.service
    service.response_head(ResponseHead(200, GRPC, UNKNOWN), framed(b"\n\xff\xff\x03" + b"x" * 65535), False)
    service.response_end(OK)
    made.request_cut(Cut.CLIENT_GONE, "it left")
    made.deadline_passed()
    stage.work()
    assert stage.caller.head is None
    assert stage.record.grpc_status == 0


def test_an_answer_that_is_cut_before_it_is_told() -> None:
    stage = Stage()
    stage.begin(SHELF_7)
    service = stage.service
    service.response_head(ResponseHead(200, GRPC, UNKNOWN), SHELF[:4], False)
    service.response_cut(UPSTREAM_RESET, "it closed", Fate.UNKNOWN)
    assert (stage.told[0], stage.told[1]["code"]) == (503, 14)
    assert stage.record.cut == "upstream_cut"


def test_a_stream_that_is_cut_is_no_end() -> None:
    stage = Stage()
    stage.begin(asks("GET", "/v1/watch"))
    service = stage.service
    service.response_head(ResponseHead(200, GRPC, UNKNOWN), framed(b""), False)
    service.response_cut(UPSTREAM_RESET, "it closed", Fate.UNKNOWN)
    assert stage.notes[-2:] == [r"caller data b'{}\n'", "caller reset"]


@pytest.mark.parametrize(
    ("frames", "trailers", "code"),
    [
        (b"", OK, 13),
        (SHELF + SHELF, OK, 13),
        (SHELF + b"\0", OK, 13),
        (b"\1" + SHELF[1:], OK, 13),
        (framed(b"\xff"), OK, 13),
        (SHELF, Fields(()), 2),
        (SHELF, None, 2),
        (SHELF, Fields(((b"grpc-status", b"77"),)), 77),
    ],
)
def test_an_answer_that_is_none(frames: bytes, trailers: Fields | None, code: int) -> None:
    stage = Stage()
    stage.begin(SHELF_7)
    service = stage.service
    service.response_head(ResponseHead(200, GRPC, UNKNOWN), frames, False)
    if stage.caller.head is None:
        service.response_end(trailers)
    assert (stage.told[0], stage.told[1]["code"]) == (500, code)


def test_an_answer_that_is_not_grpc() -> None:
    stage = Stage()
    stage.begin(SHELF_7)
    service = stage.service
    service.response_head(ResponseHead(404, Fields(((b"content-type", b"text/html"),)), UNKNOWN), b"<html>", False)
    service.response_data(b"</html>")
    service.response_end(None)
    assert (stage.told[0], stage.told[1]["code"]) == (501, 12)


def test_a_body_that_stands_still() -> None:
    stage = Stage()
    made = stage.begin(BOOK, b"{", end=False)
    made.request_refused(CLIENT_TIMEOUT, "the body stood still")
    assert stage.told[0] == 408
    assert stage.pool.streams == []


def test_a_deadline_that_passes() -> None:
    stage = Stage()
    made = stage.begin(SHELF_7)
    assert stage.caller.due == 5.0 + stage.origin.monotonic()
    made.deadline_passed()
    assert (stage.told[0], stage.told[1]["code"]) == (504, 4)
    assert stage.pool.streams[0].was_reset


def test_one_decision_serves_a_head_that_comes_again() -> None:
    stage = Stage()
    head = asks("GET", "/v1/shelves/7")
    for _ in range(2):
        stage.caller = FakeServerStream("caller", stage.notes.append)
        stage.begin(head)
    assert stage.origin.planned == 1
    assert len(stage.pool.streams) == 2
