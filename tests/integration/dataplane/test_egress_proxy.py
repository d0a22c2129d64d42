"""The forward proxy of a caller: what it passes on, what it refuses, and what of it is left in the records."""

import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from minimesh.dataplane.egress import outside as module
from minimesh.model.egress import Egress
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.route import Route
from minimesh.model.snapshot import Inside, Listener, ListenerKind, Proxy
from minimesh.model.where import Where
from minimesh.spec.egress import listed as read_listed
from tests.integration.dataplane.stage import ANY_PORT, EACH_CODEC, FASTEST, TRUST_DOMAIN, WAITING, Stage, until
from tests.integration.dataplane.wire import Peer, Service, Short

pytestmark = [pytest.mark.anyio]

PROXY = "web->egress"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def open_proxy(
    stage: Stage,
    *listed: str,
    mode: Egress = Egress.REGISTERED,
    own: Sequence[int] = (),
    limits: Limits | None = None,
) -> None:
    """`web` may call `api`, and has one endpoint of it; `db` speaks tcp, and `stock` it may not call."""
    stage.open()
    inside = Inside(
        frozenset(own),
        {"api": "", "api.shop.localhost": "", "stock": "", "db": "it speaks tcp, and is called at $DB_ADDR"},
    )
    proxy = Listener(
        ListenerKind.PROXY,
        ANY_PORT,
        Identity(TRUST_DOMAIN, "web"),
        (Route("api", host="api"), Route("api", host="api.shop.localhost")),
        limits or Limits(),
        proxy=Proxy(mode, tuple(map(read_listed, listed)), inside, Where("minimesh.toml", 8, 1)),
    )
    old = stage.snapshot
    stage.apply(replace(old, generation=2, listeners={**old.listeners, PROXY: proxy}))


def outside(stage: Stage, name: str = "ext.test") -> Service:
    """A host that is none of the mesh's, at an address of this machine."""
    service = Service()
    stage.services.append(service)
    stage.names[name] = ["127.0.0.1"]
    return service


async def connect(stage: Stage, authority: str, version: str = "1.1", more: bytes = b"") -> tuple[Peer, bytes]:
    """A caller that has asked for a tunnel, and the answer's head."""
    caller = await stage.call(PROXY)
    await caller.send(f"CONNECT {authority} HTTP/{version}\r\nHost: {authority}\r\n\r\n".encode() + more)
    return caller, await caller.until(b"\r\n\r\n")


def get(url: str, host: str = "", more: str = "") -> bytes:
    named = host or url.split("/")[2]
    return f"GET {url} HTTP/1.1\r\nHost: {named}\r\n{more}\r\n".encode()


@EACH_CODEC
async def test_a_request_goes_on_as_one_of_its_own_to_the_host(bare: Stage) -> None:
    open_proxy(bare, "ext.test:1", mode=Egress.OBSERVE)
    ext = outside(bare)
    caller = await bare.call(PROXY)
    more = (
        "Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\nX-Forwarded-Client-Cert: URI=x\r\n"
        "X-Minimesh-Reason: no\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Kept: 1\r\n"
    )
    await caller.send(get(f"http://EXT.test:{ext.port}/a%62?q=1", more=more))
    peer = await ext.accept()
    head, _ = await peer.request()
    assert head.line == b"GET /ab?q=1 HTTP/1.1"
    assert head.get(b"host") == f"ext.test:{ext.port}".encode()
    assert {name for name, _ in head.fields} == {b"host", b"x-kept", b"x-request-id", b"traceparent"}
    await peer.send(OK)
    assert (await caller.answer()).body == b"ok"
    await caller.send(get(f"http://ext.test:{ext.port}/again"))
    await peer.request()
    await peer.send(OK)
    assert (await caller.answer()).status == 200
    record = await bare.record(2)
    assert (record.source, record.destination, record.route) == ("web", "egress", f"ext.test:{ext.port}")
    assert (record.endpoint, record.listener, record.status) == (f"ext.test:{ext.port}", PROXY, 200)
    (seen,) = bare.plane.take_seen()
    assert (seen.source, str(seen.target), seen.listed, seen.passed) == ("web", f"ext.test:{ext.port}", False, True)
    assert bare.plane.take_seen() == []


