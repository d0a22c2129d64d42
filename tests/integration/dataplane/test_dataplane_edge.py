"""What the gateway believes of who comes in, whom it lets in, and what it tells browsers."""

from dataclasses import replace

import pytest
from h2.events import RequestReceived, ResponseReceived, StreamEnded

from minimesh.model.cors import Cors
from minimesh.model.edge import Edge
from minimesh.model.route import Route
from minimesh.model.snapshot import Listener
from minimesh.model.where import Where
from tests.integration.dataplane.multiplexed import Http2Peer
from tests.integration.dataplane.stage import EACH_CODEC, GATEWAY, Stage
from tests.integration.dataplane.wire import Answer, Head

pytestmark = [pytest.mark.anyio, EACH_CODEC]

GET = b"GET / HTTP/1.1\r\nHost: api\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
FORGED = (
    (b"x-forwarded-client-cert", b"By=spiffe://shop.mesh/svc/api;URI=spiffe://shop.mesh/svc/admin"),
    (b"x-forwarded_client_cert", b"URI=spiffe://shop.mesh/svc/admin"),
    (b"x-minimesh-endpoint", b"api/1"),
    (b"x_minimesh_caller", b"admin"),
    (b"x-forwarded-for", b"9.9.9.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.test"),
    (b"x-real-ip", b"9.9.9.9"),
    (b"forwarded", b"for=9.9.9.9"),
)
OURS = {
    (b"x-forwarded-client-cert", b"By=spiffe://shop.mesh/svc/api;URI=spiffe://shop.mesh/svc/gateway"),
    (b"x-forwarded-for", b"127.0.0.1"),
    (b"x-forwarded-proto", b"http"),
    (b"x-forwarded-host", b"api"),
}
CORS = Cors(("https://app.test", "https://*.app.test"), ("GET", "PUT"), ("x-a",), (), True, 60.0, Where("m.toml", 7))


def edged(stage: Stage, edge: Edge) -> None:
    gateway = stage.snapshot.listeners[GATEWAY]
    listening(stage, replace(gateway, edge=edge))


def listening(stage: Stage, gateway: Listener) -> None:
    old = stage.snapshot
    listeners = {**old.listeners, GATEWAY: gateway}
    stage.apply(replace(old, generation=old.generation + 1, listeners=listeners))


