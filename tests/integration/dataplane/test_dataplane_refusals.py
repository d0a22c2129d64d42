"""Requests that are not acceptable: answered with a reason, the connection closed, the service left alone."""

from contextlib import suppress
from dataclasses import replace

import pytest

from minimesh.model.project import Limits
from minimesh.model.route import PathKind, PathMatch, Route
from tests.integration.dataplane.stage import EACH_CODEC, OUTBOUND, Stage

pytestmark = [pytest.mark.anyio, EACH_CODEC]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n"
POST = b"POST / HTTP/1.1\r\nHost: api\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

HEADS: dict[str, tuple[bytes, int]] = {
    # Two ways of saying where the body ends (RFC 9112, section 6.3).
    "length and chunked": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    "two equal lengths": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "signed length": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "negative length": (POST + b"Content-Length: -5\r\n\r\nhello", 400),
    "hexadecimal length": (POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "length with underscore": (POST + b"Content-Length: 1_0\r\n\r\nhellohello", 400),
    "length in other digits": (POST + "Content-Length: ٥\r\n\r\nhello".encode(), 400),
    "empty length": (POST + b"Content-Length:\r\n\r\n", 400),
    "length of 2^63": (POST + b"Content-Length: 9223372036854775808\r\n\r\n", 400),
    "length of 2^64 + 5": (POST + b"Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    # Transfer codings (section 6.1).
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked, chunked": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked, identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ",chunked": (POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
    "xchunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked with parameter": (POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 400),
    "vertical tab before chunked": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "empty coding": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "unknown coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "chunked in 1.0": (b"POST / HTTP/1.0\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # Chunks (section 7.1).
    "chunk size with sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size negative": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size 0x5": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size 1_0": (CHUNKED + b"1_0\r\nhellohellohello!\r\n0\r\n\r\n", 400),
    "chunk size after space": (CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size before space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "chunk size before space and extension": (CHUNKED + b"5 ;a=b\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size empty": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size word": (CHUNKED + b"five\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size over 2^63": (CHUNKED + b"8000000000000000\r\nhello", 400),
    "chunk size over 2^64": (CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    "junk behind a chunk": (CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n", 400),
    "chunk without CRLF behind": (CHUNKED + b"5\r\nhello0\r\n\r\n", 400),
    "chunk size line with bare LF": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    "chunk with bare LF behind": (CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    "bare CR in a chunk extension": (CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    "NUL in a chunk extension": (CHUNKED + b"5;a=\0\r\nhello\r\n0\r\n\r\n", 400),
    "chunk extension without end": (CHUNKED + b"5;" + b"a" * 30_000, 400),
    "trailer without colon": (CHUNKED + b"0\r\nnonsense\r\n\r\n", 400),
    "trailer with space before colon": (CHUNKED + b"0\r\nA : b\r\n\r\n", 400),
    "length as trailer": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    "coding as trailer": (CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "trailers without end": (CHUNKED + b"0\r\n" + b"a: b\r\n" * 10_000, 400),
    # Host (RFC 9112, section 3.2).
    "no Host": (b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400),
    "no field at all": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (GET + b"Host: api\r\n\r\n", 400),
    "two different Hosts": (GET + b"Host: other\r\n\r\n", 400),
    "list of Hosts": (b"GET / HTTP/1.1\r\nHost: api, other\r\n\r\n", 400),
    "Host with path": (b"GET / HTTP/1.1\r\nHost: api/admin\r\n\r\n", 400),
    "Host with space": (b"GET / HTTP/1.1\r\nHost: a pi\r\n\r\n", 400),
    "Host with user": (b"GET / HTTP/1.1\r\nHost: root@api\r\n\r\n", 400),
    "Host with NUL": (b"GET / HTTP/1.1\r\nHost: api\0\r\n\r\n", 400),
    "Host with query": (b"GET / HTTP/1.1\r\nHost: api?x\r\n\r\n", 400),
    "Host with bad port": (b"GET / HTTP/1.1\r\nHost: api:http\r\n\r\n", 400),
    "empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    # Field lines (section 5).
    "space before colon": (GET + b"A : b\r\n\r\n", 400),
    "tab before colon": (GET + b"A\t: b\r\n\r\n", 400),
    "no colon": (GET + b"nonsense\r\n\r\n", 400),
    "empty name": (GET + b": b\r\n\r\n", 400),
    "CR in a value": (GET + b"A: b\rc\r\n\r\n", 400),
    "CR at the end of a value": (GET + b"A: b\r\r\n\r\n", 400),
    "NUL in a value": (GET + b"A: b\0c\r\n\r\n", 400),
    "NUL in a name": (GET + b"A\0: b\r\n\r\n", 400),
    "escape in a value": (GET + b"A: \x1b[2J\r\n\r\n", 400),
    "bell in a value": (GET + b"A: \x07\r\n\r\n", 400),
    "delete in a value": (GET + b"A: \x7f\r\n\r\n", 400),
    "brackets in a name": (GET + b"[A]: b\r\n\r\n", 400),
    "non-ASCII name": (GET + b"\xc3\xa4: b\r\n\r\n", 400),
    "fold": (GET + b"A: b\r\n c\r\n\r\n", 400),
    "fold in the first field": (b"GET / HTTP/1.1\r\n Host: api\r\n\r\n", 400),
    "fold of a length": (POST + b"Content-Length:\r\n 5\r\n\r\nhello", 400),
    # Line ends (section 2.2).
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: api\n\n", 400),
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: api\r\n\r\n", 400),
    "bare LF after a field": (GET + b"A: b\nC: d\r\n\r\n", 400),
    "bare LF at the end": (GET + b"\n", 400),
    "CR CR LF": (b"GET / HTTP/1.1\r\r\nHost: api\r\n\r\n", 400),
    # Request lines (section 3).
    "no version": (b"GET /\r\nHost: api\r\n\r\n", 400),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\nHost: api\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: api\r\n\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: api\r\n\r\n", 505),
    "HTTP/11": (b"GET / HTTP/11\r\nHost: api\r\n\r\n", 400),
    "HTTP/1": (b"GET / HTTP/1\r\nHost: api\r\n\r\n", 400),
    "HTTP/01.1": (b"GET / HTTP/01.1\r\nHost: api\r\n\r\n", 400),
    "http/1.1": (b"GET / http/1.1\r\nHost: api\r\n\r\n", 400),
    "other protocol": (b"GET / ICY/1.1\r\nHost: api\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "tab for space": (b"GET\t/\tHTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "space at the end": (b"GET / HTTP/1.1 \r\nHost: api\r\n\r\n", 400),
    "space at the start": (b" GET / HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "method with brackets": (b"G<E>T / HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "method with colon": (b"GET: / HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "no method": (b"/ HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "raw bytes in the target": (b"GET /\xff HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "escape in the target": (b"GET /\x1b[2J HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "relative target": (b"GET a HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "GET *": (b"GET * HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "authority as target": (b"GET api:80 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "other scheme": (b"GET ftp://api/ HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "user in the target": (b"GET http://root@api/ HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "escaped NUL": (b"GET /a%00b HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "broken escape": (b"GET /a%zz HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "cut escape": (b"GET /a%2 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "climb above the root": (b"GET /../etc/passwd HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "escaped climb": (b"GET /a/%2e%2e/%2e%2e/b HTTP/1.1\r\nHost: api\r\n\r\n", 400),
    "CONNECT": (b"CONNECT api:80 HTTP/1.1\r\nHost: api:80\r\n\r\n", 405),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: api\r\n\r\n", 405),
    "unknown expectation": (GET + b"Expect: 200-ok\r\n\r\n", 417),
    "a TLS hello": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 100, 400),
    "binary": (b"\x00\x01\x02\x03", 400),
    "two empty lines first": (b"\r\n\r\n" + GET + b"\r\n", 400),
    # Sizes.
    "target over the limit": (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: api\r\n\r\n", 414),
    "target without end": (b"GET /" + b"a" * 9000, 414),
    "too many fields": (GET + b"a: b\r\n" * 100 + b"\r\n", 431),
    "head over the limit": (GET + b"a: " + b"b" * 65_536 + b"\r\n\r\n", 431),
    "head without end": (GET + b"a: " + b"b" * 70_000, 431),
    "many heads' worth of fields": (GET + b"a: b\r\n" * 12_000, 431),
}


@pytest.mark.parametrize("case", HEADS)
async def test_refused_and_closed_without_a_word_to_the_service(stage: Stage, case: str) -> None:
    raw, status = HEADS[case]
    caller = await stage.call()
    await caller.send(raw)
    answer = await caller.answer()
    assert (answer.status, answer.head.get(b"connection")) == (status, b"close")
    assert answer.reason
    await caller.closed()
    assert await stage.service.silent()
    record = await stage.record()
    assert (record.status, record.reason, record.tries) == (status, answer.reason, 0)


@pytest.mark.parametrize(
    "case", ["two lengths", "chunk size 0x5", "bare LF everywhere", "fold", "no Host", "NUL in a value"]
)
async def test_refused_alike_when_it_comes_byte_by_byte(stage: Stage, case: str) -> None:
    """A body's mistake may be seen only when the head is with the service already: then that connection is cut."""
    raw, status = HEADS[case]
    caller = await stage.call()
    await caller.send_bytewise(raw[:-1])
    with suppress(ConnectionError):  # it may have been refused before its end
        await caller.send(raw[-1:])
    assert (await caller.answer()).status == status


async def test_what_follows_a_refused_request_is_not_read(stage: Stage) -> None:
    caller = await stage.call()
    await caller.send(HEADS["length and chunked"][0] + GET + b"\r\n")
    assert (await caller.answer()).status == 400
    await caller.closed()
    assert await stage.service.silent()
    assert len(stage.records) == 1


async def test_the_answer_arrives_although_more_is_being_sent(stage: Stage) -> None:
    """Closing with bytes unread would make a reset overtake the answer (RFC 9112, section 9.6)."""
    caller = await stage.call()
    await caller.send(GET + b"a: " + b"b" * 70_000)
    await caller.send(b"c" * 200_000)
    assert (await caller.answer()).status == 431


async def test_a_malformed_chunk_cuts_the_request_at_the_service(stage: Stage) -> None:
    caller, service = await stage.conversation(CHUNKED + b"5\r\nhello\r\n")
    await service.until(b"5\r\nhello\r\n")
    await caller.send(b"zz\r\n")
    answer = await caller.answer()
    assert (answer.status, answer.reason) == (400, "bad_request")
    await caller.closed()
    await service.closed()


async def test_a_body_shorter_than_said_is_never_a_whole_request(stage: Stage) -> None:
    caller, service = await stage.conversation(POST + b"Content-Length: 10\r\n\r\nhello")
    assert (await service.until(b"hello")).endswith(b"\r\n\r\nhello")
    caller.finish()
    await service.closed()
    await caller.closed()
    record = await stage.record()
    assert (record.status, record.cut, record.bytes_in) == (0, "client_gone", 5)


async def test_chunks_without_their_end_are_never_a_whole_request(stage: Stage) -> None:
    caller, service = await stage.conversation(CHUNKED + b"5\r\nhello\r\n")
    await service.until(b"5\r\nhello\r\n")
    caller.finish()
    await service.closed()
    assert (await stage.record()).cut == "client_gone"


async def test_the_limits_are_those_of_the_listener(bare: Stage) -> None:
    bare.open(limits=replace(Limits(), head_size=300, fields=3, target=20))
    for raw, status in (
        (b"GET /" + b"a" * 20 + b" HTTP/1.1\r\nHost: api\r\n\r\n", 414),
        (GET + b"a: b\r\n" * 3 + b"\r\n", 431),
        (GET + b"a: " + b"b" * 300 + b"\r\n\r\n", 431),
    ):
        caller = await bare.call()
        assert (await caller.ask(raw)).status == status


async def test_no_route_is_404_and_the_connection_goes_on(bare: Stage) -> None:
    bare.open(routes=(Route("api", PathMatch(PathKind.PREFIX, "/api")),))
    caller = await bare.call()
    for _ in range(2):
        answer = await caller.ask(b"GET /apis HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert (answer.status, answer.reason) == (404, "no_route")
    assert await bare.service.silent()


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        (b"Host: evil.example", 421, "foreign_host"),
        (b"Host: api\r\nSec-Fetch-Site: cross-site", 403, "cross_site"),
    ],
)
async def test_a_web_page_may_not_call_as_a_service(stage: Stage, fields: bytes, status: int, reason: str) -> None:
    caller = await stage.call(OUTBOUND)
    answer = await caller.ask(b"GET / HTTP/1.1\r\n" + fields + b"\r\n\r\n")
    assert (answer.status, answer.reason) == (status, reason)
    assert await stage.service.silent()