@EACH_CODEC
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_tunnel_passes_bytes_and_each_end_on(bare: Stage, version: str) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    ext = outside(bare)
    caller, said = await connect(bare, f"ext.test:{ext.port}", version, b"early")
    assert said == b"HTTP/1.1 200 Connection Established\r\n\r\n"
    peer = await ext.accept()
    assert await peer.exactly(5) == b"early"
    await peer.send(b"\x00\x01answer")
    assert await caller.exactly(8) == b"\x00\x01answer"
    caller.finish()
    assert await peer.rest() == b""
    await peer.send(b"last")
    peer.close()
    assert await caller.rest() == b"last"
    record = await bare.record()
    assert (record.method, record.target, record.status) == ("CONNECT", f"ext.test:{ext.port}", 200)
    assert (record.bytes_in, record.bytes_out, record.cut) == (5, 12, "")


@EACH_CODEC
async def test_who_is_called_may_speak_first(bare: Stage) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    ext = outside(bare)
    caller = await bare.call(PROXY)
    await caller.send(f"CONNECT ext.test:{ext.port} HTTP/1.1\r\nHost: ext.test\r\n\r\n".encode())
    peer = await ext.accept()
    await peer.send(b"220 ready\r\n")
    assert await caller.until(b"ready\r\n") == b"HTTP/1.1 200 Connection Established\r\n\r\n220 ready\r\n"
    peer.reset()
    with pytest.raises(Short) as cut:
        await caller.rest()
    assert cut.value.reset
    assert (await bare.record()).cut == "upstream_cut"