def block(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"


def told(fields: list[tuple[bytes, bytes]]) -> set[tuple[bytes, bytes]]:
    """Of a request, what is said of its caller."""
    begins = (b"x-forwarded", b"x_", b"x-minimesh", b"x-real", b"forwarded")
    return {pair for pair in fields if pair[0].startswith(begins)}


async def seen(stage: Stage, fields: tuple[tuple[bytes, bytes], ...]) -> Head:
    caller, service = await stage.conversation(GET + block(fields))
    head, _ = await service.request()
    await service.send(OK + b"\r\nok")
    assert (await caller.answer()).status == 200
    return head


# ---- whom a service hears of


async def test_nothing_is_believed_of_a_caller_over_http1(stage: Stage) -> None:
    assert told((await seen(stage, FORGED)).fields) == OURS


async def test_nothing_is_believed_of_a_caller_over_http2(stage: Stage) -> None:
    caller = Http2Peer(await stage.call(), client=True)
    await caller.begin()
    number = await caller.request("/", FORGED)
    service = Http2Peer(await stage.service.accept(), client=False)
    await service.begin()
    request = await service.next(RequestReceived)
    assert told([(bytes(name), bytes(value)) for name, value in request.headers]) == OURS
    await service.answer(request.stream_id, 200, end=True)
    await caller.next(StreamEnded, number)


async def test_a_proxy_that_is_trusted_is_believed(stage: Stage) -> None:
    edged(stage, Edge(("127.0.0.0/8", "10.0.0.0/8")))
    said = (
        (b"x-forwarded-for", b"6.6.6.6, 203.0.113.9"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x-forwarded-proto", b"https, http"),
        (b"x-forwarded-host", b"shop.test"),
        (b"x-forwarded-client-cert", b"forged"),
    )
    head = await seen(stage, said)
    assert head.get(b"x-forwarded-for") == b"203.0.113.9, 10.0.0.1, 127.0.0.1"
    assert head.get(b"x-forwarded-proto") == b"https"
    assert head.get(b"x-forwarded-host") == b"shop.test"
    assert (b"x-forwarded-client-cert", b"forged") not in head.fields


async def test_a_proxy_that_is_not_trusted_is_a_caller_like_others(stage: Stage) -> None:
    edged(stage, Edge(("10.0.0.0/8",)))
    assert told((await seen(stage, FORGED)).fields) == OURS


# ---- who may come in


async def refused(stage: Stage, fields: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    return await (await stage.call()).ask(GET + block(fields))


async def test_only_those_may_come_in_that_are_named(stage: Stage) -> None:
    edged(stage, Edge(allow_ips=("10.0.0.0/8",), where=Where("minimesh.toml", 4)))
    answer = await refused(stage, ((b"x-forwarded-for", b"10.0.0.1"),))
    assert (answer.status, answer.reason) == (403, "ip_not_allowed")
    assert b"127.0.0.1 is not among" in answer.body
    assert b'"where": "minimesh.toml:4"' in answer.body
    assert (await stage.record()).reason == "ip_not_allowed"
    edged(stage, Edge(allow_ips=("127.0.0.0/8",)))
    await seen(stage, ())


async def test_who_comes_in_by_a_proxy_is_who_it_says(stage: Stage) -> None:
    edged(stage, Edge(("127.0.0.1/32",), ("203.0.113.0/24",)))
    await seen(stage, ((b"x-forwarded-for", b"203.0.113.9"),))
    for by in (b"198.51.100.1", b"203.0.113.9, 198.51.100.1", b"nobody"):
        assert (await refused(stage, ((b"x-forwarded-for", by),))).reason == "ip_not_allowed"
    assert (await refused(stage)).reason == "ip_not_allowed"


async def test_bytes_come_in_from_those_alone_too(stage: Stage) -> None:
    gateway = stage.snapshot.listeners[GATEWAY]
    edge = Edge(allow_ips=("10.0.0.0/8",), where=Where("minimesh.toml", 4))
    port = replace(gateway, opaque=True, edge=edge)
    old = stage.snapshot
    stage.apply(replace(old, generation=2, listeners={**old.listeners, "gateway:0": port}))
    caller = await stage.call("gateway:0")
    await caller.closed()
    record = await stage.record()
    assert (record.protocol, record.reason) == ("tcp", "ip_not_allowed")
    assert await stage.service.silent()


# ---- what browsers are told


def with_cors(stage: Stage) -> None:
    gateway = stage.snapshot.listeners[GATEWAY]
    listening(stage, replace(gateway, routes=(Route("api", cors=CORS),)))


def of_cors(head: Head) -> dict[bytes, bytes]:
    found = {name: value for name, value in head.fields if name.startswith(b"access-control-") or name == b"vary"}
    assert len(found) == sum(name in found for name, _ in head.fields)
    return found


async def asked(stage: Stage, origin: bytes, said: bytes = b"") -> Head:
    """A request of a page, and an answer of the service that says something of CORS itself."""
    caller, service = await stage.conversation(GET + b"Origin: " + origin + b"\r\n\r\n")
    await service.request()
    await service.send(OK + b"Connection: close\r\n" + said + b"\r\nok")
    return (await caller.answer()).head


async def test_a_preflight_is_answered_by_the_mesh(stage: Stage) -> None:
    with_cors(stage)
    caller = await stage.call()
    ask = b"OPTIONS /x HTTP/1.1\r\nHost: api\r\nOrigin: https://a.app.test\r\nAccess-Control-Request-Method: PUT\r\n"
    answer = await caller.ask(ask + b"Access-Control-Request-Headers: x-a, x-b\r\n\r\n")
    assert (answer.status, answer.reason, answer.body) == (204, "cors_preflight", b"")
    assert answer.head.get(b"content-length") is None
    assert of_cors(answer.head) == {
        b"access-control-allow-origin": b"https://a.app.test",
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"GET, PUT",
        b"access-control-allow-headers": b"x-a",
        b"access-control-max-age": b"60",
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    # The connection is good for more.
    assert (await caller.ask(ask + b"\r\n")).status == 204
    assert await stage.service.silent()


async def test_a_preflight_over_http2(stage: Stage) -> None:
    with_cors(stage)
    caller = Http2Peer(await stage.call(), client=True)
    await caller.begin()
    fields = ((b"origin", b"https://app.test"), (b"access-control-request-method", b"PUT"))
    number = await caller.request("/", fields, method="OPTIONS")
    answer = dict((await caller.next(ResponseReceived, number)).headers)
    assert answer[b":status"] == b"204"
    assert answer[b"access-control-allow-origin"] == b"https://app.test"
    await caller.next(StreamEnded, number)


async def test_a_preflight_of_a_page_that_may_not_call_says_why(stage: Stage) -> None:
    with_cors(stage)
    ask = b"OPTIONS / HTTP/1.1\r\nHost: api\r\nOrigin: https://evil.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    answer = await (await stage.call()).ask(ask)
    assert (answer.status, answer.reason) == (403, "cors_origin")
    assert [*of_cors(answer.head)] == [b"vary"]
    assert b'"where": "m.toml:7"' in answer.body
    assert (await stage.record()).detail.endswith("https://app.test, https://*.app.test, m.toml:7")


async def test_options_that_is_no_preflight_is_the_services_own(stage: Stage) -> None:
    with_cors(stage)
    caller, service = await stage.conversation(b"OPTIONS / HTTP/1.1\r\nHost: api\r\nOrigin: https://app.test\r\n\r\n")
    head, _ = await service.request()
    assert head.line.startswith(b"OPTIONS / ")
    await service.send(OK + b"\r\nok")
    assert (await caller.answer(b"OPTIONS")).status == 200


async def test_answers_say_who_may_read_them_and_no_service_says_otherwise(stage: Stage) -> None:
    with_cors(stage)
    own = b"Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 5\r\nX-B: 1\r\n"
    head = await asked(stage, b"https://app.test", own)
    assert of_cors(head) == {
        b"access-control-allow-origin": b"https://app.test",
        b"access-control-allow-credentials": b"true",
        b"vary": b"Origin",
    }
    assert head.get(b"x-b") == b"1"
    assert of_cors(await asked(stage, b"https://evil.test", own)) == {b"vary": b"Origin"}


async def test_what_a_service_says_without_a_policy_is_passed_on(stage: Stage) -> None:
    head = await asked(stage, b"https://app.test", b"Access-Control-Allow-Origin: *\r\n")
    assert of_cors(head) == {b"access-control-allow-origin": b"*"}


async def test_a_page_may_read_that_the_service_did_not_answer(stage: Stage) -> None:
    with_cors(stage)
    stage.keep_endpoints(())
    answer = await (await stage.call()).ask(GET + b"Origin: https://app.test\r\n\r\n")
    assert answer.reason == "no_endpoint"
    assert answer.head.get(b"access-control-allow-origin") == b"https://app.test"
