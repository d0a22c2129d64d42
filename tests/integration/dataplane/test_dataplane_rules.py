"""The rules of a service on the wire: whoever is refused never reaches it, by whatever protocol and path he comes."""

import json
import socket
from dataclasses import replace

import pytest

from minimesh.model.attest import Attest
from minimesh.model.authorization import Authorization, Rule, Rules
from minimesh.model.route import PathKind, PathMatch, Route
from minimesh.model.where import Where
from tests.integration.dataplane.multiplexed import Http2Peer
from tests.integration.dataplane.stage import ANY_PORT, EACH_CODEC, FASTEST, GATEWAY, OUTBOUND, Stage
from tests.integration.dataplane.test_dataplane_attested import OWN, STRANGER, Told, change
from tests.integration.dataplane.wire import Short

pytestmark = pytest.mark.anyio

LINE = Where("minimesh.toml", 12, 3)


def prefix(path: str) -> PathMatch:
    return PathMatch(PathKind.PREFIX, path)


NO_ADMIN = Rules(deny=(Rule(paths=(prefix("/admin"),), where=LINE),))
# Whatever stands for /admin/x, or for something below /admin, with some service.
TRICKS = {
    "//admin/x": 403,
    "/./admin/x": 403,
    "/orders/../admin/x": 403,
    "/orders/%2e%2e/admin/x": 403,
    "/orders/.%2E/admin/x": 403,
    "/%61dmin/x": 403,
    "/admin%2Fx": 403,
    "/%2fadmin/x": 403,
    "/orders/..%2Fadmin/x": 403,
    "/orders%5C..%5Cadmin": 403,
    "/orders/%252e%252e/admin/x": 403,
    "/admin;a=b/x": 403,
    "/orders/..;/admin/x": 403,
    "/admin/": 403,
    "/admin/x?y=/orders": 403,
    "/admin/%00": 400,
    "/admin%00": 400,
    "/admin/x#": 400,
    "/orders#/admin": 400,
    "/../admin/x": 400,
    "/%2e%2e/admin/x": 400,
    "/orders/../../admin": 400,
}


def ruled(stage: Stage, rules: Rules, mode: Authorization = Authorization.OPEN) -> None:
    """The service has these rules from now on."""
    old = stage.snapshot
    api = replace(old.upstreams["api"], rules=rules, authorization=mode, where=Where("minimesh.toml", 7))
    stage.apply(replace(old, generation=old.generation + 1, upstreams={"api": api}))


@EACH_CODEC
async def test_a_deny_holds_however_its_path_is_written_on_http1(stage: Stage) -> None:
    ruled(stage, NO_ADMIN)
    for path, status in TRICKS.items():
        caller = await stage.call()
        await caller.send(f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        answer = await caller.answer()
        assert (path, answer.status) == (path, status)
        caller.close()
    assert await stage.service.silent()


@EACH_CODEC
async def test_a_deny_holds_however_its_path_is_written_on_http2(stage: Stage) -> None:
    ruled(stage, NO_ADMIN)
    h2 = Http2Peer(await stage.call(), client=True)
    await h2.begin()
    for path, status in TRICKS.items():
        number = await h2.request(path)
        if status == 400:
            assert await h2.was_reset(number) == 1, f"{path}: what is malformed is no request"
            continue
        assert (path, (await h2.head(number))[b":status"]) == (path, b"403")
        await h2.ended(number)
    assert await stage.service.silent()


@EACH_CODEC
async def test_what_no_rule_denies_passes_and_what_is_refused_says_why(stage: Stage) -> None:
    ruled(stage, Rules((Rule(("web",), ("GET",), (prefix("/orders"),), where=LINE),), where=Where("minimesh.toml", 11)))
    caller, service = await stage.conversation(b"GET /orders/1 HTTP/1.1\r\nHost: api\r\n\r\n", OUTBOUND)
    assert (await service.head()).line == b"GET /orders/1 HTTP/1.1"
    await service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await caller.answer()).status == 204
    await caller.send(b"POST /orders/1 HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\n\r\n{}")
    refused = await caller.answer()
    told = json.loads(refused.body)
    assert (refused.status, refused.reason) == (403, "denied")
    assert told["where"] == "minimesh.toml:11"
    assert told["detail"] == "no rule in `allow` of api fits POST /orders/1 of web"
    assert told["help"] == (
        'in `allow` of [services.api]: { from = ["web"], methods = ["POST"], paths = ["/orders/1"] }'
    )
    outside = await stage.call()
    await outside.send(b"GET /orders/1 HTTP/1.1\r\nHost: api\r\n\r\n")
    assert (await outside.answer()).status == 403
    records = [(each.source, each.status, each.reason, each.tries) for each in stage.records]
    assert records == [("web", 204, "", 1), ("web", 403, "denied", 0), (GATEWAY, 403, "denied", 0)]


@FASTEST
async def test_a_call_of_grpc_is_refused_as_grpc_has_it(stage: Stage) -> None:
    rules = Rules(deny=(Rule(paths=(PathMatch(PathKind.EXACT, "/shop.Orders/Delete"),), where=LINE),))
    ruled(stage, rules)
    h2 = Http2Peer(await stage.call(OUTBOUND), client=True)
    await h2.begin()
    fields = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    head = await h2.head(await h2.request("/shop.Orders/Delete", fields, method="POST"))
    assert (head[b":status"], head[b"grpc-status"]) == (b"200", b"7")
    assert b"minimesh.toml:12" in head[b"grpc-message"]


