"""How a codec of HTTP/2 behaves towards a caller: answers, streams side by side, windows, ends, time."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, ResponseHead
from minimesh.model.project import Limits
from minimesh.model.reason import CLIENT_TIMEOUT, Cut
from minimesh.testing.conformance.harness import Seen
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.harness import GREETING, Caller
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
    goaway,
    headers,
    ping,
    request,
    rst_stream,
    settings,
    trailers,
    window_update,
)

SIZED = Fields(((b"content-length", b"5"),))
TRAILERS = Fields(((b"sum", b"42"),))
HEAD = ResponseHead(200, NO_FIELDS, UNKNOWN)
WINDOW = 65_535
WEBSOCKET = headers(
    1,
    block(
        (
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
        )
    ),
    False,
)


def _silent(codec: Codec, step: int, *sent: bytes, limits: Limits | None = None) -> tuple[Caller, Seen]:
    """A request that is not answered yet."""
    caller = Caller(codec, step, answer=None, limits=limits)
    caller.send(*sent)
    return caller, caller.last


def _post(number: int = 1, *fields: tuple[bytes, bytes]) -> bytes:
    return request(number, *fields, method=b"POST", end=False)


# --- greeting --------------------------------------------------------------------------------------------------


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


# --- answers ---------------------------------------------------------------------------------------------------


def answers_and_keeps_the_connection(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    for number in (1, 3, 7):
        caller.send(request(number))
        assert caller.answers() == [f"HEADERS {number} :status=200 content-length=5", f"DATA {number} b'hello' end"]
    assert caller.open


def says_who_calls(codec: Codec, step: int) -> None:
    _, seen = _silent(codec, step, request())
    assert (seen.server.peer, seen.server.loopback, seen.server.protocol) == ("127.0.0.1:50000", True, "http/2")


def announces_its_table_once(codec: Codec, step: int) -> None:
    """Its first block begins with an update to 0 (RFC 7541, section 4.2), or it uses no table at all."""
    caller = Caller(codec, step)
    caller.send(request(1, (b"x-a", b"b")), request(3, (b"x-a", b"b")))
    assert len(caller.answers()) == 4


def streams_an_answer(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request())
    seen.server.send_head(HEAD, b"", False)
    assert caller.answers() == ["HEADERS 1 :status=200"]
    seen.server.send_data(b"one")
    seen.server.send_data(b"")
    assert caller.answers() == ["DATA 1 b'one'"]
    seen.server.send_data(b"two")
    seen.server.send_end(None)
    assert caller.answers() == ["DATA 1 b'two' end"]


def sends_trailers(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request())
    seen.server.send_head(HEAD, b"one", False)
    seen.server.send_end(TRAILERS)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'one'", "HEADERS 1 sum=42 end"]


def sends_trailers_alone(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request())
    seen.server.send_head(ResponseHead(200, TRAILERS), b"", True)
    assert caller.answers() == ["HEADERS 1 :status=200 sum=42 end"]


def answers_without_a_body(codec: Codec, step: int) -> None:
    for status in (204, 304, 299):
        caller, seen = _silent(codec, step, request())
        seen.server.send_head(ResponseHead(status), b"", True)
        assert caller.answers() == [f"HEADERS 1 :status={status} end"]


def answers_head_with_a_length(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(request(method=b"HEAD"))
    assert caller.answers() == ["HEADERS 1 :status=200 content-length=5 end"]


def passes_interim_answers_on(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, _post(1, (b"expect", b"100-continue")))
    seen.server.send_informational(ResponseHead(100))
    seen.server.send_informational(ResponseHead(103, Fields(((b"link", b"x"),))))
    assert caller.answers() == ["HEADERS 1 :status=100", "HEADERS 1 :status=103 link=x"]
    caller.send(data(1, b"hello", end=True))
    assert seen.ended
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == ["HEADERS 1 :status=204 end"]


def sends_a_large_head_in_pieces(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request())
    seen.server.send_head(ResponseHead(200, Fields(tuple((b"x-%d" % at, b"y" * 4_000) for at in range(10)))), b"", True)
    *begun, last = caller.answers()
    assert begun[0] == "HEADERS 1 …"
    assert set(begun[1:]) == {"CONTINUATION 1 …"}
    assert last.startswith("CONTINUATION 1 :status=200 x-0=yyyy")


def a_reset_is_seen(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(), request(3))
    first = caller.seen[0]
    first.server.send_head(HEAD, b"he", False)
    first.server.reset()
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'he'", "RST_STREAM 1 INTERNAL_ERROR"]
    assert first.cut is None
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == ["HEADERS 3 :status=204 end"]


def answers_before_the_body_is_whole(codec: Codec, step: int) -> None:
    """And wants no more of it (RFC 9113, section 8.1); what is on its way is not held against its caller."""
    caller, seen = _silent(codec, step, _post(), data(1, b"he"))
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
    caller, seen = _silent(codec, 0, _post())
    seen.server.reset()
    caller.heard()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    assert caller.answers() == []
    caller.send(data(1, bytes(16_384)))
    assert caller.answers() == ["GOAWAY 1 STREAM_CLOSED"]


# --- side by side ----------------------------------------------------------------------------------------------


def serves_streams_side_by_side(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(_post(1), request(3), _post(5), data(5, b"five", end=True), data(1, b"one", end=True))
    assert [(seen.body, seen.ended) for seen in caller.seen] == [(b"one", True), (b"", True), (b"five", True)]
    for at in (2, 0, 1):
        caller.seen[at].server.send_head(ResponseHead(204), b"", True)
    assert caller.answers() == [f"HEADERS {number} :status=204 end" for number in (5, 1, 3)]


def a_reset_cuts_one(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(_post(1), request(3), rst_stream(1, CANCEL))
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
    caller.send(*(request(number) for number in range(1, 201, 2)), _post(201))
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


# --- windows out -----------------------------------------------------------------------------------------------


def sends_as_the_window_of_a_stream_lets(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None, greeting=PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    caller.send(request())
    seen = caller.last
    seen.server.send_head(HEAD, b"hello", False)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'hel'"]
    assert seen.blocked
    caller.send(window_update(1, 1))
    assert caller.answers() == ["DATA 1 b'l'"]
    assert seen.blocked
    seen.server.send_end(TRAILERS)
    assert caller.answers() == []
    caller.send(window_update(1, 100))
    assert caller.answers() == ["DATA 1 b'o'", "HEADERS 1 sum=42 end"]


def tells_when_a_window_is_open_again(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None, greeting=PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    caller.send(request())
    caller.last.server.send_head(HEAD, b"hello", False)
    assert caller.last.blocked
    caller.send(window_update(1, 2))
    assert not caller.last.blocked


def a_window_may_be_less_than_nothing(codec: Codec, step: int) -> None:
    """RFC 9113, section 6.9.2."""
    caller, seen = _silent(codec, step, request())
    seen.server.send_head(HEAD, b"hello", False)
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 2}))
    caller.heard()
    seen.server.send_data(b"world")
    caller.send(window_update(1, 3))
    assert caller.answers() == []
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 4}))
    assert caller.answers() == ["DATA 1 b'wo'"]


def shares_the_window_of_the_connection(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 1_000_000}), request(1), request(3))
    first, second = caller.seen
    first.server.send_head(HEAD, bytes(WINDOW - 5), False)
    second.server.send_head(HEAD, b"hello!", False)
    assert not first.blocked
    assert second.blocked
    assert caller.answers()[-1] == "DATA 3 b'hello'"
    caller.send(window_update(0, 1))
    assert caller.answers() == ["DATA 3 b'!'"]
    assert not second.blocked


def cuts_data_to_frames(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, request())
    seen.server.send_head(HEAD, bytes(40_000), True)
    sent = caller.transport.sent
    caller.settle()
    sent = caller.transport.sent
    sizes = []
    at = 0
    while at < len(sent):
        size = int.from_bytes(sent[at : at + 3], "big")
        if not sent[at + 3]:
            sizes.append(size)
        at += 9 + size
    assert max(sizes) <= 16_384
    assert sum(sizes) == 40_000


def who_takes_nothing_is_not_sent_more(codec: Codec, step: int) -> None:
    """The transport's own back-pressure."""
    caller, seen = _silent(codec, 0, request())
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 10_000_000}), window_update(0, 10_000_000))
    caller.transport.stall()
    seen.server.send_head(HEAD, bytes(100_000), False)
    caller.settle()
    seen.server.send_data(bytes(100_000))
    assert seen.blocked
    assert caller.transport.get_write_buffer_size() < 150_000
    caller.transport.take()
    assert not seen.blocked
    seen.server.send_end(None)
    assert caller.answers()[-1].endswith(" end")


