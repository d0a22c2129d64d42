"""Answers of the service: framing, interim ones, what is not acceptable, and how a cut one looks to the caller."""

import pytest

from tests.integration.dataplane.stage import EACH_CODEC, Stage, until
from tests.integration.dataplane.wire import Short

pytestmark = [pytest.mark.anyio, EACH_CODEC]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: api\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

UNACCEPTABLE: dict[str, bytes] = {
    "garbage": b"\x00\x01\x02garbage\r\n\r\n",
    "garbage without end": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.9": b"HTTP/1.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status +200": b"HTTP/1.1 +200 OK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "fold": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "lone CR": b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 2\r\n\r\nok",
    "escape in the reason": b"HTTP/1.1 200 \x1b[2J\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "one bare LF": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok",
    "head of 1 MiB": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 1024 * 1024 + b"\r\nContent-Length: 2\r\n\r\nok",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"Content-Length: 2\r\n\r\nok",
    "1,000 interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + OK,
}


@pytest.mark.parametrize("case", UNACCEPTABLE)
async def test_unacceptable_is_502_and_the_connection_is_dropped(stage: Stage, case: str) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    try:
        await service.send(UNACCEPTABLE[case])
    except OSError:
        assert case == "head of 1 MiB"
    answer = await caller.answer()
    while answer.status == 103:
        answer = await caller.answer()
    assert (answer.status, answer.reason) == (502, "upstream_protocol")
    with pytest.raises((Short, OSError)):
        await service.exactly(1)
    record = await stage.record()
    assert (record.status, record.reason, record.endpoint, record.tries) == (502, "upstream_protocol", "api/1", 1)
    assert stage.idle == 0
    await caller.send(GET)
    again = await stage.service.accept()
    await again.head()
    await again.send(OK)
    assert (await caller.answer()).body == b"ok"


@pytest.mark.parametrize(
    "first", [b"", b"HT", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Hi\r\n\r\n"]
)
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_closed_before_the_answers_head_is_whole(stage: Stage, first: bytes, reset: bool) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(first)
    service.reset() if reset else service.close()
    answer = await caller.answer()
    if answer.status == 103:
        answer = await caller.answer()
    assert (answer.status, answer.reason) == (502, "upstream_reset")
    record = await stage.record()
    assert (record.reason, record.tries) == ("upstream_reset", 1)
    assert await stage.service.silent(), "a request that may have been acted on is not sent again"


CUTS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello",
    "before the last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
}


@pytest.mark.parametrize("case", CUTS)
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_cut_in_the_body_looks_cut_to_the_caller(stage: Stage, case: str, reset: bool) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(CUTS[case])
    await caller.until(b"hello")
    service.reset() if reset else service.close()
    with pytest.raises(Short) as cut:
        await caller.until(b"0\r\n\r\n")
    assert cut.value.reset
    record = await stage.record()
    assert (record.status, record.reason, record.cut, record.bytes_out) == (200, "", "upstream_cut", 5)
    assert await stage.service.silent()


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"-1\r\n", b"5 \r\nhello", b"5\nhello", b"0\r\nContent-Length: 9\r\n\r\n"]
)
async def test_a_malformed_chunk_of_the_answer_cuts_it(stage: Stage, chunk: bytes) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    await caller.until(b"hello")
    await service.send(chunk)
    with pytest.raises(Short):
        await caller.until(b"0\r\n\r\n")
    assert (await stage.record()).cut == "upstream_cut"


