"""What of a request reaches the service, and what of an answer its caller."""

import re

import pytest

from minimesh.model.route import PathKind, PathMatch, Route
from tests.integration.dataplane.stage import GATEWAY, OUTBOUND, Stage
from tests.integration.dataplane.wire import Head

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: api\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LISTENERS = (GATEWAY, OUTBOUND)


async def seen_by_service(stage: Stage, request: bytes, listener: str = GATEWAY) -> Head:
    caller, service = await stage.conversation(request, listener)
    head, _ = await service.request()
    await service.send(OK)
    assert (await caller.answer(request.partition(b" ")[0])).status == 200
    return head


@pytest.mark.parametrize("listener", LISTENERS)
async def test_fields_pass_in_order_and_as_they_are_spelt(stage: Stage, listener: str) -> None:
    fields = b"Accept: */*\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nCookie: a=b\r\nX-Text: \xc3\xa4\tb\r\nX-Empty: \r\n"
    caller, service = await stage.conversation(GET + fields + b"\r\n", listener)
    raw = await service.until(b"\r\n\r\n")
    assert raw.startswith(b"GET / HTTP/1.1\r\nhost: api\r\n")
    assert fields in raw
    await service.send(OK)
    assert (await caller.answer()).status == 200


@pytest.mark.parametrize("listener", LISTENERS)
async def test_what_belongs_to_one_connection_stays_there(stage: Stage, listener: str) -> None:
    head = await seen_by_service(
        stage,
        GET
        + b"Connection: keep-alive, X-Hop,authorization , \r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nAuthorization: x\r\n"
        + b"Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\nTE: gzip\r\nUpgrade: h2c\r\n"
        + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Stays: 1\r\n\r\n",
        listener,
    )
    names = {name for name, _ in head.fields}
    gone = b"connection keep-alive x-hop authorization proxy-connection proxy-authorization te upgrade http2-settings"
    assert names.isdisjoint(gone.split())
    assert head.get(b"x-stays") == b"1"


