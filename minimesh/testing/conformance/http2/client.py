"""How a codec of HTTP/2 behaves towards an endpoint: requests out, answers in, ends, time."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import UNKNOWN, Fields
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import TIMEOUT, UPSTREAM_PROTOCOL, UPSTREAM_RESET
from minimesh.testing.conformance.harness import TRACE_CONTEXT
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.harness import Asked, Endpoint
from minimesh.testing.conformance.http2.wire import (
    ACK,
    CANCEL,
    SETTINGS_ACK,
    Code,
    Setting,
    answer,
    data,
    frame,
    goaway,
    ping,
    rst_stream,
    settings,
    window_update,
)

OWN = f"x-request-id=id traceparent={TRACE_CONTEXT.decode()}"
LENGTH = (b"content-length", b"5")
TRAILERS = Fields(((b"sum", b"42"),))
WINDOW = 65_535


def _head(method: str = "GET", *fields: str) -> str:
    pseudo = f":method={method} :scheme=http :path=/ :authority=orders"
    return " ".join(("HEADERS 1", pseudo, *fields, OWN))


# --- greeting --------------------------------------------------------------------------------------------------


def tells_what_it_takes(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=b"")
    assert endpoint.preface[0].startswith("SETTINGS HEADER_TABLE_SIZE=0 ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=65535")
    assert endpoint.preface[1:] == [f"WINDOW_UPDATE 0 {8 * 1024 * 1024 - WINDOW}"]
    assert endpoint.multiplexes is None
    endpoint.send(settings({}))
    assert endpoint.heard() == ["SETTINGS ack"]
    assert endpoint.multiplexes
    assert endpoint.roomier_told == 1


def who_does_not_speak_it_is_strange(codec: Codec, step: int) -> None:
    ping_first, too_large = b"\0\0\0\6\0\0\0\0\0", b"\1\0\0\4\0\0\0\0\0"
    for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n", ping_first, too_large, SETTINGS_ACK):
        endpoint = Endpoint(codec, step, greeting=b"")
        asked = endpoint.ask(b"POST", data=b"x")
        endpoint.send(said)
        assert endpoint.strangeness
        assert endpoint.transport.aborted
        assert endpoint.lost
        assert asked.said() == "cut upstream_protocol UNPROCESSED"


def who_closes_without_a_word_is_strange(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=b"")
    asked = endpoint.ask()
    endpoint.transport.end()
    assert endpoint.strangeness
    assert asked.said() == "cut upstream_reset UNPROCESSED"


def who_is_given_up_is_not_strange(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=b"")
    endpoint.connection.abort()
    endpoint.settle()
    assert endpoint.lost
    assert not endpoint.strangeness


# --- requests out ----------------------------------------------------------------------------------------------


def sends_a_head(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    endpoint.ask(fields=Fields(((b"accept", b"*/*"), (b"x-a", b"b"))))
    assert endpoint.answers() == [_head("GET", "accept=*/*", "x-a=b") + " end"]


def sends_a_body(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"POST", data=b"he", length=5, end=False, fields=Fields((LENGTH,)))
    asked.stream.send_data(b"l")
    asked.stream.send_data(b"lo")
    asked.stream.send_end(None)
    assert endpoint.answers() == [_head("POST", "content-length=5"), "DATA 1 b'hello' end"]


def sends_a_whole_body(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    endpoint.ask(b"PUT", data=b"hello", length=UNKNOWN)
    assert endpoint.answers() == [_head("PUT"), "DATA 1 b'hello' end"]


def sends_trailers(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"POST", data=b"hello", length=UNKNOWN, end=False)
    asked.stream.send_end(TRAILERS)
    assert endpoint.answers() == [_head("POST"), "DATA 1 b'hello'", "HEADERS 1 sum=42 end"]


def passes_an_expectation_on(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"POST", length=5, end=False, expects_continue=True)
    assert endpoint.answers() == [_head("POST", "expect=100-continue")]
    endpoint.send(answer(1, status=b"100"))
    assert asked.informational == [100]
    asked.stream.send_data(b"hello")
    asked.stream.send_end(None)
    endpoint.send(answer(1, status=b"204", end=True))
    assert asked.said() == "100 204 end"


def numbers_streams_as_heads_go_out(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    first, second = endpoint.ask(), endpoint.ask()
    endpoint.send(answer(3, status=b"204", end=True))
    assert (first.said(), second.said()) == ("", "204 end")
    endpoint.send(answer(1, status=b"205", end=True))
    assert first.said() == "205 end"
    assert endpoint.connection.active == 0


def waits_for_windows(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    asked = endpoint.ask(b"POST", data=b"hello", length=UNKNOWN)
    assert endpoint.answers() == [_head("POST"), "DATA 1 b'hel'"]
    assert asked.blocked
    endpoint.send(window_update(1, 2))
    assert endpoint.answers() == ["DATA 1 b'lo' end"]
    endpoint.send(answer(1, status=b"204", end=True))
    assert asked.said() == "204 end"
    assert endpoint.connection.active == 0


def acknowledges_a_wider_window_before_it_uses_it(codec: Codec, step: int) -> None:
    """A peer may count by the old window until it has seen the ACK (grpc does)."""
    endpoint = Endpoint(codec, step, greeting=settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    endpoint.ask(b"POST", data=b"hello", length=UNKNOWN)
    assert endpoint.answers() == [_head("POST"), "DATA 1 b'hel'"]
    endpoint.send(settings({Setting.INITIAL_WINDOW_SIZE: 5}))
    assert endpoint.heard() == ["SETTINGS ack", "DATA 1 b'lo' end"]


def outlives_an_answer_that_ends_after_its_reset(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked, other = endpoint.ask(b"POST", data=b"x", length=UNKNOWN, end=False), endpoint.ask()
    endpoint.send(rst_stream(1, Code.PROTOCOL_ERROR) + answer(1, status=b"200", end=True))
    endpoint.send(answer(3, status=b"204", end=True))
    assert asked.said() == "cut upstream_reset UNKNOWN"
    assert other.said() == "204 end"


# --- answers in --------------------------------------------------------------------------------------------------


def a_head_request_has_no_body_in_its_answer(codec: Codec, step: int) -> None:
    for sent in (answer(1, LENGTH, end=True), answer(1, LENGTH) + data(1, end=True), answer(1, end=True)):
        endpoint = Endpoint(codec, step)
        asked = endpoint.ask(b"HEAD")
        endpoint.send(sent)
        assert asked.head is not None
        assert (asked.head.length, asked.said()) == (0, "200 end")
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"HEAD")
    endpoint.send(answer(1, LENGTH) + data(1, b"hello", end=True))
    assert asked.body == b""
    assert not asked.ended


def an_answer_without_a_body_says_so(codec: Codec, step: int) -> None:
    """An HTTP/1 caller would wait for the end of the connection."""
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.send(answer(1, end=True))
    assert asked.head is not None
    assert asked.head.length == 0


def fields_are_passed_on(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    for number in (1, 3, 5):
        asked = endpoint.ask()
        fields = ((b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"x-a", b""), (b"x-minimesh-reason", b"lie"))
        endpoint.send(answer(number, *fields, LENGTH), data(number, b"hello", end=True))
        assert asked.head is not None
        assert asked.head.fields.pairs == (*fields[:3], LENGTH)
        assert asked.head.length == 5


# --- windows in ------------------------------------------------------------------------------------------------


def an_answer_that_nobody_takes_is_held_back(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, 0)
    asked = endpoint.ask()
    endpoint.heard()
    endpoint.send(answer(1))
    asked.stream.pause()
    endpoint.send(*(data(1, bytes(16_000)) for _ in range(4)))
    assert endpoint.heard() == []
    asked.stream.resume()
    assert endpoint.heard() == ["WINDOW_UPDATE 1 64000"]
    asked.stream.pause()
    endpoint.send(*(data(1, bytes(16_000)) for _ in range(5)))
    assert endpoint.heard() == ["RST_STREAM 1 FLOW_CONTROL_ERROR"]
    assert asked.cut is UPSTREAM_PROTOCOL


def one_that_is_held_back_does_not_hold_others(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, 0)
    held = [endpoint.ask() for _ in range(99)]
    free = endpoint.ask()
    for number in range(1, 199, 2):
        endpoint.send(answer(number))
    for asked in held:
        asked.stream.pause()
    for number in range(1, 199, 2):
        endpoint.send(*(data(number, bytes(16_000)) for _ in range(4)))
    endpoint.send(answer(199), *(data(199, bytes(16_000)) for _ in range(4)), data(199, end=True))
    assert free.ended


# --- ends ------------------------------------------------------------------------------------------------------


def a_reset_cuts_one(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    first, second, third, fourth = (endpoint.ask(b"POST", data=b"x") for _ in range(4))
    endpoint.heard()
    endpoint.send(rst_stream(1, Code.REFUSED_STREAM), rst_stream(3, CANCEL), answer(5))
    endpoint.send(rst_stream(5, Code.REFUSED_STREAM))
    assert first.said() == "cut upstream_reset UNPROCESSED"
    assert second.said() == "cut upstream_reset UNKNOWN"
    assert third.said() == "200 cut upstream_reset UNKNOWN"
    endpoint.send(answer(7, status=b"204", end=True))
    assert fourth.said() == "204 end"
    assert endpoint.answers() == []


def resets_by_an_endpoint_are_no_attack(codec: Codec, step: int) -> None:
    """It can only reset what was asked of it."""
    endpoint = Endpoint(codec, 0)
    for number in range(1, 2_001, 2):
        asked = endpoint.ask()
        endpoint.send(rst_stream(number, Code.REFUSED_STREAM))
        assert asked.fate is Fate.UNPROCESSED
    assert endpoint.connection.room


def a_request_is_given_up(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked, other = endpoint.ask(), endpoint.ask()
    endpoint.heard()
    asked.stream.reset()
    assert endpoint.heard() == ["RST_STREAM 1 CANCEL"]
    endpoint.send(answer(1, LENGTH), data(1, b"hello", end=True), window_update(1, 9), rst_stream(1, CANCEL))
    assert asked.said() == ""
    endpoint.send(answer(3, status=b"204", end=True))
    assert other.said() == "204 end"


def a_request_that_was_never_sent_is_given_up(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    stream = endpoint.connection.open(Asked())
    assert endpoint.connection.active == 1
    endpoint.connection.withdraw()
    assert not endpoint.transport.ended
    stream.reset()
    assert endpoint.answers() == ["GOAWAY 0 NO_ERROR"]
    assert endpoint.connection.active == 0


def an_answer_before_the_request_is_whole(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"POST", data=b"x", length=UNKNOWN, end=False)
    endpoint.heard()
    endpoint.send(answer(1, status=b"413", end=True), rst_stream(1, Code.NO_ERROR))
    assert asked.said() == "413 end"
    asked.stream.reset()
    assert endpoint.answers() in ([], ["RST_STREAM 1 CANCEL"])
    assert endpoint.connection.active == 0


def an_answer_while_the_request_waits_for_a_window(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=settings({Setting.INITIAL_WINDOW_SIZE: 3}))
    asked = endpoint.ask(b"POST", data=b"hello", length=UNKNOWN, end=False)
    endpoint.heard()
    endpoint.send(answer(1, status=b"413", end=True))
    assert asked.said() == "413 end"
    asked.stream.reset()
    assert endpoint.answers() == ["RST_STREAM 1 CANCEL"]
    assert endpoint.connection.active == 0


def a_lost_endpoint_cuts_all(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    first, second = endpoint.ask(), endpoint.ask()
    endpoint.send(answer(1, LENGTH), data(1, b"he"))
    endpoint.transport.lose()
    assert first.said() == "200 b'he' cut upstream_reset UNKNOWN"
    assert second.said() == "cut upstream_reset UNKNOWN"
    assert endpoint.lost


def a_kept_connection_may_be_stale(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    endpoint.ask()
    endpoint.send(answer(1, status=b"204", end=True))
    asked = endpoint.ask()
    endpoint.transport.end()
    assert asked.said() == "cut upstream_reset STALE"
    endpoint = Endpoint(codec, step)
    endpoint.ask()
    endpoint.send(answer(1, status=b"204", end=True))
    asked = endpoint.ask()
    endpoint.send(ping(bytes(8)))
    endpoint.transport.end()
    assert asked.said() == "cut upstream_reset UNKNOWN"


def goes_when_the_endpoint_goes(codec: Codec, step: int) -> None:
    """What it did not take can be sent again; what it did is awaited."""
    endpoint = Endpoint(codec, step)
    first, second = endpoint.ask(), endpoint.ask(b"POST", data=b"x")
    endpoint.heard()
    endpoint.send(goaway(2**31 - 1, Code.NO_ERROR))
    assert endpoint.leaving
    assert not endpoint.connection.room
    assert (first.cut, second.cut) == (None, None)
    endpoint.send(goaway(1, Code.NO_ERROR))
    assert second.said() == "cut upstream_reset UNPROCESSED"
    endpoint.send(answer(1, status=b"204", end=True))
    assert first.said() == "204 end"
    assert endpoint.heard() == ["GOAWAY 0 NO_ERROR"]
    endpoint.advance(1)
    assert endpoint.lost


def nothing_is_sent_for_what_the_endpoint_did_not_take(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    first = endpoint.ask(b"POST", data=bytes(WINDOW), length=UNKNOWN, end=False)
    second = endpoint.ask(b"POST", data=b"hello", length=UNKNOWN)
    endpoint.heard()
    endpoint.send(goaway(1, Code.NO_ERROR), window_update(0, 1_000))
    assert second.fate is Fate.UNPROCESSED
    assert endpoint.heard() == []
    assert first.cut is None


def an_endpoint_that_goes_at_once_takes_nothing(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask(b"POST", data=b"x")
    endpoint.send(goaway(0, Code.ENHANCE_YOUR_CALM))
    assert asked.said() == "cut upstream_reset UNPROCESSED"
    assert endpoint.transport.ended


def withdraws_when_it_is_told_to(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.heard()
    endpoint.connection.withdraw()
    assert endpoint.leaving
    endpoint.send(answer(1, status=b"204", end=True))
    assert asked.said() == "204 end"
    assert endpoint.heard() == ["GOAWAY 0 NO_ERROR"]
    endpoint.advance(1)
    assert endpoint.lost


def an_abort_cuts_what_runs(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.connection.abort()
    endpoint.settle()
    assert asked.cut is UPSTREAM_RESET
    assert endpoint.transport.aborted


# --- room and time ---------------------------------------------------------------------------------------------


def has_room_for_as_many_as_the_endpoint_takes(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step, greeting=settings({Setting.MAX_CONCURRENT_STREAMS: 2}))
    assert endpoint.connection.room
    endpoint.ask()
    endpoint.ask()
    assert not endpoint.connection.room
    told = endpoint.roomier_told
    endpoint.send(answer(1, status=b"204", end=True))
    assert endpoint.connection.room
    assert endpoint.roomier_told > told
    endpoint.send(settings({Setting.MAX_CONCURRENT_STREAMS: 0}))
    assert not endpoint.connection.room
    endpoint.send(settings({Setting.MAX_CONCURRENT_STREAMS: 1_000}))
    for _ in range(99):
        endpoint.ask()
    assert not endpoint.connection.room


def has_no_room_while_the_endpoint_takes_nothing(codec: Codec, step: int) -> None:
    large = settings({Setting.INITIAL_WINDOW_SIZE: 1_000_000}) + window_update(0, 1_000_000)
    endpoint = Endpoint(codec, 0, greeting=large)
    endpoint.transport.stall()
    asked = endpoint.ask(b"POST", data=bytes(100_000), length=UNKNOWN, end=False)
    asked.stream.send_data(b"more")
    assert not endpoint.connection.room
    assert asked.blocked
    endpoint.transport.take()
    assert endpoint.connection.room
    assert not asked.blocked


def knows_unknown_settings_not(codec: Codec, step: int) -> None:
    """gRPC has one whose number ends as that of MAX_CONCURRENT_STREAMS does."""
    endpoint = Endpoint(codec, step, greeting=frame("SETTINGS", 0, 0, b"\xfe\3\0\0\0\1"))
    first, second = endpoint.ask(), endpoint.ask()
    endpoint.send(answer(3, status=b"204", end=True))
    assert (first.said(), second.said()) == ("", "204 end")


def an_unused_connection_is_kept_for_a_while(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    endpoint.ask()
    endpoint.send(answer(1, status=b"204", end=True))
    endpoint.advance(59)
    assert endpoint.connection.room
    endpoint.advance(1.2)
    assert endpoint.leaving
    endpoint.advance(1)
    assert endpoint.lost


def an_answer_must_not_stand_still(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    still, moving = endpoint.ask(), endpoint.ask()
    endpoint.heard()
    endpoint.advance(299)
    endpoint.send(answer(3))
    endpoint.advance(2.2)
    assert still.cut is TIMEOUT
    assert endpoint.answers() == ["RST_STREAM 1 CANCEL"]
    endpoint.send(data(3, b"x"))
    endpoint.advance(299)
    assert moving.cut is None
    endpoint.advance(2.2)
    assert moving.cut is TIMEOUT


def an_answer_that_is_held_back_may_stand_still(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.send(answer(1))
    asked.stream.pause()
    endpoint.advance(1_000)
    assert asked.cut is None
    asked.stream.resume()
    endpoint.send(data(1, b"x", end=True))
    assert asked.said() == "200 b'x' end"


def answers_a_ping(codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    endpoint.send(ping(b"abcdefgh"), ping(b"ignored!", ACK))
    assert endpoint.heard() == ["PING ack b'abcdefgh'"]


CLIENT_CASES = cases_of("towards an endpoint", globals().values(), __name__)
