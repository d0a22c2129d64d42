"""How a codec behaves towards a caller: framing out, keeping and closing, pipelining, tunnels, time, back-pressure."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, ResponseHead
from minimesh.model.project import Limits
from minimesh.model.reason import CLIENT_TIMEOUT, Cut
from minimesh.testing.conformance.case import case_of
from minimesh.testing.conformance.harness import HELLO, Seen, ServerHarness

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
WEBSOCKET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
SIZED = Fields(((b"content-length", b"5"),))
TRAILERS = Fields(((b"sum", b"42"),))
SWITCH = ResponseHead(101, upgrade=b"websocket")


def _silent(codec: Codec, sent: bytes, limits: Limits | None = None) -> tuple[ServerHarness, Seen]:
    """A request that is not answered yet."""
    harness = ServerHarness(codec, answer=None, limits=limits)
    harness.transport.feed(sent)
    return harness, harness.last


# --- answers ---------------------------------------------------------------------------------------------------


def answers_and_keeps_the_connection(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET)
    assert harness.transport.taken() == HELLO
    harness.transport.feed(GET)
    assert harness.transport.taken() == HELLO
    assert not harness.transport.ended


def says_who_calls(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    assert (seen.server.peer, seen.server.loopback, seen.server.protocol) == ("127.0.0.1:50000", True, "http/1.1")
    harness, seen = _silent(codec, OLD)
    assert seen.server.protocol == "http/1.0"
    assert harness.open


def chunks_what_has_no_length(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    seen.server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"one", False)
    seen.server.send_data(b"")
    seen.server.send_data(b"twenty-six bytes of a body")
    seen.server.send_end(TRAILERS)
    assert harness.transport.taken() == (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3\r\none\r\n1a\r\ntwenty-six bytes of a body\r\n0\r\nsum: 42\r\n\r\n"
    )
    harness.transport.feed(GET)
    harness.last.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
    assert harness.transport.taken() == HELLO


def ends_an_old_callers_unknown_body_by_closing(codec: Codec) -> None:
    harness, seen = _silent(codec, OLD.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"))
    seen.server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"one", False)
    seen.server.send_end(TRAILERS)
    assert harness.transport.sent == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none"
    assert harness.transport.ended


def keeps_an_old_callers_connection_where_it_asked(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(OLD.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n"))
    assert b"connection: keep-alive\r\n" in harness.transport.taken()
    harness.transport.feed(OLD)
    assert b"connection: close\r\n" in harness.transport.taken()
    assert harness.transport.ended


def closes_when_the_caller_wants_to(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET.replace(b"\r\n\r\n", b"\r\nConnection: x, Close\r\n\r\n") + GET)
    assert harness.transport.sent.count(b"HTTP/1.1 200") == 1
    assert b"\r\nconnection: close\r\n" in harness.transport.sent
    assert harness.transport.ended
    assert len(harness.seen) == 1


def answers_head_without_a_body(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET.replace(b"GET", b"HEAD") + GET)
    assert harness.transport.sent == HELLO.removesuffix(b"hello") + HELLO


def passes_interim_answers_on(codec: Codec) -> None:
    harness, seen = _silent(codec, POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    seen.server.send_informational(ResponseHead(100))
    assert harness.transport.taken() == b"HTTP/1.1 100 Continue\r\n\r\n"
    harness.transport.feed(b"hello")
    assert seen.ended
    seen.server.send_head(ResponseHead(204), b"", True)
    assert harness.transport.taken() == b"HTTP/1.1 204 No Content\r\n\r\n"


def tells_old_callers_nothing_in_between(codec: Codec) -> None:
    harness, seen = _silent(codec, OLD)
    seen.server.send_informational(ResponseHead(103))
    assert harness.transport.sent == b""


def passes_a_reason_phrase_on(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    seen.server.send_head(ResponseHead(299, reason=b"Fine, thanks"), b"", True)
    assert harness.transport.sent.startswith(b"HTTP/1.1 299 Fine, thanks\r\n")


def answers_before_the_body_is_there_then_closes(codec: Codec) -> None:
    harness, seen = _silent(codec, POST + b"he")
    seen.server.send_head(ResponseHead(413, SIZED, 5), b"large", True)
    assert harness.transport.ended
    harness.transport.feed(b"llo" + GET)
    assert len(harness.seen) == 1
    assert not seen.ended
    harness.advance(3)
    assert not harness.open


def a_reset_is_seen(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    seen.server.send_head(ResponseHead(200, SIZED, 5), b"he", False)
    seen.server.reset()
    harness.transport.settle()
    assert harness.transport.aborted
    assert not harness.open
    assert seen.cut is None


# --- requests one after the other ------------------------------------------------------------------------------


def serves_pipelined_requests_one_at_a_time(codec: Codec) -> None:
    harness, first = _silent(codec, GET + POST + b"hello" + GET)
    assert len(harness.seen) == 1
    first.server.send_head(ResponseHead(200, SIZED, 5), b"first", True)
    assert len(harness.seen) == 2
    assert harness.last.body == b"hello"
    harness.last.server.send_head(ResponseHead(200, SIZED, 5), b"later", True)
    harness.last.server.send_head(ResponseHead(200, SIZED, 5), b"third", True)
    assert [part[-5:] for part in harness.transport.sent.split(b"HTTP/1.1")[1:]] == [b"first", b"later", b"third"]


def serves_many_pipelined_requests(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET * 2_000)
    assert harness.transport.sent == HELLO * 2_000


def holds_back_a_caller_that_pipelines_too_much(codec: Codec) -> None:
    harness, first = _silent(codec, GET)
    harness.transport.feed(GET * 5_000, 16_384)
    assert harness.transport.reading_paused
    first.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
    while harness.last is not first:
        first = harness.last
        first.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
        harness.transport.settle()
    assert len(harness.seen) == 5_001


def a_half_closed_caller_gets_its_answers(codec: Codec) -> None:
    harness, first = _silent(codec, GET + GET)
    harness.transport.end()
    first.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
    harness.last.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
    harness.transport.settle()
    assert harness.transport.sent == HELLO * 2
    assert not harness.open


def an_end_in_the_body_cuts(codec: Codec) -> None:
    for begun in (POST + b"he", CHUNKED + b"5\r\nhe", CHUNKED + b"5\r\nhello\r\n0\r\n"):
        harness, seen = _silent(codec, begun)
        harness.transport.end()
        assert seen.cut is Cut.CLIENT_GONE
        assert not seen.ended
        assert not harness.open


def a_lost_caller_cuts(codec: Codec) -> None:
    for begun in (GET, POST, WEBSOCKET):
        harness, seen = _silent(codec, begun)
        harness.transport.lose()
        assert seen.cut is Cut.CLIENT_GONE
        assert not harness.open


def an_end_in_a_head_closes(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET[:-3])
    harness.transport.end()
    assert not harness.open
    assert harness.transport.sent == b""


# --- tunnels ---------------------------------------------------------------------------------------------------


def a_tunnel_carries_bytes_as_they_are(codec: Codec) -> None:
    harness, seen = _silent(codec, WEBSOCKET + b"early")
    assert not seen.ended
    assert seen.body == b""
    seen.server.send_head(SWITCH, b"welcome", False)
    assert harness.transport.taken() == (
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nwelcome"
    )
    assert seen.body == b"early"
    harness.transport.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert seen.body == b"earlyGET / HTTP/1.1\r\n\r\n"
    seen.server.send_data(b"0\r\n\r\n")
    assert harness.transport.taken() == b"0\r\n\r\n"


def a_tunnel_is_half_closed_by_either_side(codec: Codec) -> None:
    harness, seen = _silent(codec, WEBSOCKET)
    seen.server.send_head(SWITCH, b"", False)
    seen.server.send_end(None)
    assert harness.transport.ended
    harness.transport.feed(b"last words")
    harness.transport.end()
    assert (seen.body, seen.ended, seen.cut) == (b"last words", True, None)
    seen.server.over()
    harness.transport.settle()
    assert not harness.open
    assert seen.cut is None


def a_caller_that_ended_before_the_switch_has_ended(codec: Codec) -> None:
    harness, seen = _silent(codec, WEBSOCKET + b"all")
    harness.transport.end()
    seen.server.send_head(SWITCH, b"", False)
    assert (seen.body, seen.ended) == (b"all", True)
    assert harness.open


def a_refused_upgrade_speaks_http_again(codec: Codec) -> None:
    harness, seen = _silent(codec, WEBSOCKET + GET)
    seen.server.send_head(ResponseHead(403, SIZED, 5), b"never", True)
    assert len(harness.seen) == 2
    assert harness.last.head.upgrade == b""


# --- time ------------------------------------------------------------------------------------------------------


def an_idle_connection_is_closed(codec: Codec) -> None:
    harness = ServerHarness(codec, limits=Limits(idle=75))
    harness.transport.feed(GET)
    harness.advance(74)
    assert harness.open
    harness.advance(2)
    assert not harness.open
    assert harness.transport.taken() == HELLO


def a_head_must_be_whole_in_time(codec: Codec) -> None:
    """However often a little more of it comes."""
    harness = ServerHarness(codec, limits=Limits(head=5))
    for byte in range(6):
        assert harness.refusals == []
        harness.transport.feed(GET[byte : byte + 1])
        harness.advance(1)
    assert harness.refusals == [CLIENT_TIMEOUT]
    assert harness.transport.sent.startswith(b"HTTP/1.1 408 ")
    assert harness.transport.ended


def a_body_must_not_stand_still(codec: Codec) -> None:
    harness, seen = _silent(codec, POST, Limits(body=10))
    for _ in range(3):
        harness.advance(9)
        harness.transport.feed(b"x")
    assert seen.refused is None
    harness.advance(11)
    assert seen.refused is CLIENT_TIMEOUT
    assert harness.transport.ended


def a_body_that_is_held_back_may_stand_still(codec: Codec) -> None:
    harness, seen = _silent(codec, POST, Limits(body=10))
    seen.server.pause()
    assert harness.transport.reading_paused
    harness.advance(60)
    assert seen.refused is None
    seen.server.resume()
    harness.transport.feed(b"hello")
    assert seen.ended


def a_deadline_passes_once(codec: Codec) -> None:
    for begun in (GET, POST + b"he"):
        harness, seen = _silent(codec, begun)
        seen.server.arm(harness.clock.monotonic() + 2)
        harness.advance(1.9)
        assert not seen.deadline
        harness.advance(0.3)
        assert seen.deadline


def a_deadline_does_not_outlive_its_exchange(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    seen.server.arm(harness.clock.monotonic() + 2)
    seen.server.send_head(ResponseHead(204), b"", True)
    harness.transport.feed(GET)
    harness.advance(10)
    assert not any(each.deadline for each in harness.seen)


def a_reader_that_takes_nothing_is_cut(codec: Codec) -> None:
    harness, seen = _silent(codec, GET, Limits(send=30))
    harness.transport.stall()
    seen.server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"x" * 100_000, False)
    assert seen.blocked
    for _ in range(5):
        harness.advance(20)
        harness.transport.take(1_000)
    assert seen.cut is None
    harness.advance(61)
    assert seen.cut is Cut.SLOW_READER
    assert harness.transport.aborted
    assert not harness.open


def a_slow_reader_gets_the_end_of_its_answer(codec: Codec) -> None:
    """Also when the connection closes behind it."""
    harness, seen = _silent(codec, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    harness.transport.stall()
    seen.server.send_head(ResponseHead(200, NO_FIELDS, 60_000), b"x" * 60_000, True)
    for _ in range(6):
        harness.advance(10)
        harness.transport.take(10_010)
    assert harness.transport.sent.count(b"x") == 60_000
    assert not harness.transport.aborted
    harness.advance(10)
    assert not harness.open


def a_reader_that_never_takes_the_end_is_cut(codec: Codec) -> None:
    for head in (GET, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")):
        harness, seen = _silent(codec, head)
        harness.transport.stall()
        seen.server.send_head(ResponseHead(200, NO_FIELDS, 60_000), b"x" * 60_000, True)
        harness.advance(200)
        assert not harness.open


def lingers_for_a_caller_that_still_sends(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert harness.transport.ended
    assert not harness.transport.is_closing()
    harness.transport.feed(b"nobody reads this")
    harness.transport.end()
    assert not harness.open
    assert not harness.transport.aborted


# --- back-pressure and draining --------------------------------------------------------------------------------


def tells_when_the_caller_is_slow_and_when_no_more(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    harness.transport.stall()
    seen.server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"x" * 70_000, False)
    assert seen.blocked
    harness.transport.take()
    assert not seen.blocked


def drains_an_idle_connection_at_once(codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(GET)
    harness.connection.drain()
    harness.transport.settle()
    assert not harness.open
    assert not harness.transport.aborted


def drains_a_busy_one_after_its_answer(codec: Codec) -> None:
    harness, seen = _silent(codec, GET + GET)
    harness.draining = True
    harness.connection.drain()
    harness.transport.settle()
    assert harness.open
    seen.server.send_head(ResponseHead(200, SIZED, 5), b"hello", True)
    assert b"connection: close\r\n" in harness.transport.sent
    assert harness.transport.ended
    assert len(harness.seen) == 1


def an_abort_cuts_what_runs(codec: Codec) -> None:
    harness, seen = _silent(codec, GET)
    harness.connection.abort()
    harness.transport.settle()
    assert harness.transport.aborted
    assert seen.cut is Cut.STOPPED
    assert not harness.open


SERVER_CASES = tuple(
    case_of(check)
    for check in (
        answers_and_keeps_the_connection,
        says_who_calls,
        chunks_what_has_no_length,
        ends_an_old_callers_unknown_body_by_closing,
        keeps_an_old_callers_connection_where_it_asked,
        closes_when_the_caller_wants_to,
        answers_head_without_a_body,
        passes_interim_answers_on,
        tells_old_callers_nothing_in_between,
        passes_a_reason_phrase_on,
        answers_before_the_body_is_there_then_closes,
        a_reset_is_seen,
        serves_pipelined_requests_one_at_a_time,
        serves_many_pipelined_requests,
        holds_back_a_caller_that_pipelines_too_much,
        a_half_closed_caller_gets_its_answers,
        an_end_in_the_body_cuts,
        a_lost_caller_cuts,
        an_end_in_a_head_closes,
        a_tunnel_carries_bytes_as_they_are,
        a_tunnel_is_half_closed_by_either_side,
        a_caller_that_ended_before_the_switch_has_ended,
        a_refused_upgrade_speaks_http_again,
        an_idle_connection_is_closed,
        a_head_must_be_whole_in_time,
        a_body_must_not_stand_still,
        a_body_that_is_held_back_may_stand_still,
        a_deadline_passes_once,
        a_deadline_does_not_outlive_its_exchange,
        a_reader_that_takes_nothing_is_cut,
        a_slow_reader_gets_the_end_of_its_answer,
        a_reader_that_never_takes_the_end_is_cut,
        lingers_for_a_caller_that_still_sends,
        tells_when_the_caller_is_slow_and_when_no_more,
        drains_an_idle_connection_at_once,
        drains_a_busy_one_after_its_answer,
        an_abort_cuts_what_runs,
    )
)