@FASTEST
async def test_rules_are_asked_as_they_are_now_of_whoever_is_connected_already(stage: Stage) -> None:
    caller = await stage.call(OUTBOUND)
    get = b"GET /admin HTTP/1.1\r\nHost: api\r\n\r\n"
    for rules, mode, status in (
        (Rules(), Authorization.CLOSED, 403),
        (NO_ADMIN, Authorization.OPEN, 403),
        (Rules((Rule(("gateway",)),)), Authorization.OPEN, 403),
        (Rules(), Authorization.OPEN, 503),
    ):
        ruled(stage, rules, mode)
        stage.keep_endpoints(())
        await caller.send(get)
        answer = await caller.answer()
        assert answer.status == status, rules
    closed = next(each for each in stage.records if each.reason == "denied")
    assert closed.detail == "authorization is closed, and api has no `allow`, minimesh.toml:7"


@FASTEST
async def test_the_path_that_counts_is_the_one_that_the_service_is_asked_for(bare: Stage) -> None:
    bare.open(routes=(Route("api", prefix("/api"), strip_prefix="/api"),))
    ruled(bare, Rules((Rule(paths=(prefix("/orders"),)),)))
    for path, status in (("/api/orders/1", 204), ("/api/orders/1", 204), ("/api/admin", 403), ("/api", 403)):
        caller = await bare.call()
        await caller.send(f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        if status == 204:
            service = await bare.service.accept()
            assert (await service.head()).line == b"GET /orders/1 HTTP/1.1"
            await service.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            service.close()
        assert (path, (await caller.answer()).status) == (path, status)


@FASTEST
async def test_rules_under_audit_refuse_nobody_and_leave_a_note(stage: Stage) -> None:
    audited = replace(NO_ADMIN.deny[0], audit=True)
    ruled(stage, Rules(deny=(audited,)))
    caller, service = await stage.conversation(b"GET /admin/x HTTP/1.1\r\nHost: api\r\n\r\n", OUTBOUND)
    await service.head()
    await service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await caller.answer()).status == 204
    record = await stage.record()
    assert (record.status, record.reason, record.detail) == (204, "", "audit: minimesh.toml:12 would refuse it")
    counted = [each.reasons for each in stage.telemetry.counters.all() if each.requests]
    assert counted == [{"audit_denied": 1}]
    (audit,) = stage.telemetry.audits.news(stage.loop.time())
    assert str(audit) == "minimesh.toml:12 would refuse web -> api: GET /admin/x"


@FASTEST
async def test_whoever_calls_waits_until_a_rule_can_know_whose_process_it_is(stage: Stage) -> None:
    told = Told(stage)
    ruled(stage, Rules((Rule(("web",), attested=True),), where=LINE))
    change(stage, attest=Attest.OBSERVE, known_first=True)
    get = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
    stranger = await stage.call(OUTBOUND)
    await stranger.send(get)
    await told.tell(STRANGER)
    refused = await stranger.answer()
    assert (refused.status, refused.reason) == (403, "denied")
    assert b"no rule in `allow` of api fits GET / of web (curl, pid 77)" in refused.body
    own = await stage.call(OUTBOUND)
    await own.send(get)
    await told.tell(OWN)
    service = await stage.service.accept()
    await service.request()
    await service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (await own.answer()).status == 204


# --- bytes ---------------------------------------------------------------------------------------------------------


def in_bytes(stage: Stage, rules: Rules, *, datagrams: bool = False) -> None:
    old = stage.snapshot
    web = replace(old.listeners[OUTBOUND], opaque=True, datagrams=datagrams, address=ANY_PORT)
    api = replace(old.upstreams["api"], rules=rules)
    stage.apply(replace(old, generation=old.generation + 1, listeners={OUTBOUND: web}, upstreams={"api": api}))


@FASTEST
async def test_a_connection_is_refused_before_anybody_is_dialled(stage: Stage) -> None:
    in_bytes(stage, Rules((Rule(("batch",)),), where=LINE))
    caller = await stage.call(OUTBOUND)
    with pytest.raises(Short) as cut:
        await caller.exactly(1)
    assert cut.value.reset
    record = await stage.record()
    assert (record.reason, record.destination, record.tries) == ("denied", "api", 0)
    assert record.detail == "no rule in `allow` of api fits a connection of web, minimesh.toml:12"
    assert await stage.service.silent()
    in_bytes(stage, Rules((Rule(("web",)),)))
    let_in = await stage.call(OUTBOUND)
    service = await stage.service.accept()
    await let_in.send(b"hello")
    assert await service.exactly(5) == b"hello"


@FASTEST
async def test_datagrams_are_refused_and_leave_one_record(stage: Stage) -> None:
    in_bytes(stage, Rules(deny=(Rule(("web",), where=LINE),)), datagrams=True)
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with caller:
        for _ in range(50):
            caller.sendto(b"hello", stage.plane.address(OUTBOUND))
        record = await stage.record()
    assert record.reason == "denied"
    assert record.detail.startswith("`deny` of api: web calls, minimesh.toml:12; datagrams: 0 in")
    assert len(stage.records) == 1
