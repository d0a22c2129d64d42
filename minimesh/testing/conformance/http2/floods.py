"""What costs a server more than its caller: told to calm down, refused, or taken at no great cost."""

import time
from collections.abc import Callable
from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, ResponseHead
from minimesh.testing.conformance.case import Case, case_of
from minimesh.testing.conformance.http2.harness import Caller
from minimesh.testing.conformance.http2.wire import (
    ACK,
    CANCEL,
    COMMON,
    PREFACE,
    SETTINGS_ACK,
    Setting,
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
from minimesh.testing.conformance.http2.wire import Code as _Code

_OPEN = request(end=False)
_CALM = "ENHANCE_YOUR_CALM"
_INCREMENTAL = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4_000
"""4,000 bytes into the dynamic table, where an index finds them again."""

_FLOODS: dict[str, tuple[bytes, Callable[[int], bytes], str]] = {
    "a flood of pings": (b"", lambda at: ping(bytes(8)), _CALM),
    "a flood of answers to pings": (b"", lambda at: ping(bytes(8), ACK), _CALM),
    "a flood of settings": (b"", lambda at: settings({}), _CALM),
    "a flood of large settings": (b"", lambda at: settings({Setting.INITIAL_WINDOW_SIZE: at}) * 100, _CALM),
    "a flood of acknowledgements": (b"", lambda at: SETTINGS_ACK, _CALM),
    "a flood of priorities": (b"", lambda at: frame("PRIORITY", 0, 2 * at + 1, bytes(5)), _CALM),
    "a flood of unknown frames": (b"", lambda at: b"\0\0\0\xee\0\0\0\0\0", _CALM),
    "a flood of farewells": (_OPEN, lambda at: goaway(0, _Code.NO_ERROR), _CALM),
    "a flood of empty data": (_OPEN, lambda at: data(1), _CALM),
    "a flood of padding": (_OPEN, lambda at: frame("DATA", 8, 1, b"\xff" + bytes(255)), _CALM),
    "a flood of empty data behind a reset": (_OPEN + window_update(1, 0), lambda at: data(1), _CALM),
    "a flood of windows": (b"", lambda at: window_update(0, 1), _CALM),
    "a flood of windows of a stream": (_OPEN, lambda at: window_update(1, 1), _CALM),
    "a flood of windows of a stream that is over": (
        _OPEN + rst_stream(1, CANCEL),
        lambda at: window_update(1, 1),
        _CALM,
    ),
    "a flood of resets of a stream that is over": (
        _OPEN + rst_stream(1, CANCEL),
        lambda at: rst_stream(1, CANCEL),
        _CALM,
    ),
    "empty continuations without end": (
        frame("HEADERS", 0, 1, COMMON),
        lambda at: frame("CONTINUATION", 0, 1),
        _CALM,
    ),
    "continuations without end": (
        frame("HEADERS", 0, 1, COMMON),
        lambda at: frame("CONTINUATION", 0, 1, b"\0\1a\1b" * 3_000),
        _CALM,
    ),
    "heads that are too large": (
        b"",
        lambda at: headers(2 * at + 1, COMMON + b"\0\1a\1b" * 500, True),
        _CALM,
    ),
    "an index that is a bomb": (
        headers(1, COMMON + _INCREMENTAL, True),
        lambda at: headers(2 * at + 3, COMMON + b"\xbe" * 16_000, True),
        "COMPRESSION_ERROR",
    ),
    "cookies that are a bomb": (
        headers(1, COMMON + b"\x60\x7f\xa1\x1e" + b"b" * 4_000, True),
        lambda at: headers(2 * at + 3, COMMON + b"\xbe" * 60, True),
        _CALM,
    ),
    "hosts that are a bomb": (
        headers(1, COMMON[:-3] + b"\x66\x7f\xa1\x1e" + b"b" * 4_000, True),
        lambda at: headers(2 * at + 3, COMMON + b"\xbe" * 60, True),
        _CALM,
    ),
    "requests that are malformed": (b"", lambda at: headers(2 * at + 1, COMMON + b"\0\1A\1b", True), _CALM),
    "requests that are reset at once": (
        b"",
        lambda at: request(2 * at + 1) + rst_stream(2 * at + 1, CANCEL),
        _CALM,
    ),
    "requests that have to be reset for their windows": (
        b"",
        lambda at: request(2 * at + 1, end=False) + window_update(2 * at + 1, 0),
        _CALM,
    ),
    "requests that have to be reset for their bodies": (
        b"",
        lambda at: request(2 * at + 1, (b"content-length", b"1"), end=False) + data(2 * at + 1, b"xx"),
        _CALM,
    ),
    "requests that have to be reset for their trailers": (
        b"",
        lambda at: request(2 * at + 1, end=False) + trailers(2 * at + 1, (b":a", b"b")),
        _CALM,
    ),
    "requests that are too many": (b"", lambda at: request(2 * at + 1), _CALM),
}
_MOST_FRAMES = 60_000


def _calms(before: bytes, flood: Callable[[int], bytes], word: str, codec: Codec) -> None:
    """Ended before long, with the word for it, at little cost; whatever runs is cut."""
    caller = Caller(codec, answer=None)
    caller.send(before)
    began = time.process_time()
    sent = 0
    while not caller.transport.ended and sent < _MOST_FRAMES:
        caller.send(*map(flood, range(sent, sent + 50)))
        sent += 50
    assert time.process_time() - began < 1.0
    assert caller.answers()[-1].split()[2] == word
    assert all(seen.cut for seen in caller.seen)
    caller.advance(0.9)
    assert not caller.open


def about_200_resets_in_ten_seconds_are_too_many(codec: Codec) -> None:
    """Rapid reset: no more of it reaches a service."""
    caller = Caller(codec, answer=None)
    for at in range(5_000):
        caller.send(request(2 * at + 1), rst_stream(2 * at + 1, CANCEL))
        if at % 100 == 99:
            caller.advance(0.1)
    assert 190 <= len(caller.seen) <= 450
    assert caller.transport.ended


def resets_of_requests_that_took_a_while_are_not_an_attack(codec: Codec) -> None:
    """Callers with deadlines give up at the rate that they call."""
    caller = Caller(codec, answer=None)
    for number in range(1, 2_001, 2):
        caller.send(request(number))
        if number > 150:
            caller.send(rst_stream(number - 150, CANCEL))
        caller.advance(0.02 if number % 10 else 0.1)
    assert caller.open
    assert caller.answers() == []


def resets_now_and_then_are_not_an_attack(codec: Codec) -> None:
    caller = Caller(codec, answer=None)
    for number in range(1, 1_001, 2):
        caller.send(request(number), rst_stream(number, CANCEL))
        caller.advance(0.1)
    assert caller.open


def a_window_of_nothing_holds_all_back(codec: Codec) -> None:
    """1,000 requests and not a byte taken: what piles up is bounded."""
    caller = Caller(codec, answer=None, greeting=PREFACE + settings({Setting.INITIAL_WINDOW_SIZE: 0}))
    for number in range(1, 2_001, 2):
        before = len(caller.seen)
        caller.send(request(number))
        if len(caller.seen) > before:
            caller.last.server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), bytes(1_000), False)
            assert caller.last.blocked
    assert len(caller.seen) == 100
    assert caller.answers().count("RST_STREAM 1999 REFUSED_STREAM") == 1