# --- windows in ------------------------------------------------------------------------------------------------


def _updates(caller: Caller) -> dict[str, int]:
    given: dict[str, int] = {}
    for line in caller.heard():
        if line.startswith("WINDOW_UPDATE"):
            _, number, size = line.split()
            given[number] = given.get(number, 0) + int(size)
    return given


def gives_credit_as_data_is_taken(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, _post())
    total: dict[str, int] = {}
    for _ in range(200):
        caller.send(data(1, bytes(16_000)))
        for number, size in _updates(caller).items():
            total[number] = total.get(number, 0) + size
    assert len(seen.body) == 3_200_000
    assert 3_200_000 - WINDOW <= total["1"] <= 3_200_000
    assert 3_200_000 - 1024 * 1024 <= total["0"] <= 3_200_000


def gives_none_while_nobody_takes(codec: Codec, step: int) -> None:
    """So no more than a window piles up."""
    caller, seen = _silent(codec, 0, _post())
    seen.server.pause()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    assert _updates(caller) == {}
    caller.send(data(1, bytes(16_384)))
    assert "RST_STREAM 1 FLOW_CONTROL_ERROR" in caller.heard()
    assert seen.cut is Cut.CLIENT_GONE


def gives_it_once_it_is_taken(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, _post())
    seen.server.pause()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    seen.server.resume()
    assert _updates(caller) == {"1": 3 * 16_384}