async def test_connection_cannot_take_away_host_and_framing(stage: Stage) -> None:
    caller, service = await stage.conversation(
        b"POST / HTTP/1.1\r\nHost: api\r\nConnection: host, content-length, transfer-encoding, close\r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    head, body = await service.request()
    assert (head.get(b"host"), head.get(b"content-length"), body) == (b"api", b"5", b"hello")
    assert head.get(b"connection") is None
    await service.send(OK)
    assert (await caller.answer()).head.get(b"connection") == b"close"
    await caller.closed()


async def test_hop_by_hop_fields_of_the_answer_stay_too(stage: Stage) -> None:
    caller, service = await stage.conversation(GET + b"\r\n")
    await service.request()
    await service.send(
        b"HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\n"
        b"Proxy-Connection: x\r\nUpgrade: h2c\r\nServer: s\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"X-Minimesh-Reason: forged\r\nContent-Length: 2\r\n\r\nok"
    )
    answer = await caller.answer()
    assert answer.head.line == b"HTTP/1.1 200 Fine"
    assert answer.head.fields == [
        (b"server", b"s"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"2"),
    ]


async def test_the_gateway_says_who_called_and_believes_nobody(stage: Stage) -> None:
    head = await seen_by_service(
        stage,
        b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n"
        b"X-Forwarded-Client-Cert: By=evil\r\nX-Minimesh-Endpoint: api/9\r\nX-MINIMESH-Reason: forged\r\n\r\n",
    )
    assert head.get(b"x-forwarded-for") == b"127.0.0.1"
    assert head.get(b"x-forwarded-proto") == b"http"
    assert head.get(b"x-forwarded-host") == b"shop.test"
    assert head.get(b"x-forwarded-client-cert") == b"By=spiffe://shop.mesh/svc/api;URI=spiffe://shop.mesh/svc/gateway"
    names = {name for name, _ in head.fields}
    assert names.isdisjoint({b"forwarded", b"x-real-ip", b"x-forwarded-port"})
    assert not any(name.startswith(b"x-minimesh-") for name in names)


async def test_inside_the_mesh_forwarded_fields_pass_and_identity_is_the_meshs(stage: Stage) -> None:
    head = await seen_by_service(
        stage, GET + b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Client-Cert: URI=evil\r\n\r\n", OUTBOUND
    )
    assert head.get(b"x-forwarded-for") == b"1.2.3.4"
    assert head.get(b"x-forwarded-client-cert") == b"By=spiffe://shop.mesh/svc/api;URI=spiffe://shop.mesh/svc/web"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b"/a%2fb", b"/a%2Fb"),
        (b"/%61%7E%2d", b"/a~-"),
        (b"//a//b/", b"/a/b/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/a/%2e%2E/c?x=/../%2e", b"/c?x=/../%2e"),
        (b"http://shop.test/a?b", b"/a?b"),
        (b"http://shop.test", b"/"),
        (b"http://shop.test?b", b"/?b"),
        (b"/a?", b"/a?"),
    ],
)
async def test_one_canonical_target(stage: Stage, sent: bytes, seen: bytes) -> None:
    head = await seen_by_service(stage, b"GET " + sent + b" HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    assert head.line == b"GET " + seen + b" HTTP/1.1"


async def test_an_absolute_target_decides_about_the_host(stage: Stage) -> None:
    head = await seen_by_service(stage, b"GET HTTP://Shop.Test:80/ HTTP/1.1\r\nHost: other\r\n\r\n")
    assert head.get(b"host") == b"shop.test:80"


async def test_options_star(stage: Stage) -> None:
    head = await seen_by_service(stage, b"OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n")
    assert head.line == b"OPTIONS * HTTP/1.1"


async def test_the_prefix_of_a_route_is_stripped_at_whole_segments(bare: Stage) -> None:
    bare.open(routes=(Route("api", PathMatch(PathKind.PREFIX, "/api"), strip_prefix="/api"),))
    caller = await bare.call()
    await caller.send(b"GET /api/a?b HTTP/1.1\r\nHost: x\r\n\r\nGET /api HTTP/1.1\r\nHost: x\r\n\r\n")
    service = await bare.service.accept()
    for line in (b"GET /a?b HTTP/1.1", b"GET / HTTP/1.1"):
        assert (await service.head()).line == line
        await service.send(OK)
        assert (await caller.answer()).status == 200


# --- request id and trace --------------------------------------------------------------------------------------

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.mark.parametrize("listener", LISTENERS)
async def test_a_request_is_given_an_id_and_a_trace(stage: Stage, listener: str) -> None:
    head = await seen_by_service(stage, GET + b"\r\n", listener)
    traceparent = head.get(b"traceparent") or b""
    assert re.fullmatch(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", traceparent)
    assert head.get(b"x-request-id") == traceparent[3:35]
    record = await stage.record()
    assert f"00-{record.trace_id}-{record.id}-01".encode() == traceparent
    assert record.request_id.encode() == head.get(b"x-request-id")


async def test_an_id_and_a_trace_are_continued(stage: Stage) -> None:
    head = await seen_by_service(
        stage, GET + b"X-Request-Id: my-id/1\r\nTraceparent: " + TRACE + b"\r\nTracestate: a=b\r\n\r\n"
    )
    traceparent = head.get(b"traceparent") or b""
    assert (traceparent[:36], traceparent[52:]) == (TRACE[:36], b"-00")
    assert traceparent != TRACE
    assert (head.get(b"tracestate"), head.get(b"x-request-id")) == (b"a=b", b"my-id/1")
    record = await stage.record()
    assert (record.request_id, record.trace_id) == ("my-id/1", TRACE[3:35].decode())


@pytest.mark.parametrize(
    "bad",
    [
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
        b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"nonsense",
        b"",
    ],
)
async def test_an_invalid_trace_begins_anew_without_its_state(stage: Stage, bad: bytes) -> None:
    """Trace Context, level 1, section 3.2.2.5: tracestate is then deleted too."""
    head = await seen_by_service(stage, GET + b"traceparent: " + bad + b"\r\ntracestate: a=b\r\n\r\n")
    traceparent = head.get(b"traceparent") or b""
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)
    assert b"0" * 16 not in traceparent
    assert head.get(b"tracestate") is None


@pytest.mark.parametrize("bad", [b"a" * 200, b"a b", b"\xff", b""])
async def test_an_unfit_request_id_is_replaced(stage: Stage, bad: bytes) -> None:
    head = await seen_by_service(stage, GET + b"X-Request-Id: " + bad + b"\r\n\r\n")
    assert re.fullmatch(rb"[0-9a-f]{32}", head.get(b"x-request-id") or b"")


async def test_each_request_of_a_connection_has_ids_of_its_own(stage: Stage) -> None:
    caller, service = await stage.conversation(GET + b"\r\n")
    seen: set[bytes | None] = set()
    for _ in range(3):
        seen.add((await service.head()).get(b"traceparent"))
        await service.send(OK)
        await caller.answer()
        await caller.send(GET + b"\r\n")
    await service.head()
    await service.send(OK)
    await caller.answer()
    assert len(seen) == 3
    assert len({record.id for record in stage.records}) == 4


# --- versions, methods, bodies ---------------------------------------------------------------------------------


async def test_http_1_0_is_answered_and_closed(stage: Stage) -> None:
    caller, service = await stage.conversation(b"GET /a HTTP/1.0\r\n\r\n")
    head = await service.head()
    assert (head.line, head.get(b"host")) == (b"GET /a HTTP/1.1", b"api")
    await service.send(OK)
    answer = await caller.answer()
    assert (answer.body, answer.head.get(b"connection")) == (b"ok", b"close")
    await caller.closed()
    assert (await stage.record()).protocol == "http/1.0"


async def test_http_1_0_keep_alive_is_kept_and_told(stage: Stage) -> None:
    caller, service = await stage.conversation(b"GET / HTTP/1.0\r\nHost: api\r\nConnection: keep-alive\r\n\r\n")
    for _ in range(2):
        await service.head()
        await service.send(OK)
        answer = await caller.answer()
        assert answer.head.get(b"connection") == b"keep-alive"
        await caller.send(b"GET / HTTP/1.0\r\nHost: api\r\nConnection: keep-alive\r\n\r\n")
    await service.head()
    await service.send(OK)
    await caller.answer()


async def test_http_1_0_gets_no_chunks_and_no_interim_answer(stage: Stage) -> None:
    caller, service = await stage.conversation(b"GET / HTTP/1.0\r\nHost: api\r\nConnection: keep-alive\r\n\r\n")
    await service.head()
    await service.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    answer = await caller.answer()
    assert (answer.status, answer.body) == (200, b"hello")
    assert (answer.head.get(b"transfer-encoding"), answer.head.get(b"connection")) == (None, b"close")


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"M-SEARCH"])
async def test_any_method_passes_with_its_body(stage: Stage, method: bytes) -> None:
    caller, service = await stage.conversation(method + b" / HTTP/1.1\r\nHost: api\r\nContent-Length: 3\r\n\r\nabc")
    head, body = await service.request()
    assert (head.line, body) == (method + b" / HTTP/1.1", b"abc")
    await service.send(OK)
    assert (await caller.answer()).status == 200