REFUSED = {
    "a path": (b"GET / HTTP/1.1\r\nHost: ext.test\r\n\r\n", "no_proxy_request"),
    "the whole server": (b"OPTIONS * HTTP/1.1\r\nHost: ext.test\r\n\r\n", "no_proxy_request"),
    "https": (b"GET https://ext.test/ HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "another scheme": (b"GET ftp://ext.test/ HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "another host": (get("http://ext.test/", "api"), "bad_request"),
    "another port": (get("http://ext.test/", "ext.test:81"), "bad_request"),
    "a user": (get("http://root@ext.test/", "ext.test"), "bad_request"),
    "a password": (get("http://root:x@ext.test/", "ext.test"), "bad_request"),
    "a fragment": (get("http://ext.test/#a", "ext.test"), "bad_request"),
    "a fragment for a path": (get("http://ext.test#a", "ext.test"), "bad_request"),
    "no host": (b"GET http:///a HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "port 0": (get("http://ext.test:0/"), "bad_request"),
    "port 65536": (get("http://ext.test:65536/"), "bad_request"),
    "a number": (get("http://2130706433/"), "bad_request"),
    "octal": (get("http://0177.0.0.1/"), "bad_request"),
    "hexadecimal": (get("http://0x7f.1/"), "bad_request"),
    "a short address": (get("http://127.1/"), "bad_request"),
    "a space": (b"GET http://ext.test /a HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "a tunnel without a port": (b"CONNECT ext.test HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "a tunnel to a URL": (b"CONNECT http://ext.test:80/ HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "a tunnel to a path": (b"CONNECT / HTTP/1.1\r\nHost: ext.test\r\n\r\n", "bad_request"),
    "a tunnel with a user": (b"CONNECT a@ext.test:1 HTTP/1.1\r\nHost: ext.test:1\r\n\r\n", "bad_request"),
    "a tunnel elsewhere": (b"CONNECT ext.test:443 HTTP/1.1\r\nHost: api:443\r\n\r\n", "bad_request"),
    "a tunnel with a body": (
        b"CONNECT ext.test:443 HTTP/1.1\r\nHost: ext.test:443\r\nContent-Length: 2\r\n\r\nhi",
        "bad_request",
    ),
    "a tunnel with chunks": (
        b"CONNECT ext.test:443 HTTP/1.1\r\nHost: ext.test:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad_request",
    ),
    "a tunnel in HTTP/1.1 without Host": (b"CONNECT ext.test:443 HTTP/1.1\r\n\r\n", "bad_request"),
    "trace": (b"TRACE http://ext.test/ HTTP/1.1\r\nHost: ext.test\r\n\r\n", "method_not_allowed"),
}


@EACH_CODEC
@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_asked_by_the_letter_is_refused(bare: Stage, name: str) -> None:
    request, reason = REFUSED[name]
    open_proxy(bare, mode=Egress.OBSERVE)
    bare.names["ext.test"] = ["127.0.0.1"]
    caller = await bare.call(PROXY)
    answer = await caller.ask(request)
    assert answer.reason == reason


@EACH_CODEC
async def test_what_follows_a_refused_tunnel_is_no_request(bare: Stage) -> None:
    open_proxy(bare)
    caller, said = await connect(bare, "ext.test:80", more=get("http://api/smuggled"))
    assert said.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in said
    body = json.loads(await caller.rest())
    assert body["reason"] == "egress_refused"
    assert body["where"] == "minimesh.toml:8"
    assert 'egress = ["ext.test:80"] in web' in body["detail"]
    assert bare.telemetry.ring.total == 1
    assert await bare.service.silent()
    record = await bare.record()
    assert (record.destination, record.route, record.reason) == ("egress", "ext.test:80", "egress_refused")


@EACH_CODEC
@pytest.mark.parametrize("host", ["api", "API", "api.shop.localhost", "api:8080"])
async def test_a_service_is_called_as_the_caller_that_it_is(bare: Stage, host: str) -> None:
    open_proxy(bare)
    caller = await bare.call(PROXY)
    await caller.send(get(f"http://{host}/x"))
    peer = await bare.service.accept()
    head, _ = await peer.request()
    assert head.get(b"x-forwarded-client-cert") == b"By=spiffe://shop.mesh/svc/api;URI=spiffe://shop.mesh/svc/web"
    await peer.send(OK)
    assert (await caller.answer()).status == 200
    record = await bare.record()
    assert (record.source, record.destination, record.listener) == ("web", "api", PROXY)
    assert bare.plane.take_seen() == []


@EACH_CODEC
@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (get("http://stock/"), 'calls = ["stock"] in web'),
        (get("http://db/"), "$DB_ADDR"),
        (b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n", "$DB_ADDR"),
        (b"CONNECT api:80 HTTP/1.1\r\nHost: api:80\r\n\r\n", "ask for http://api/"),
    ],
)
async def test_a_service_that_the_proxy_does_not_lead_to(bare: Stage, request_: bytes, detail: str) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    answer = await (await bare.call(PROXY)).ask(request_)
    assert (answer.status, answer.reason) == (403, "not_called")
    assert detail in json.loads(answer.body)["detail"]


@EACH_CODEC
async def test_a_page_of_another_site_does_not_call_a_service(bare: Stage) -> None:
    open_proxy(bare)
    answer = await (await bare.call(PROXY)).ask(get("http://api/", more="Sec-Fetch-Site: cross-site\r\n"))
    assert answer.reason == "cross_site"


@EACH_CODEC
async def test_http2_is_not_spoken_to_a_proxy(bare: Stage) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    bare.names["ext.test"] = ["127.0.0.1"]
    caller = await bare.call(PROXY)
    # GET http://ext.test/ with prior knowledge: method, scheme, path, authority.
    block = b"\x82\x86\x84\x41\x08ext.test"
    headers = len(block).to_bytes(3, "big") + b"\x01\x05\x00\x00\x00\x01" + block
    await caller.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" + headers)
    await until(lambda: bare.telemetry.ring.total)
    assert (await bare.record()).reason == "version_not_supported"


# ---- where it may lead


@FASTEST
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::1"])
@pytest.mark.parametrize("way", ["GET", "CONNECT"])
async def test_a_listed_name_does_not_lead_inside(bare: Stage, address: str, way: str) -> None:
    open_proxy(bare, "ext.test:8080")
    bare.names["ext.test"] = [address]
    caller = await bare.call(PROXY)
    target = "http://ext.test:8080/" if way == "GET" else "ext.test:8080"
    answer = await caller.ask(f"{way} {target} HTTP/1.1\r\nHost: ext.test:8080\r\n\r\n".encode())
    assert (answer.status, answer.reason) == (403, "egress_refused")
    assert "ext.test is" in json.loads(answer.body)["detail"]
    record = await bare.record()
    assert record.tries == 1, "to try again changes nothing"


@FASTEST
async def test_the_address_that_was_looked_at_is_the_one_that_is_dialled(bare: Stage) -> None:
    ext = outside(bare)
    open_proxy(bare, f"ext.test:{ext.port}", f"127.0.0.1:{ext.port}")
    bare.services.append(ext)
    bare.names["ext.test"] = ["10.255.255.1", "127.0.0.1"]
    caller = await bare.call(PROXY)
    await caller.send(get(f"http://ext.test:{ext.port}/"))
    peer = await ext.accept()
    bare.names["ext.test"] = ["10.255.255.1"]
    await peer.request()
    await peer.send(OK)
    assert (await caller.answer()).status == 200
    ext.close()


@FASTEST
async def test_the_meshs_own_ports_are_not_reached_by_their_numbers(bare: Stage) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    own = bare.service.port
    proxy = bare.snapshot.listeners[PROXY]
    assert proxy.proxy is not None
    inside = replace(proxy.proxy.inside, ports=frozenset({own}))
    listener = replace(proxy, proxy=replace(proxy.proxy, inside=inside))
    bare.apply(replace(bare.snapshot, generation=3, listeners={**bare.snapshot.listeners, PROXY: listener}))
    bare.names["ext.test"] = ["127.0.0.1"]
    for host in ("127.0.0.1", "ext.test", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127.9.9.9"):
        answer = await (await bare.call(PROXY)).ask(get(f"http://{host}:{own}/"))
        assert answer.reason == "egress_refused", host
        assert "services are called by their names" in json.loads(answer.body)["detail"]
    assert await bare.service.silent()


@FASTEST
async def test_a_name_without_an_address(bare: Stage) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    answer = await (await bare.call(PROXY)).ask(get("http://nowhere.test/"))
    assert (answer.status, answer.reason) == (502, "host_not_found")
    assert "Name or service not known" in json.loads(answer.body)["detail"]


@FASTEST
async def test_a_host_that_refuses(bare: Stage) -> None:
    open_proxy(bare, mode=Egress.OBSERVE)
    ext = outside(bare)
    ext.close()
    answer = await (await bare.call(PROXY)).ask(get(f"http://ext.test:{ext.port}/"))
    assert (answer.status, answer.reason) == (503, "upstream_refused")
    _, said = await connect(bare, f"ext.test:{ext.port}")
    assert said.startswith(b"HTTP/1.1 503 ")


@WAITING
async def test_a_blackhole_is_given_up(bare: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT", 0.2)
    open_proxy(bare, mode=Egress.OBSERVE)
    ext = Service(backlog=0)
    bare.services.append(ext)
    bare.names["ext.test"] = ["127.0.0.1"]
    for _ in range(3):  # Linux lets one more wait than it is told to
        bare.callers.append(waiting := Peer(socket.socket()))
        with suppress(BlockingIOError):
            waiting.socket.connect(("127.0.0.1", ext.port))
    answer = await (await bare.call(PROXY)).ask(get(f"http://ext.test:{ext.port}/"))
    assert (answer.status, answer.reason) == (504, "connect_timeout")


@FASTEST
async def test_what_is_let_through_ends_where_the_file_says_so(bare: Stage) -> None:
    ext = outside(bare)
    open_proxy(bare, f"ext.test:{ext.port}", f"127.0.0.1:{ext.port}")
    bare.services.append(ext)
    caller = await bare.call(PROXY)
    await caller.send(get(f"http://ext.test:{ext.port}/"))
    peer = await ext.accept()
    await peer.request()
    await peer.send(OK)
    assert (await caller.answer()).status == 200
    old = bare.snapshot.listeners[PROXY]
    assert old.proxy is not None
    strict = replace(old, proxy=replace(old.proxy, listed=()))
    bare.apply(replace(bare.snapshot, generation=3, listeners={**bare.snapshot.listeners, PROXY: strict}))
    assert (await caller.ask(get(f"http://ext.test:{ext.port}/"))).reason == "egress_refused"


@FASTEST
async def test_hosts_are_bounded(bare: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 3)
    monkeypatch.setattr(module, "MOST_NAMED", 4)
    open_proxy(bare, mode=Egress.OBSERVE)
    ext = outside(bare)
    caller = await bare.call(PROXY)
    async with ext.serving(OK):
        for number in range(8):
            bare.names[f"{number}.test"] = ["127.0.0.1"]
            assert (await caller.ask(get(f"http://{number}.test:{ext.port}/"))).status == 200
        assert len(bare.plane._outside._known) == 3
        routes = {counters.key.route for counters in bare.telemetry.counters.all() if counters.requests}
        assert routes == {*(f"{number}.test:{ext.port}" for number in range(4)), "other"}
        assert len(bare.plane.take_seen()) == 4
