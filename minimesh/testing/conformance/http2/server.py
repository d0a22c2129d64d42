"""How a codec of HTTP/2 behaves towards a caller: its greeting, answers, streams side by side, tunnels."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import Fields, ResponseHead
from minimesh.model.reason import Cut
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.given import HEAD, SIZED, TRAILERS, WEBSOCKET, WINDOW, post, silent
from minimesh.testing.conformance.http2.harness import Caller
from minimesh.testing.conformance.http2.wire import (
    ACK,
    CANCEL,
    COMMON,
    PREFACE,
    SETTINGS_ACK,
    Code,
    Setting,
    block,
    data,
    frame,
    headers,
    ping,
    request,
    rst_stream,
    settings,
    trailers,
    window_update,
)

# --- greeting ----------------------------------------------------------------------------------------------------


def tells_what_it_takes(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, greeting=b"")
    said = caller.heard()
    assert said[0].startswith("SETTINGS HEADER_TABLE_SIZE=0 MAX_CONCURRENT_STREAMS=100 INITIAL_WINDOW_SIZE=65535")
    assert "MAX_HEADER_LIST_SIZE=65536" in said[0]
    assert said[1:] == [f"WINDOW_UPDATE 0 {1024 * 1024 - WINDOW}"]
    caller.send(PREFACE, settings({Setting.MAX_FRAME_SIZE: 100_000, Setting.MAX_CONCURRENT_STREAMS: 0}))
    assert caller.heard() == ["SETTINGS ack"]


def knows_unknown_settings_not(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(frame("SETTINGS", 0, 0, b"\0\xff\0\0\0\1\xf0\0\xff\xff\xff\xff"), request())
    assert caller.heard()[0] == "SETTINGS ack"
    assert caller.last.ended


def answers_a_ping(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(ping(b"abcdefgh"), ping(b"ignored!", ACK))
    assert caller.heard() == ["PING ack b'abcdefgh'"]


# --- answers -----------------------------------------------------------------------------------------------------


def answers_and_keeps_the_connection(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    for number in (1, 3, 7):
        caller.send(request(number))
        assert caller.answers() == [f"HEADERS {number} :status=200 content-length=5", f"DATA {number} b'hello' end"]
    assert caller.open


def says_who_calls(codec: Codec, step: int) -> None:
    _, seen = silent(codec, step, request())
    assert (seen.server.peer, seen.server.loopback, seen.server.protocol) == ("127.0.0.1:50000", True, "http/2")


def announces_its_table_once(codec: Codec, step: int) -> None:
    """Its first block begins with an update to 0 (RFC 7541, section 4.2), or it uses no table at all."""
    caller = Caller(codec, step)
    caller.send(request(1, (b"x-a", b"b")), request(3, (b"x-a", b"b")))
    assert len(caller.answers()) == 4


def streams_an_answer(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request())
    seen.server.send_head(HEAD, b"", False)
    assert caller.answers() == ["HEADERS 1 :status=200"]
    seen.server.send_data(b"one")
    seen.server.send_data(b"")
    assert caller.answers() == ["DATA 1 b'one'"]
    seen.server.send_data(b"two")
    seen.server.send_end(None)
    assert caller.answers() == ["DATA 1 b'two' end"]


def sends_trailers(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request())
    seen.server.send_head(HEAD, b"one", False)
    seen.server.send_end(TRAILERS)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'one'", "HEADERS 1 sum=42 end"]


def sends_trailers_alone(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request())
    seen.server.send_head(ResponseHead(200, TRAILERS), b"", True)
    assert caller.answers() == ["HEADERS 1 :status=200 sum=42 end"]


def answers_without_a_body(codec: Codec, step: int) -> None:
    for status in (204, 304, 299):
        caller, seen = silent(codec, step, request())
        seen.server.send_head(ResponseHead(status), b"", True)
        assert caller.answers() == [f"HEADERS 1 :status={status} end"]


def answers_head_with_a_length(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(request(method=b"HEAD"))
    assert caller.answers() == ["HEADERS 1 :status=200 content-length=5 end"]


def passes_interim_answers_on(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, post(1, (b"expect", b"100-continue")))
    seen.server.send_informational(ResponseHead(100))
    seen.server.send_informational(ResponseHead(103, Fields(((b"link", b"x"),))))
    assert caller.answers() == ["HEADERS 1 :status=100", "HEADERS 1 :status=103 link=x"]
    caller.send(data(1, b"hello", end=True))
    assert seen.ended
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == ["HEADERS 1 :status=204 end"]


def sends_a_large_head_in_pieces(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request())
    seen.server.send_head(ResponseHead(200, Fields(tuple((b"x-%d" % at, b"y" * 4_000) for at in range(10)))), b"", True)
    *begun, last = caller.answers()
    assert begun[0] == "HEADERS 1 …"
    assert set(begun[1:]) == {"CONTINUATION 1 …"}
    assert last.startswith("CONTINUATION 1 :status=200 x-0=yyyy")


def a_reset_is_seen(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request(), request(3))
    first = caller.seen[0]
    first.server.send_head(HEAD, b"he", False)
    first.server.reset()
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'he'", "RST_STREAM 1 INTERNAL_ERROR"]
    assert first.cut is None
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == ["HEADERS 3 :status=204 end"]


def answers_before_the_body_is_whole(codec: Codec, step: int) -> None:
    """And wants no more of it (RFC 9113, section 8.1); what is on its way is not held against its caller."""
    caller, seen = silent(codec, step, post(), data(1, b"he"))
    seen.server.send_head(ResponseHead(413, SIZED, 5), b"large", True)
    assert caller.answers() == [
        "HEADERS 1 :status=413 content-length=5",
        "DATA 1 b'large' end",
        "RST_STREAM 1 NO_ERROR",
    ]
    caller.send(data(1, b"llo"), trailers(1, (b"a", b"b")), window_update(1, 5), rst_stream(1, CANCEL), request(3))
    assert (seen.body, seen.ended, seen.cut) == (b"he", False, None)
    assert len(caller.seen) == 2


def what_comes_behind_a_reset_is_bounded(codec: Codec, step: int) -> None:
    """A window of it may have been on its way; more cannot have been."""
    caller, seen = silent(codec, 0, post())
    seen.server.reset()
    caller.heard()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    assert caller.answers() == []
    caller.send(data(1, bytes(16_384)))
    assert caller.answers() == ["GOAWAY 1 STREAM_CLOSED"]


# --- side by side ------------------------------------------------------------------------------------------------


def serves_streams_side_by_side(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(post(1), request(3), post(5), data(5, b"five", end=True), data(1, b"one", end=True))
    assert [(seen.body, seen.ended) for seen in caller.seen] == [(b"one", True), (b"", True), (b"five", True)]
    for at in (2, 0, 1):
        caller.seen[at].server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == [f"HEADERS {number} :status=204 end" for number in (5, 1, 3)]


def a_reset_cuts_one(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(post(1), request(3), rst_stream(1, CANCEL))
    assert [seen.cut for seen in caller.seen] == [Cut.CLIENT_GONE, None]
    assert caller.answers() == []
    caller.send(rst_stream(3, Code.NO_ERROR))
    assert caller.last.cut is Cut.CLIENT_GONE
    caller.send(request(5))
    assert caller.last.ended


def a_stream_too_many_is_refused(codec: Codec, step: int) -> None:
    caller = Caller(codec, 0, answer=None)
    caller.send(*(request(number) for number in range(1, 241, 2)))
    assert len(caller.seen) == 100
    assert caller.answers() == [f"RST_STREAM {number} REFUSED_STREAM" for number in range(201, 241, 2)]
    caller.seen[7].server.send_head(ResponseHead(204), b"", True)
    caller.send(request(241), request(243))
    assert len(caller.seen) == 101
    assert caller.answers() == ["HEADERS 15 :status=204 end", "RST_STREAM 243 REFUSED_STREAM"]


def a_refused_stream_may_go_on_for_a_while(codec: Codec, step: int) -> None:
    caller = Caller(codec, 0, answer=None)
    caller.send(*(request(number) for number in range(1, 201, 2)), post(201))
    caller.send(data(201, b"hello"), trailers(201, (b"a", b"b")))
    assert caller.answers() == ["RST_STREAM 201 REFUSED_STREAM"]
    assert caller.open


def what_cannot_be_read_takes_a_place_too(codec: Codec, step: int) -> None:
    """Where nobody takes the refusals they must not pile up."""
    caller = Caller(codec, 0, greeting=PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    trace = block(((b":method", b"TRACE"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")))
    caller.send(*(headers(number, trace, True) for number in range(1, 401, 2)))
    said = caller.answers()
    assert sum(line.startswith("HEADERS") for line in said) == 100
    assert sum(line.endswith("REFUSED_STREAM") for line in said) == 100


def a_head_keeps_the_table_right_wherever_it_goes(codec: Codec, step: int) -> None:
    """A dynamic table: refused and late heads change it as well."""
    incremental = b"\x40\x01a\x01b"
    caller = Caller(codec, step, answer=None)
    caller.send(headers(1, COMMON + incremental, False), rst_stream(1, CANCEL))
    caller.send(headers(3, COMMON + b"\xbe\x40\x01c\x01d", True), headers(5, COMMON + b"\xbe\xbf", True))
    assert caller.last.head.fields.pairs == ((b"c", b"d"), (b"a", b"b"))
    caller.send(SETTINGS_ACK, headers(7, b"\x20" + COMMON, True), headers(9, COMMON + b"\xbe", True))
    assert caller.seen[-1].head.fields.pairs == ()
    assert caller.answers() == ["GOAWAY 9 COMPRESSION_ERROR"]


# --- tunnels -----------------------------------------------------------------------------------------------------


def a_tunnel_carries_bytes_as_they_are(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, WEBSOCKET, data(1, b"early"))
    assert (seen.head.upgrade, seen.head.method, seen.body, seen.ended) == (b"websocket", b"GET", b"", False)
    seen.server.send_head(ResponseHead(101, upgrade=b"websocket"), b"welcome", False)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'welcome'"]
    assert seen.body == b"early"
    caller.send(data(1, b"more"))
    assert seen.body == b"earlymore"
    seen.server.send_end(None)
    assert caller.answers() == ["DATA 1 end"]
    caller.send(data(1, b"last", end=True))
    assert (seen.body, seen.ended) == (b"earlymorelast", True)
    seen.server.over()
    assert caller.answers() == []
    assert caller.open


def a_caller_that_ended_before_the_tunnel_has_ended(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, WEBSOCKET, data(1, b"all", end=True))
    seen.server.send_head(ResponseHead(101, upgrade=b"websocket"), b"", False)
    assert (seen.body, seen.ended) == (b"all", True)
    seen.server.send_end(None)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 end"]


def a_refused_tunnel_is_an_answer(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, WEBSOCKET, data(1, b"early"))
    seen.server.send_head(ResponseHead(403, SIZED, 5), b"never", True)
    assert caller.answers()[:2] == ["HEADERS 1 :status=403 content-length=5", "DATA 1 b'never' end"]
    assert seen.body == b""
    caller.send(request(3))
    assert caller.last.ended


SERVER_CASES = cases_of("towards a caller", globals().values(), __name__)