def padding_counts_and_is_given_back(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, _post())
    given = 0
    for _ in range(2_000):
        caller.send(frame("DATA", 0x8, 1, b"\xff" + b"x" + bytes(255)))
        given += _updates(caller).get("1", 0)
    assert len(seen.body) == 2_000
    assert 2_000 * 257 - WINDOW <= given <= 2_000 * 257


def what_is_cut_gives_its_share_back(codec: Codec, step: int) -> None:
    """Whatever way a stream ends, the window of the connection is whole again."""
    caller = Caller(codec, 0, answer=None)
    given = sent = 0
    for number in range(1, 801, 8):
        caller.send(_post(number), _post(number + 2), _post(number + 4), _post(number + 6))
        cut, refused, broken, _ = caller.seen[-4:]
        for seen in caller.seen[-4:]:
            seen.server.pause()
        for other in range(number, number + 8, 2):
            caller.send(data(other, bytes(10_000)))
        sent += 40_000
        caller.send(rst_stream(number, CANCEL))
        refused.server.send_head(ResponseHead(204), b"", True)
        caller.send(window_update(number + 4, 0))
        assert cut.cut
        assert broken.cut
        caller.send(data(number + 6, b"", end=True))
        caller.last.server.send_head(ResponseHead(204), b"", True)
        caller.advance(1)
        given += _updates(caller).get("0", 0)
    assert caller.open
    assert given >= sent - 1024 * 1024


def more_than_the_window_of_the_connection_ends_it(codec: Codec, step: int) -> None:
    caller = Caller(codec, 0, answer=None)
    for number in range(1, 41, 2):
        caller.send(_post(number))
        caller.last.server.pause()
        caller.send(*(data(number, bytes(16_383)) for _ in range(4)))
    assert caller.answers()[-1].endswith("FLOW_CONTROL_ERROR")
    assert all(seen.cut for seen in caller.seen)


# --- tunnels ---------------------------------------------------------------------------------------------------


def a_tunnel_carries_bytes_as_they_are(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, WEBSOCKET, data(1, b"early"))
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
    caller, seen = _silent(codec, step, WEBSOCKET, data(1, b"all", end=True))
    seen.server.send_head(ResponseHead(101, upgrade=b"websocket"), b"", False)
    assert (seen.body, seen.ended) == (b"all", True)
    seen.server.send_end(None)
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 end"]


def a_refused_tunnel_is_an_answer(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, WEBSOCKET, data(1, b"early"))
    seen.server.send_head(ResponseHead(403, SIZED, 5), b"never", True)
    assert caller.answers()[:2] == ["HEADERS 1 :status=403 content-length=5", "DATA 1 b'never' end"]
    assert seen.body == b""
    caller.send(request(3))
    assert caller.last.ended


# --- ends ------------------------------------------------------------------------------------------------------


