"""How streams and connections of callers end, and when."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import ResponseHead
from minimesh.model.project import Limits
from minimesh.model.reason import CLIENT_TIMEOUT, Cut
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.given import HEAD, WEBSOCKET, post, silent
from minimesh.testing.conformance.http2.harness import GREETING, Caller
from minimesh.testing.conformance.http2.wire import (
    ACK,
    COMMON,
    PREFACE,
    Code,
    Setting,
    data,
    frame,
    goaway,
    ping,
    request,
    settings,
    window_update,
)

# --- ends --------------------------------------------------------------------------------------------------------


def a_lost_caller_cuts_all(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(request(1), post(3), WEBSOCKET.replace(b"\0\0\0\1", b"\0\0\0\5", 1))
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
    caller, first = silent(codec, step, request(1))
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
    caller, seen = silent(codec, step, request(1))
    caller.connection.drain()
    caller.heard()
    seen.server.send_head(ResponseHead(204), b"", True)
    assert caller.open
    caller.advance(1.5)
    assert caller.heard() == ["HEADERS 1 :status=204 end", "GOAWAY 1 NO_ERROR"]
    caller.advance(1)
    assert not caller.open


def freezing_takes_nothing_new_and_leaves_what_runs(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request(1))
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
    caller, seen = silent(codec, step, request(1))
    assert caller.connection.cut_short("upgraded")
    assert seen.cut is Cut.STOPPED
    assert caller.transport.aborted
    caller = Caller(codec, step)
    assert not caller.connection.cut_short("upgraded")


def a_caller_that_goes_away_gets_its_answers(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, request(1), goaway(0, Code.NO_ERROR))
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
    caller, seen = silent(codec, step, request())
    caller.connection.abort()
    caller.settle()
    assert caller.transport.aborted
    assert seen.cut is Cut.STOPPED
    assert not caller.open


# --- time --------------------------------------------------------------------------------------------------------


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
    caller, seen = silent(codec, step, request(1), limits=Limits(head=5))
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
    caller, seen = silent(codec, step, post(), limits=Limits(body=10))
    for _ in range(3):
        caller.advance(9)
        caller.send(data(1, b"x"))
    assert seen.refused is None
    caller.advance(11.1)
    assert seen.refused is CLIENT_TIMEOUT
    assert caller.answers()[-1] == "RST_STREAM 1 NO_ERROR"
    assert caller.open


def a_body_that_is_held_back_may_stand_still(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, post(), limits=Limits(body=10))
    seen.server.pause()
    caller.advance(60)
    assert seen.refused is None
    seen.server.resume()
    caller.send(data(1, b"hello", end=True))
    assert seen.ended


def a_stream_of_grpc_may_stand_still(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, step, post(1, (b"content-type", b"application/grpc")), limits=Limits(body=10))
    caller.advance(60)
    assert seen.refused is None


def deadlines_pass_one_by_one(codec: Codec, step: int) -> None:
    caller = Caller(codec, step, answer=None)
    caller.send(request(1), post(3), request(5))
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
    caller, seen = silent(codec, step, request(1))
    seen.server.arm(caller.clock.monotonic() + 2)
    seen.server.send_head(ResponseHead(204), b"", True)
    caller.send(request(3))
    caller.advance(10)
    assert not any(each.deadline for each in caller.seen)


def a_stream_that_is_not_taken_is_cut(codec: Codec, step: int) -> None:
    """Its window stays shut. Whoever takes a little now and then is slow, and no more."""
    caller, seen = silent(codec, step, request(1), request(3), limits=Limits(send=30))
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
    caller, seen = silent(codec, 0, request(), limits=Limits(send=30))
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
    caller, seen = silent(codec, 0, request(1), request(3), limits=Limits(send=30))
    seen.server.arm(caller.clock.monotonic() + 2)
    caller.send(settings({Setting.INITIAL_WINDOW_SIZE: 1_000_000}), window_update(0, 1_000_000))
    caller.transport.stall()
    caller.seen[0].server.send_head(HEAD, bytes(100_000), False)
    caller.settle()
    caller.advance(3)
    assert seen.deadline
    assert caller.open


LIFETIME_CASES = cases_of("towards a caller", globals().values(), __name__)