async def test_a_chunked_body_and_its_trailers_pass_and_extensions_do_not(stage: Stage) -> None:
    caller, service = await stage.conversation(
        b"POST / HTTP/1.1\r\nHost: api\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"5;ext=1\r\nhello\r\n00006;q\r\n world\r\n0;last\r\nX-Sum: 11\r\nAuthorization: x\r\nHost: evil\r\n\r\n"
    )
    head = await service.head()
    body, trailers = await service.body_of(head)
    assert (head.get(b"transfer-encoding"), head.get(b"te"), body) == (b"chunked", b"trailers", b"hello world")
    assert trailers == [(b"x-sum", b"11")]
    await service.send(OK)
    assert (await caller.answer()).status == 200
    assert (await stage.record()).bytes_in == 11


async def test_heads_and_bodies_fed_byte_by_byte(stage: Stage) -> None:
    caller = await stage.call()
    await caller.send_bytewise(
        b"\r\nPOST /a HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    )
    service = await stage.service.accept()
    head, body = await service.request()
    assert (head.line, body) == (b"POST /a HTTP/1.1", b"hello")
    await service.send_bytewise(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\nX-U: 2\r\n\r\n"
    )
    answer = await caller.answer()
    assert (answer.body, answer.trailers) == (b"ok", [(b"x-u", b"2")])


# --- pipelining ------------------------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(stage: Stage) -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: api\r\n\r\n" % n for n in range(50)]
    requests[20] = b"POST /20 HTTP/1.1\r\nHost: api\r\nContent-Length: 3\r\n\r\nabc"
    requests[30] = b"POST /30 HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    requests[40] = b"HEAD /40 HTTP/1.1\r\nHost: api\r\n\r\n"
    caller, service = await stage.conversation(b"".join(requests))
    for n in range(50):
        head, body = await service.request()
        assert head.line.split()[1] == b"/%d" % n
        assert body == (b"abc" if n in (20, 30) else b"")
        text = b"%d" % n if n != 40 else b""
        await service.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text) or 7, text))
        assert (await caller.answer(b"HEAD" if n == 40 else b"GET")).body == text
    assert len(stage.services[0].peers) == 1