def three_thousand_streams_at_once_are_refused(codec: Codec) -> None:
    caller = Caller(codec, answer=None)
    caller.send(*(request(number) for number in range(1, 6_001, 2)))
    assert len(caller.seen) == 100
    assert sum(line.endswith("REFUSED_STREAM") for line in caller.answers()) == 2_900
    for seen in caller.seen:
        seen.server.send_head(ResponseHead(204), b"", True)
    caller.send(request(6_001))
    assert caller.last.ended


def what_goes_with_data_is_not_a_flood(codec: Codec) -> None:
    """Some callers open both windows, and ask how long that takes, for each piece that they get."""
    caller = Caller(codec, answer=None)
    caller.send(request())
    server = caller.last.server
    server.send_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"", False)
    for _ in range(5_000):
        server.send_data(bytes(100))
        caller.settle()
        caller.send(window_update(1, 100), window_update(0, 100), ping(bytes(8)))
    server.send_end(None)
    assert caller.heard()[-1].endswith(" end")
    assert caller.open


def many_heads_that_are_too_large_are_answered_each(codec: Codec) -> None:
    caller = Caller(codec)
    for at in range(30):
        caller.send(headers(2 * at + 1, COMMON + b"\0\1a\1b" * 100, True))
        caller.advance(2)
    assert sum(":status=431" in line for line in caller.answers()) == 30


FLOOD_CASES: tuple[Case, ...] = (
    *(Case(name, partial(_calms, *flood)) for name, flood in _FLOODS.items()),
    *(
        case_of(check)
        for check in (
            about_200_resets_in_ten_seconds_are_too_many,
            resets_of_requests_that_took_a_while_are_not_an_attack,
            resets_now_and_then_are_not_an_attack,
            a_window_of_nothing_holds_all_back,
            three_thousand_streams_at_once_are_refused,
            what_goes_with_data_is_not_a_flood,
            many_heads_that_are_too_large_are_answered_each,
        )
    ),
)
