"""What a codec of HTTP/2 sends a caller, and takes from it, as the windows let."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import ResponseHead
from minimesh.model.reason import Cut
from minimesh.testing.conformance.http2.case import cases_of
from minimesh.testing.conformance.http2.given import HEAD, TRAILERS, WINDOW, post, silent
from minimesh.testing.conformance.http2.harness import Caller
from minimesh.testing.conformance.http2.wire import (
    CANCEL,
    PREFACE,
    Setting,
    data,
    frame,
    request,
    rst_stream,
    settings,
    window_update,
)

# --- windows out -------------------------------------------------------------------------------------------------


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
    caller, seen = silent(codec, step, request())
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
    caller, seen = silent(codec, 0, request())
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
    caller, seen = silent(codec, 0, request())
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


# --- windows in --------------------------------------------------------------------------------------------------


def _updates(caller: Caller) -> dict[str, int]:
    given: dict[str, int] = {}
    for line in caller.heard():
        if line.startswith("WINDOW_UPDATE"):
            _, number, size = line.split()
            given[number] = given.get(number, 0) + int(size)
    return given


def gives_credit_as_data_is_taken(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, 0, post())
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
    caller, seen = silent(codec, 0, post())
    seen.server.pause()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    assert _updates(caller) == {}
    caller.send(data(1, bytes(16_384)))
    assert "RST_STREAM 1 FLOW_CONTROL_ERROR" in caller.heard()
    assert seen.cut is Cut.CLIENT_GONE


def gives_it_once_it_is_taken(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, 0, post())
    seen.server.pause()
    for _ in range(3):
        caller.send(data(1, bytes(16_384)))
    seen.server.resume()
    assert _updates(caller) == {"1": 3 * 16_384}


def padding_counts_and_is_given_back(codec: Codec, step: int) -> None:
    caller, seen = silent(codec, 0, post())
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
        caller.send(post(number), post(number + 2), post(number + 4), post(number + 6))
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
        caller.send(post(number))
        caller.last.server.pause()
        caller.send(*(data(number, bytes(16_383)) for _ in range(4)))
    assert caller.answers()[-1].endswith("FLOW_CONTROL_ERROR")
    assert all(seen.cut for seen in caller.seen)


WINDOW_CASES = cases_of("towards a caller", globals().values(), __name__)
