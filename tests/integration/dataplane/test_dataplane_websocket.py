"""WebSocket between every two versions of HTTP: the handshake, what is refused, the tunnel, and how it ends."""

import asyncio
from dataclasses import replace

import pytest
from h2.events import DataReceived

from minimesh.model.project import Limits
from minimesh.model.service import Protocol, Timeouts
from tests.integration.dataplane.multiplexed import TUNNELS, Http2Peer
from tests.integration.dataplane.stage import FASTEST, Stage
from tests.integration.dataplane.tunnels import ACCEPT, KEY, WIRE, End1, End2, ask, asked, opened

pytestmark = pytest.mark.anyio

WAYS = pytest.mark.parametrize(
    ("caller", "endpoint"), [(1, 1), (1, 2), (2, 1), (2, 2)], ids=lambda version: f"h{version}"
)
PROTOCOL = (b"sec-websocket-protocol", b"graphql-ws, json")
EXTENSIONS = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
AGREED = ((b"sec-websocket-protocol", b"json"), (b"sec-websocket-extensions", b"permessage-deflate"))
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
GO_ON = (b"x-of", b"service")


# --- the handshake ---------------------------------------------------------------------------------------------


@FASTEST
@WAYS
async def test_a_handshake_is_understood_on_either_side(bare: Stage, caller: int, endpoint: int) -> None:
    bare.open(protocol=WIRE[endpoint])
    handshake = await ask(bare, caller, (PROTOCOL, EXTENSIONS, (b"cookie", b"a=1"), (b"origin", b"http://api")))
    request = await asked(bare, endpoint)
    fields = request.fields
    assert fields[b"sec-websocket-version"] == b"13"
    assert (fields[PROTOCOL[0]], fields[EXTENSIONS[0]]) == (PROTOCOL[1], EXTENSIONS[1])
    assert (fields[b"cookie"], fields[b"origin"]) == (b"a=1", b"http://api")
    if endpoint == 2:
        assert fields.keys().isdisjoint({b"sec-websocket-key", b"connection", b"upgrade", b"host"})
        assert fields[b":authority"] == b"api"
    else:
        assert (fields[b"connection"], fields[b"upgrade"], fields[b"host"]) == (b"upgrade", b"websocket", b"api")
        assert (fields[b"sec-websocket-key"] == KEY) is (caller == 1)
    await request.accept((*AGREED, GO_ON), b"first")
    answer = await handshake.answer()
    assert [answer.head.get(name) for name, _ in (*AGREED, GO_ON)] == [value for _, value in (*AGREED, GO_ON)]
    assert answer.status == (101 if caller == 1 else 200)
    assert answer.head.get(b"sec-websocket-accept") == (ACCEPT if caller == 1 else None)
    assert answer.head.get(b"upgrade") == (b"websocket" if caller == 1 else None)
    assert answer.head.get(b"content-length") is answer.head.get(b"transfer-encoding") is None
    assert await handshake.end.exactly(5) == b"first"
    await handshake.end.send(b"\0\xff GET / HTTP/1.1\r\n\r\n")
    assert await request.end.exactly(21) == b"\0\xff GET / HTTP/1.1\r\n\r\n"


@FASTEST
@WAYS
async def test_what_comes_before_the_answer_follows_it(bare: Stage, caller: int, endpoint: int) -> None:
    bare.open(protocol=WIRE[endpoint])
    handshake = await ask(bare, caller, early=b"early")
    request = await asked(bare, endpoint)
    await request.accept()
    assert await request.end.exactly(5) == b"early"
    assert (await handshake.answer()).status in (101, 200)


@FASTEST
async def test_each_key_that_the_mesh_makes_is_another(bare: Stage) -> None:
    bare.open()
    keys = set()
    for _ in range(3):
        await ask(bare, 2)
        keys.add((await asked(bare, 1)).fields[b"sec-websocket-key"])
    assert len(keys) == 3


@FASTEST
@pytest.mark.parametrize("accept", [b"", b"Sec-WebSocket-Accept: %b\r\n" % ACCEPT], ids=["none", "foreign"])
async def test_a_service_that_did_not_read_the_key_is_502(bare: Stage, accept: bytes) -> None:
    bare.open()
    handshake = await ask(bare, 2)
    request = await asked(bare, 1)
    assert isinstance(request.end, End1)
    await request.end.peer.send(b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + accept + b"\r\n")
    answer = await handshake.answer()
    assert (answer.status, answer.reason) == (502, "upstream_protocol")
    assert b"Sec-WebSocket-Accept" in answer.body
    await request.end.peer.closed()