def a_lost_caller_cuts_all(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(request(1), _post(3), WEBSOCKET.replace(b"\0\0\0\1", b"\0\0\0\5", 1))
    caller.transport.lose()
    assert [seen.cut for seen in caller.seen] == [Cut.CLIENT_GONE] * len(caller.seen)
    assert not caller.open


def drains_an_idle_connection_at_once(codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(request())
    caller.heard()
    caller.connection.drain()
    assert caller.heard() == ["GOAWAY 1 NO_ERROR"]
    assert caller.transport.ended
    caller.advance(1)
    assert not caller.open


def drains_a_new_connection_at_once(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, greeting=b"")
    caller.connection.drain()
    assert caller.answers() == ["GOAWAY 0 NO_ERROR"]
    caller.send(GREETING, request())
    assert not caller.seen


def drains_a_busy_one_in_two_steps(codec: Codec, step: int) -> None:
    """What was on its way when the caller was warned is served; what comes behind the second word is refused."""
    caller, first = _silent(codec, step, request(1))
    caller.connection.drain()
    caller.connection.drain()
    warned, pinged = caller.heard()
    assert warned == "GOAWAY 2147483647 NO_ERROR"
    assert pinged.startswith("PING b'")
    caller.send(request(3), ping(pinged[7:-1].encode(), ACK), request(5))
    assert caller.heard() == ["GOAWAY 3 NO_ERROR", "RST_STREAM 5 REFUSED_STREAM"]
    assert len(caller.seen) == 2
    first.server.send_head(ResponseHead(204), b"", True)
    assert caller.heard() == ["HEADERS 1 :status=204 end"]
    caller.last.server.send_head(ResponseHead(204), b"", True)
    assert caller.heard() == ["HEADERS 3 :status=204 end", "GOAWAY 3 NO_ERROR"]
    assert caller.transport.ended
    caller.advance(1)
    assert not caller.open


def drains_a_caller_that_answers_no_ping(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(1))
    caller.connection.drain()
    caller.heard()
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.open
    caller.advance(1.5)
    assert caller.heard() == ["HEADERS 1 :status=204 end", "GOAWAY 1 NO_ERROR"]
    caller.advance(1)
    assert not caller.open


def freezing_takes_nothing_new_and_leaves_what_runs(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(1))
    assert caller.connection.busy_since() == seen.started
    caller.connection.freeze()
    caller.advance(1.5)
    caller.send(request(3))
    assert len(caller.seen) == 1
    assert caller.heard()[-1] == "RST_STREAM 3 REFUSED_STREAM"
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.heard()[0] == "HEADERS 1 :status=204 end"
    caller.connection.thaw()
    caller.advance(1)
    assert not caller.open


def cutting_short_says_whether_there_was_anything(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(1))
    assert caller.connection.cut_short("upgraded")
    assert seen.cut is Cut.STOPPED
    assert caller.transport.aborted
    caller = Caller(codec, step)
    assert not caller.connection.cut_short("upgraded")


def a_caller_that_goes_away_gets_its_answers(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(1), goaway(0, Code.NO_ERROR))
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.heard() == ["HEADERS 1 :status=204 end", "GOAWAY 1 NO_ERROR"]
    caller.advance(1)
    assert not caller.open


def nothing_is_written_behind_the_end(codec: Codec, step: int) -> None:
    """The last stream ends within a frame that has to be acknowledged."""
    caller = Caller(codec, step, answer=None, greeting=PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    caller.send(request(1), goaway(0, Code.NO_ERROR))
    caller.last.server.send_head(HEAD, b"hello", True)
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 100}), ping(bytes(8)))
    assert caller.answers() == ["HEADERS 1 :status=200", "DATA 1 b'hello' end", "GOAWAY 1 NO_ERROR"]


def an_abort_cuts_what_runs(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request())
    caller.connection.abort()
    caller.settle()
    assert caller.transport.aborted
    assert seen.cut is Cut.STOPPED
    assert not caller.open


# --- time ------------------------------------------------------------------------------------------------------


def an_idle_connection_is_closed(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, limits=Limits(idle=75))
    caller.send(request())
    caller.advance(74)
    caller.send(ping(bytes(8)))
    assert caller.open
    caller.heard()
    caller.advance(2.1)
    assert caller.heard() == ["GOAWAY 1 NO_ERROR"]
    assert caller.transport.ended


def a_preface_must_be_whole_in_time(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, limits=Limits(head=5), greeting=b"")
    for byte in range(5):
        caller.send(PREFACE[byte : byte + 1])
        caller.advance(1)
    caller.advance(1.2)
    assert not caller.open