async def test_a_reset_cuts_a_body_that_only_the_close_ends(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    await caller.until(b"hello")
    service.reset()
    with pytest.raises(Short):
        await caller.until(b"0\r\n\r\n")
    assert (await stage.record()).cut == "upstream_cut"


async def test_a_body_that_ends_with_the_connection(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
    service.finish()
    answer = await caller.answer()
    assert (answer.head.get(b"transfer-encoding"), answer.body) == (b"chunked", b"hello")
    await service.closed()
    assert (await stage.record()).cut == ""


@pytest.mark.parametrize(
    ("method", "raw", "length"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"1000"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", b"1000"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"0"),
    ],
)
async def test_answers_without_a_body_keep_both_connections(
    stage: Stage, method: bytes, raw: bytes, length: bytes | None
) -> None:
    caller, service = await stage.conversation(method + GET[3:])
    for _ in range(2):
        await service.head()
        await service.send(raw)
        answer = await caller.answer(method)
        assert (answer.status, answer.head.get(b"content-length")) == (int(raw[9:12]), length)
        assert answer.head.get(b"transfer-encoding") is None
        await caller.send(method + GET[3:])
    await service.head()
    await service.send(raw)
    await caller.answer(method)
    await caller.send(GET)
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


INTRUDER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        (b"GET", OK + INTRUDER),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + INTRUDER),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n" + INTRUDER),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n" + INTRUDER),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\n\r\n" + INTRUDER),
    ],
)
async def test_bytes_behind_an_answer_are_nobodys(stage: Stage, method: bytes, raw: bytes) -> None:
    caller, service = await stage.conversation(method + GET[3:])
    await service.head()
    await service.send(raw)
    assert b"evil" not in (await caller.answer(method)).body
    await caller.send(GET)
    again = await stage.service.accept()
    await again.head()
    await again.send(OK)
    assert (await caller.answer()).body == b"ok"


@pytest.mark.parametrize("raw", [INTRUDER, b"x"])
async def test_bytes_on_an_idle_connection_are_nobodys(stage: Stage, raw: bytes) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(OK)
    await caller.answer()
    await service.send(raw)
    await until(lambda: stage.idle == 0)
    await caller.send(GET)
    again = await stage.service.accept()
    await again.head()
    await again.send(OK)
    assert (await caller.answer()).body == b"ok"


async def test_interim_answers_pass_with_their_fields(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
    hints = await caller.answer()
    assert (hints.status, hints.head.fields) == (103, [(b"link", b"</a.css>")])
    await service.send(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)
    assert (await caller.answer()).status == 102
    assert (await caller.answer()).body == b"ok"


async def test_trailers_of_the_answer_pass_and_those_that_decide_do_not(stage: Stage) -> None:
    caller, service = await stage.conversation(b"GET / HTTP/1.1\r\nHost: api\r\nTE: trailers\r\n\r\n")
    for rest in (b"2\r\nok\r\n0\r\nX-Sum: 2\r\nHost: evil\r\nSet-Cookie: a=b\r\n\r\n", b"0\r\nX-Sum: 0\r\n\r\n"):
        await service.head()
        await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        await service.send(rest)
        answer = await caller.answer()
        assert answer.trailers == [(b"x-sum", b"%d" % len(answer.body))]
        await caller.send(b"GET / HTTP/1.1\r\nHost: api\r\nTE: trailers\r\n\r\n")
    await service.head()
    await service.send(OK)
    await caller.answer()


async def test_the_first_byte_leaves_when_it_arrives(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await caller.head()).line == b"HTTP/1.1 200 OK"
    for _ in range(3):
        await service.send(b"9\r\ndata: 1\n\n\r\n")
        assert await caller.until(b"\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"
    await service.send(b"0\r\n\r\n")
    await caller.until(b"0\r\n\r\n")


async def test_no_reason_phrase_is_fine(stage: Stage) -> None:
    caller, service = await stage.conversation(GET)
    await service.head()
    await service.send(b"HTTP/1.1 299\r\nContent-Length: 2\r\n\r\nok")
    assert (await caller.answer()).status == 299


async def test_the_meshs_own_answer_to_head_has_no_body(stage: Stage) -> None:
    stage.service.close()
    caller = await stage.call()
    for _ in range(2):
        answer = await caller.ask(HEAD)
        assert (answer.status, answer.reason) == (503, "upstream_refused")