async def test_a_pipelined_mistake_is_answered_after_the_answers_before_it(stage: Stage) -> None:
    caller, service = await stage.conversation(GET + b"\r\n" + b"GET /\r\n\r\n" + GET + b"\r\n")
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).status == 200
    assert (await caller.answer()).status == 400
    await caller.closed()


async def test_a_thousand_pipelined_requests_that_the_mesh_answers_itself(bare: Stage) -> None:
    bare.open(routes=())
    caller = await bare.call()
    await caller.send((GET + b"\r\n") * 1000)
    for _ in range(1000):
        assert (await caller.answer()).status == 404


async def test_a_caller_that_shuts_its_side_still_gets_its_answers(stage: Stage) -> None:
    caller, service = await stage.conversation((GET + b"\r\n") * 3)
    caller.finish()
    for _ in range(3):
        await service.head()
        await service.send(OK)
        assert (await caller.answer()).status == 200
    await caller.closed()
    assert [record.cut for record in stage.records] == ["", "", ""]


async def test_a_caller_that_closes_after_half_a_head_is_let_go(stage: Stage) -> None:
    caller = await stage.call()
    await caller.send(b"GET / HT")
    caller.finish()
    await caller.closed()
    assert await stage.service.silent()


# --- Expect ----------------------------------------------------------------------------------------------------

EXPECTING = b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"


async def test_the_service_decides_about_100_continue(stage: Stage) -> None:
    caller, service = await stage.conversation(EXPECTING)
    head = await service.head()
    assert (head.get(b"expect") or b"").lower() == b"100-continue"
    await service.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (await caller.answer()).status == 100
    await caller.send(b"hello")
    assert await service.exactly(5) == b"hello"
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"
    await caller.send(GET + b"\r\n")
    await service.head()
    await service.send(OK)
    assert (await caller.answer()).body == b"ok"


async def test_a_service_that_declines_the_body_is_heard_and_the_connection_ends(stage: Stage) -> None:
    caller, service = await stage.conversation(EXPECTING)
    await service.head()
    await service.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    answer = await caller.answer()
    assert (answer.status, answer.body, answer.head.get(b"connection")) == (413, b"no", b"close")
    await caller.closed()
    await service.closed()


async def test_an_unasked_100_is_kept_from_the_caller(stage: Stage) -> None:
    caller, service = await stage.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n\r\nhello")
    await service.request()
    await service.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert (await caller.answer()).status == 200


async def test_an_answer_may_come_before_the_body_is_whole(stage: Stage) -> None:
    caller, service = await stage.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 100000\r\n\r\nhello")
    await service.until(b"hello")
    await service.send(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")
    answer = await caller.answer()
    assert (answer.status, answer.body, answer.head.get(b"connection")) == (401, b"no", b"close")
    await service.closed()
    await caller.send(b"x" * 10_000)
    await caller.closed()


async def test_both_bodies_stream_at_once(stage: Stage) -> None:
    caller, service = await stage.conversation(b"POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n")
    await service.head()
    await service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    head = await caller.head()
    for _ in range(3):
        await caller.send(b"4\r\nping\r\n")
        assert await service.exactly(9) == b"4\r\nping\r\n"
        await service.send(b"4\r\npong\r\n")
        assert await caller.exactly(9) == b"4\r\npong\r\n"
    await caller.send(b"0\r\n\r\n")
    assert await service.exactly(5) == b"0\r\n\r\n"
    await service.send(b"0\r\n\r\n")
    assert (await caller.body_of(head)) == (b"", [])
    record = await stage.record()
    assert (record.bytes_in, record.bytes_out) == (12, 12)