def a_head_must_be_whole_in_time(codec: Codec, step: int) -> None:
    """However often a little more of it comes; what runs meanwhile keeps its own time."""
    caller, seen = _silent(codec, step, request(1), limits=Limits(head=5))
    seen.server.arm(caller.clock.monotonic() + 2)
    caller.send(frame("HEADERS", 0, 3, COMMON[:1]))
    for byte in range(5):
        assert seen.deadline is (byte > 2)
        caller.send(frame("CONTINUATION", 0, 3, COMMON[byte + 1 : byte + 2]))
        caller.advance(1)
    caller.advance(0.2)
    assert caller.answers() == ["GOAWAY 1 ENHANCE_YOUR_CALM"]
    assert seen.cut is Cut.CLIENT_GONE


def a_head_that_is_whole_in_time_is_none_too_late(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None, limits=Limits(head=5))
    caller.send(frame("HEADERS", 1, 1, COMMON[:1]), frame("CONTINUATION", 4, 1, COMMON[1:]))
    caller.advance(20)
    assert caller.last.cut is None
    assert caller.answers() == []


def a_body_must_not_stand_still(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, _post(), limits=Limits(body=10))
    for _ in range(3):
        caller.advance(9)
        caller.send(data(1, b"x"))
    assert seen.refused is None
    caller.advance(11.1)
    assert seen.refused is CLIENT_TIMEOUT
    assert caller.answers()[-1] == "RST_STREAM 1 NO_ERROR"
    assert caller.open


def a_body_that_is_held_back_may_stand_still(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, _post(), limits=Limits(body=10))
    seen.server.pause()
    caller.advance(60)
    assert seen.refused is None
    seen.server.resume()
    caller.send(data(1, b"hello", end=True))
    assert seen.ended


def a_stream_of_grpc_may_stand_still(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, _post(1, (b"content-type", b"application/grpc")), limits=Limits(body=10))
    caller.advance(60)
    assert seen.refused is None


def deadlines_pass_one_by_one(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(request(1), _post(3), request(5))
    now = caller.clock.monotonic()
    for seen, due in zip(caller.seen, (2.0, 0.3, 5.0), strict=True):
        seen.server.arm(now + due)
    passed = []
    for _ in range(60):
        caller.advance(0.1)
        passed.append(tuple(seen.deadline for seen in caller.seen))
    assert passed[1] == (False, False, False)
    assert passed[4] == (False, True, False)
    assert passed[18] == (False, True, False)
    assert passed[21] == (True, True, False)
    assert passed[48] == (True, True, False)
    assert passed[-1] == (True, True, True)


def a_deadline_does_not_outlive_its_exchange(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, step, request(1))
    seen.server.arm(caller.clock.monotonic() + 2)
    seen.server.send_head(ResponseHead(204), b"", True)
    caller.send(request(3))
    caller.advance(10)
    assert not any(each.deadline for each in caller.seen)


def a_stream_that_is_not_taken_is_cut(codec: Codec, step: int) -> None:
    """Its window stays shut. Whoever takes a little now and then is slow, and no more."""
    caller, seen = _silent(codec, step, request(1), request(3), limits=Limits(send=30))
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    first = caller.seen[0]
    first.server.send_head(HEAD, b"x" * 1_000, False)
    for _ in range(4):
        caller.advance(20)
        caller.send(window_update(1, 1))
    assert first.cut is None
    caller.advance(32)
    assert first.cut is Cut.SLOW_READER
    assert caller.answers()[-1] == "RST_STREAM 1 CANCEL"
    assert seen.cut is None


def a_reader_that_takes_nothing_is_cut(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, request(), limits=Limits(send=30))
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 1_000_000}), window_update(0, 1_000_000))
    seen.server.arm(caller.clock.monotonic() + 5)
    caller.transport.stall()
    seen.server.send_head(HEAD, bytes(100_000), False)
    caller.settle()
    for _ in range(5):
        caller.advance(20)
        caller.transport.take(1_000)
    assert seen.cut is None
    assert seen.deadline
    caller.advance(62)
    assert seen.cut is Cut.SLOW_READER
    assert not caller.open


def deadlines_pass_while_nothing_is_taken(codec: Codec, step: int) -> None:
    caller, seen = _silent(codec, 0, request(1), request(3), limits=Limits(send=30))
    seen.server.arm(caller.clock.monotonic() + 2)
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 1_000_000}), window_update(0, 1_000_000))
    caller.transport.stall()
    caller.seen[0].server.send_head(HEAD, bytes(100_000), False)
    caller.settle()
    caller.advance(3)
    assert seen.deadline
    assert caller.open


SERVER_CASES = cases_of("towards a caller", globals().values(), __name__)