@FASTEST
@pytest.mark.parametrize("key", [b"", b"Sec-WebSocket-Key: short\r\n"], ids=["none", "short"])
async def test_a_caller_without_a_key_is_400_where_nobody_else_would_notice(bare: Stage, key: bytes) -> None:
    bare.open(protocol=Protocol.H2)
    peer = await bare.call()
    await peer.send(b"GET /chat HTTP/1.1\r\nHost: api\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + key + b"\r\n")
    service = Http2Peer(await bare.service.accept(), client=False, settings=TUNNELS)
    await service.begin()
    answer = await peer.answer()
    assert (answer.status, answer.reason) == (400, "bad_request")
    assert b"Sec-WebSocket-Key" in answer.body


# --- refusals --------------------------------------------------------------------------------------------------


@FASTEST
@WAYS
@pytest.mark.parametrize("status", [400, 401, 426, 503])
async def test_a_refusal_comes_through_whole(bare: Stage, caller: int, endpoint: int, status: int) -> None:
    bare.open(protocol=WIRE[endpoint])
    handshake = await ask(bare, caller)
    request = await asked(bare, endpoint)
    await request.refuse(status, b"not here")
    answer = await handshake.answer()
    assert (answer.status, answer.body, answer.reason) == (status, b"not here", "")
    if isinstance(handshake.end, End2):
        await handshake.end.peer.ended(handshake.end.number)
    if isinstance(request.end, End2):
        await request.end.finished()
    record = await bare.record()
    assert (record.status, record.cut, record.bytes_out) == (status, "", 8)


@FASTEST
@WAYS
async def test_both_connections_speak_http_after_a_refusal(bare: Stage, caller: int, endpoint: int) -> None:
    """A request of the caller's own version: it goes by the same connection to the service where that can be."""
    bare.open(protocol=WIRE[endpoint])
    handshake = await ask(bare, caller)
    request = await asked(bare, endpoint)
    await request.refuse(403, b"no")
    await handshake.answer()
    one, other = handshake.end, request.end
    if isinstance(one, End1):
        await one.peer.send(GET)
    else:
        number = await one.peer.request("/")
    if isinstance(other, End2):
        again, _ = await other.peer.requested()
        await other.peer.answer(again, 204, end=True)
    elif isinstance(one, End1):
        await other.peer.head()
        await other.peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    else:
        service = Http2Peer(await bare.service.accept(), client=False)
        await service.begin()
        again, _ = await service.requested()
        await service.answer(again, 204, end=True)
    assert (await one.peer.answer()).status == 204 if isinstance(one, End1) else await one.peer.head(number)


@FASTEST
async def test_a_plain_answer_is_no_tunnel_for_a_caller_on_http_1(bare: Stage) -> None:
    bare.open()
    handshake = await ask(bare, 1)
    request = await asked(bare, 1)
    await request.refuse(200, b"a page")
    answer = await handshake.answer()
    assert (answer.status, answer.body) == (200, b"a page")


@FASTEST
async def test_a_plain_answer_must_not_look_like_a_tunnel_to_a_caller_on_http_2(bare: Stage) -> None:
    bare.open()
    handshake = await ask(bare, 2)
    request = await asked(bare, 1)
    await request.refuse(200, b"a page")
    answer = await handshake.answer()
    assert (answer.status, answer.reason) == (502, "upstream_protocol")
    assert b"answered a handshake for WebSocket with 200" in answer.body


@FASTEST
@pytest.mark.parametrize("caller", [1, 2])
async def test_a_service_that_takes_none_over_http_2_is_502_where_it_insists(bare: Stage, caller: int) -> None:
    bare.open(protocol=Protocol.H2)
    handshake = await ask(bare, caller)
    service = Http2Peer(await bare.service.accept(), client=False)
    await service.begin()
    answer = await handshake.answer()
    assert (answer.status, answer.reason) == (502, "upstream_protocol")
    assert b"SETTINGS_ENABLE_CONNECT_PROTOCOL" in answer.body
    again = await ask(bare, caller)
    assert (await again.answer()).status == 502


@FASTEST
async def test_a_service_that_says_nothing_is_502(bare: Stage) -> None:
    bare.open(protocol=Protocol.H2, timeouts=Timeouts(connect=0.1))
    handshake = await ask(bare, 2)
    await bare.service.accept()
    answer = await handshake.answer()
    assert (answer.status, answer.reason) == (502, "upstream_protocol")


@FASTEST
@pytest.mark.parametrize("tunnels", [True, False])
async def test_where_a_service_speaks_both_its_settings_decide(bare: Stage, tunnels: bool) -> None:
    bare.open()
    peer = Http2Peer(await bare.call(), client=True)
    await peer.begin()
    first = await peer.request("/")
    service = Http2Peer(await bare.service.accept(), client=False, settings=TUNNELS if tunnels else None)
    await service.begin()
    number, _ = await service.requested()
    await service.answer(number, 204, end=True)
    assert (await peer.head(first))[b":status"] == b"204"
    await peer.websocket()
    if tunnels:
        _, fields = await service.requested()
        assert fields[b":protocol"] == b"websocket"
    else:
        assert (await asked(bare, 1)).fields[b"upgrade"] == b"websocket"


@FASTEST
async def test_a_service_that_turns_out_to_speak_http_2_alone_is_asked_so(bare: Stage) -> None:
    bare.open()
    handshake = await ask(bare, 1)
    service = Http2Peer(await bare.service.accept(), client=False, settings=TUNNELS)
    await service.begin()
    request = await asked(bare, 2)
    await request.accept()
    answer = await handshake.answer()
    assert (answer.status, answer.head.get(b"sec-websocket-accept")) == (101, ACCEPT)


@FASTEST
@pytest.mark.parametrize("fields", [[(b"content-length", b"5")]])
async def test_a_handshake_over_http_2_has_no_body(stage: Stage, fields: list[tuple[bytes, bytes]]) -> None:
    peer = Http2Peer(await stage.call(), client=True)
    await peer.begin()
    assert await peer.was_reset(await peer.websocket(fields)) == 1
    assert await stage.service.silent()


@FASTEST
async def test_there_are_no_trailers_in_a_tunnel(bare: Stage) -> None:
    bare.open()
    one, other = await opened(bare, 2, 1)
    assert isinstance(one, End2)
    await one.peer.trailers(one.number, [(b"a", b"1")])
    assert await one.peer.was_reset(one.number) == 1
    await other.was_reset()


# --- the tunnel ------------------------------------------------------------------------------------------------


@FASTEST
@WAYS
@pytest.mark.parametrize("first", ["caller", "service"])
async def test_each_side_may_shut_before_the_other(bare: Stage, caller: int, endpoint: int, first: str) -> None:
    bare.open(protocol=WIRE[endpoint])
    ends = await opened(bare, caller, endpoint)
    one, other = ends if first == "caller" else reversed(ends)
    await one.send(b"last words")
    await one.finish()
    assert await other.exactly(10) == b"last words"
    await other.finished()
    await other.send(b"an answer to them")
    await other.finish()
    assert await one.exactly(17) == b"an answer to them"
    await one.finished()
    record = await bare.record()
    assert (record.status, record.reason, record.cut) == (101, "", "")
    assert {record.bytes_in, record.bytes_out} == {10, 17}


@FASTEST
@WAYS
@pytest.mark.parametrize("first", ["caller", "service"])
async def test_a_reset_becomes_a_reset(bare: Stage, caller: int, endpoint: int, first: str) -> None:
    bare.open(protocol=WIRE[endpoint])
    ends = await opened(bare, caller, endpoint)
    one, other = ends if first == "caller" else reversed(ends)
    await one.reset()
    await other.was_reset()
    assert (await bare.record()).cut == ("client_gone" if first == "caller" else "upstream_cut")


@FASTEST
@WAYS
async def test_a_connection_that_breaks_resets_its_tunnels(bare: Stage, caller: int, endpoint: int) -> None:
    bare.open(protocol=WIRE[endpoint])
    one, other = await opened(bare, caller, endpoint)
    (one.peer if isinstance(one, End1) else one.peer.peer).reset()
    await other.was_reset()


@FASTEST
@WAYS
async def test_the_idle_limit_ends_a_silent_tunnel_and_no_other_does(bare: Stage, caller: int, endpoint: int) -> None:
    bare.open(
        timeouts=Timeouts(request=0.2, idle=1.0),
        limits=replace(Limits(), head=0.2, body=0.2, idle=0.2),
        protocol=WIRE[endpoint],
    )
    one, other = await opened(bare, caller, endpoint)
    for _ in range(3):
        await asyncio.sleep(0.4)
        await one.send(b"x")
        assert await other.exactly(1) == b"x"
    await one.was_reset()
    assert (await bare.record()).cut == "timed_out"


@FASTEST
@WAYS
@pytest.mark.parametrize("way", ["up", "down"])
async def test_who_sends_too_much_is_held_back(bare: Stage, caller: int, endpoint: int, way: str) -> None:
    bare.open(protocol=WIRE[endpoint])
    ends = await opened(bare, caller, endpoint)
    sender, reader = ends if way == "up" else reversed(ends)
    # More than the buffers of the kernel hold; where both speak HTTP/2, than its windows.
    size = {(1, 1): 32, (2, 2): 2}.get((caller, endpoint), 12) * 1024 * 1024
    if isinstance(reader, End2):
        # One that reads frames and takes nothing: the window holds the sender back.
        reader.peer.credit = False
    sending = asyncio.ensure_future(sender.send(b"x" * size))
    await asyncio.sleep(0.1)
    assert not sending.done()
    if isinstance(reader, End2):
        first = await reader.exactly(65_535)
        reader.peer.credit = True
        reader.peer.h2.acknowledge_received_data(len(first), reader.number)
        await reader.peer.flush()
        size -= len(first)
    received = 0
    while received < size:
        piece = min(size - received, 1024 * 1024) if isinstance(reader, End1) else 0
        received += len(await reader.exactly(piece)) if piece else len(await _some(reader))
    await sending


async def _some(end: End1 | End2) -> bytes:
    assert isinstance(end, End2)
    return (await end.peer.next(DataReceived, end.number)).data


@FASTEST
async def test_many_tunnels_share_a_connection_and_end_apart(bare: Stage) -> None:
    bare.open(protocol=Protocol.H2)
    peer = Http2Peer(await bare.call(), client=True)
    await peer.begin()
    numbers = [await peer.websocket() for _ in range(20)]
    service = Http2Peer(await bare.service.accept(), client=False, settings=TUNNELS)
    await service.begin()
    there = [(await service.requested())[0] for _ in numbers]
    for number in there:
        await service.answer(number, 200)
    for number in numbers:
        await peer.head(number)
        await peer.send(number, b"%d" % number)
    for number in numbers[::2]:
        await peer.reset(number)
    for index, number in enumerate(there):
        assert await service.exactly(number, len(b"%d" % numbers[index])) == b"%d" % numbers[index]
        if index % 2:
            await service.send(number, b"still here")
            assert await peer.exactly(numbers[index], 10) == b"still here"
        else:
            assert await service.was_reset(number) == 8


@FASTEST
@pytest.mark.parametrize("end", ["caller", "service"])
async def test_a_connection_has_room_for_as_many_tunnels_as_it_had_before(bare: Stage, end: str) -> None:
    """More than it may have at once, one after the other."""
    bare.open(protocol=Protocol.H2)
    peer = Http2Peer(await bare.call(), client=True)
    await peer.begin()
    service: Http2Peer | None = None
    for _ in range(110):
        one = End2(peer, await peer.websocket())
        if service is None:
            service = Http2Peer(await bare.service.accept(), client=False, settings=TUNNELS)
            await service.begin()
        other = End2(service, (await service.requested())[0])
        await service.answer(other.number, 200)
        await peer.head(one.number)
        first, second = (one, other) if end == "caller" else (other, one)
        await first.finish()
        await second.finished()
        await second.finish()
        await first.finished()
    assert bare.telemetry.ring.total == 110


@FASTEST
@WAYS
async def test_a_tunnel_outlives_a_drain_until_it_is_cut(bare: Stage, caller: int, endpoint: int) -> None:
    """As when the mesh is upgraded: nobody waits for it, and its ends see that it was cut."""
    bare.open(protocol=WIRE[endpoint])
    one, other = await opened(bare, caller, endpoint)
    bare.plane.freeze()
    assert not bare.plane.busy(0.0)
    await one.send(b"still")
    assert await other.exactly(5) == b"still"
    assert bare.plane.cut_busy() == 1
    await other.was_reset()
    assert (await bare.record()).cut == "stopped"
