"""What breaks the rules of RFC 9113, from a caller, and what it is told; the sections are in the order of the RFC."""

from collections.abc import Callable
from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.http2.harness import Caller
from minimesh.testing.conformance.http2.wire import (
    ACK,
    CANCEL,
    COMMON,
    END_HEADERS,
    END_STREAM,
    PREFACE,
    SETTINGS_ACK,
    Setting,
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

_GET = request()
_POST = request(method=b"POST", end=False)
_OPEN = request(end=False)
_HALF = frame("HEADERS", END_STREAM, 1, COMMON[:3])
_REST = frame("CONTINUATION", END_HEADERS, 1, COMMON[3:])
_LONG_PADDING = b"\x00\x01a\x82\xff\xff"
_PRIORITY = bytes(4) + b"\x10"
_PADDED, _HAS_PRIORITY = 0x8, 0x20

GREETING_FAULTS: dict[str, bytes] = {
    "a wrong preface": PREFACE.replace(b"SM", b"XX") + settings({}),
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no settings behind the preface": PREFACE + ping(bytes(8)) + settings({}),
    "an acknowledgement behind the preface": PREFACE + SETTINGS_ACK,
    "a request behind the preface": PREFACE + _GET,
}

CONNECTION_FAULTS: dict[str, tuple[bytes, str]] = {
    # --- section 4: frames and blocks
    "data over the frame size": (_POST + data(1, bytes(16_385)), "FRAME_SIZE_ERROR"),
    "a head over the frame size": (frame("HEADERS", 5, 1, COMMON + bytes(16_384)), "FRAME_SIZE_ERROR"),
    "settings over the frame size": (frame("SETTINGS", 0, 0, bytes(16_386)), "FRAME_SIZE_ERROR"),
    "an unknown frame over the frame size": (b"\xff\xff\xff\x7f\0\0\0\0\0", "FRAME_SIZE_ERROR"),
    "a block that is none": (headers(1, b"\x40\x01", True), "COMPRESSION_ERROR"),
    "a block with an index of nothing": (headers(1, b"\x80", True), "COMPRESSION_ERROR"),
    "a block with an index beyond the table": (headers(1, b"\xfe", True), "COMPRESSION_ERROR"),
    "a block with a long integer": (headers(1, b"\xff" + b"\x80" * 20 + b"\x01", True), "COMPRESSION_ERROR"),
    "a block with a resized table at its end": (headers(1, COMMON + b"\x20", True), "COMPRESSION_ERROR"),
    "a block with a table that is too large": (headers(1, b"\x3f\xe2\x1f" + COMMON, True), "COMPRESSION_ERROR"),
    "a block with a long padding of Huffman": (headers(1, COMMON + _LONG_PADDING, True), "COMPRESSION_ERROR"),
    "trailers that are no block": (_POST + headers(1, b"\x80", True), "COMPRESSION_ERROR"),
    "a block that is interrupted by a priority": (_HALF + frame("PRIORITY", 0, 1, _PRIORITY), "PROTOCOL_ERROR"),
    "a block that is interrupted by an unknown frame": (_HALF + b"\0\0\0\x7f\0\0\0\0\1", "PROTOCOL_ERROR"),
    "a block that is interrupted by data": (_HALF + data(1, b"x"), "PROTOCOL_ERROR"),
    "a block that is interrupted by settings": (_HALF + settings({}), "PROTOCOL_ERROR"),
    "a block that is interrupted by another": (_HALF + request(3), "PROTOCOL_ERROR"),
    "a block that is continued on another stream": (_HALF + frame("CONTINUATION", 4, 3, COMMON[3:]), "PROTOCOL_ERROR"),
    # --- section 5.1: states
    "data on an idle stream": (data(1, b"x"), "PROTOCOL_ERROR"),
    "a reset of an idle stream": (rst_stream(1, CANCEL), "PROTOCOL_ERROR"),
    "a window of an idle stream": (window_update(1, 100), "PROTOCOL_ERROR"),
    "a continuation on an idle stream": (frame("CONTINUATION", 4, 1, COMMON), "PROTOCOL_ERROR"),
    "data on an idle stream of ours": (data(2, b"x"), "PROTOCOL_ERROR"),
    "a reset of an idle stream of ours": (rst_stream(2, CANCEL), "PROTOCOL_ERROR"),
    "a window of an idle stream of ours": (_GET + window_update(2, 9), "PROTOCOL_ERROR"),
    "data behind the end": (_GET + data(1, b"x"), "STREAM_CLOSED"),
    "a head behind the end": (_GET + trailers(1, (b"a", b"b")), "STREAM_CLOSED"),
    "data behind a reset": (_POST + rst_stream(1, CANCEL) + data(1, b"x"), "STREAM_CLOSED"),
    "a head behind a reset": (_POST + rst_stream(1, CANCEL) + trailers(1), "STREAM_CLOSED"),
    "a continuation behind the end": (_GET + frame("CONTINUATION", 4, 1, b""), "PROTOCOL_ERROR"),
    "a stream of an even number": (request(2), "PROTOCOL_ERROR"),
    "a stream of a lower even number": (request(5) + request(2), "PROTOCOL_ERROR"),
    "a stream of a number that was passed over": (request(5) + request(3), "PROTOCOL_ERROR"),
    # --- section 5.3.1 of RFC 7540, which is still looked at
    "a head that depends on itself": (frame("HEADERS", 0x25, 1, bytes(3) + b"\1\0" + COMMON), "PROTOCOL_ERROR"),
    "a priority that depends on itself": (frame("PRIORITY", 0, 1, bytes(3) + b"\1\0"), "PROTOCOL_ERROR"),
    # --- section 6, type by type
    "data on no stream": (data(0, b"x"), "PROTOCOL_ERROR"),
    "data with more padding than frame": (_POST + frame("DATA", _PADDED, 1, b"\6hello"), "PROTOCOL_ERROR"),
    "data that is padding alone, and too much": (_POST + frame("DATA", _PADDED, 1, b"\1"), "PROTOCOL_ERROR"),
    "padded data without padding": (_POST + frame("DATA", _PADDED, 1), "FRAME_SIZE_ERROR"),
    "a head on no stream": (request(0), "PROTOCOL_ERROR"),
    "a head with more padding than frame": (frame("HEADERS", 0xD, 1, b"\xff" + COMMON), "PROTOCOL_ERROR"),
    "a padded head without padding": (frame("HEADERS", 0xD, 1), "FRAME_SIZE_ERROR"),
    "a head without its priority": (frame("HEADERS", 0x25, 1, b"\0\0"), "FRAME_SIZE_ERROR"),
    "a priority on no stream": (frame("PRIORITY", 0, 0, _PRIORITY), "PROTOCOL_ERROR"),
    "a priority of four bytes": (frame("PRIORITY", 0, 1, bytes(4)), "FRAME_SIZE_ERROR"),
    "a reset of no stream": (rst_stream(0, CANCEL), "PROTOCOL_ERROR"),
    "a reset of three bytes": (_POST + frame("RST_STREAM", 0, 1, bytes(3)), "FRAME_SIZE_ERROR"),
    "an acknowledgement with settings": (frame("SETTINGS", ACK, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    "settings on a stream": (frame("SETTINGS", 0, 1, b""), "PROTOCOL_ERROR"),
    "settings of five bytes": (frame("SETTINGS", 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "settings with push 2": (settings({Setting.ENABLE_PUSH: 2}), "PROTOCOL_ERROR"),
    "settings with tunnels 2": (settings({Setting.ENABLE_CONNECT_PROTOCOL: 2}), "PROTOCOL_ERROR"),
    "settings with a window of 2^31": (settings({Setting.INITIAL_WINDOW_SIZE: 2**31}), "FLOW_CONTROL_ERROR"),
    "settings with small frames": (settings({Setting.MAX_FRAME_SIZE: 16_383}), "PROTOCOL_ERROR"),
    "settings with frames of 2^24": (settings({Setting.MAX_FRAME_SIZE: 2**24}), "PROTOCOL_ERROR"),
    "settings that open a window too far": (
        _POST + window_update(1, 2**31 - 1 - 65_535) + settings({Setting.INITIAL_WINDOW_SIZE: 65_536}),
        "FLOW_CONTROL_ERROR",
    ),
    "a push": (frame("PUSH_PROMISE", 4, 1, b"\0\0\0\2" + COMMON), "PROTOCOL_ERROR"),
    "a ping on a stream": (frame("PING", 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "a ping of six bytes": (frame("PING", 0, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    "a farewell on a stream": (frame("GOAWAY", 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "a farewell of seven bytes": (frame("GOAWAY", 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "a window opened by nothing": (window_update(0, 0), "PROTOCOL_ERROR"),
    "a window of three bytes": (frame("WINDOW_UPDATE", 0, 0, bytes(3)), "FRAME_SIZE_ERROR"),
    "a window opened too far": (window_update(0, 2**31 - 1), "FLOW_CONTROL_ERROR"),
    "a continuation on no stream": (_HALF + frame("CONTINUATION", 4, 0, b""), "PROTOCOL_ERROR"),
    "a continuation behind a whole head": (_OPEN + frame("CONTINUATION", 4, 1, COMMON), "PROTOCOL_ERROR"),
    "a continuation behind the last one": (_HALF + _REST + frame("CONTINUATION", 4, 1, b""), "PROTOCOL_ERROR"),
    "a continuation behind data": (_POST + data(1, b"x") + frame("CONTINUATION", 4, 1, b""), "PROTOCOL_ERROR"),
}

STREAM_FAULTS: dict[str, tuple[bytes, str]] = {
    "a window of a stream opened by nothing": (_POST + window_update(1, 0), "PROTOCOL_ERROR"),
    "a window of a stream opened too far": (_POST + window_update(1, 2**31 - 1), "FLOW_CONTROL_ERROR"),
    "a second head": (_POST + _OPEN, "PROTOCOL_ERROR"),
    "trailers without end": (_POST + trailers(1, (b"a", b"b"), end=False), "PROTOCOL_ERROR"),
    "a pseudo-field in the trailers": (_POST + trailers(1, (b":method", b"GET")), "PROTOCOL_ERROR"),
    "an unknown pseudo-field in the trailers": (_POST + trailers(1, (b":x", b"y")), "PROTOCOL_ERROR"),
    "upper case in the trailers": (_POST + trailers(1, (b"A", b"b")), "PROTOCOL_ERROR"),
    "a field of connections in the trailers": (_POST + trailers(1, (b"connection", b"close")), "PROTOCOL_ERROR"),
    "a CR in the trailers": (_POST + trailers(1, (b"a", b"b\rc")), "PROTOCOL_ERROR"),
}

_LENGTH_5 = request(1, (b"content-length", b"5"), method=b"POST", end=False)
LENGTH_FAULTS: dict[str, bytes] = {
    "a body that is shorter than it says": _LENGTH_5 + data(1, b"four", end=True),
    "a body that is longer than it says": _LENGTH_5 + data(1, b"sixsix", end=True),
    "two pieces that are longer than they say": _LENGTH_5 + data(1, b"fiv") + data(1, b"esix", end=True),
    "a body that ends before its length": _LENGTH_5 + data(1, b"fiv") + data(1, end=True),
    "trailers before the length": _LENGTH_5 + data(1, b"fiv") + trailers(1, (b"a", b"b")),
    "no body where there should be one": _LENGTH_5 + data(1, end=True),
    "no data where there should be some": request(1, (b"content-length", b"5"), method=b"POST"),
    "a body where there should be none": request(1, (b"content-length", b"0"), end=False) + data(1, b"x", end=True),
    "more and more where there should be none": request(1, (b"content-length", b"0"), end=False) + data(1, b"x"),
}


def _greets(sent: bytes, codec: Codec, step: int) -> None:
    caller = Caller(codec, step, greeting=b"")
    caller.send(sent)
    assert caller.answers() == ["GOAWAY 0 PROTOCOL_ERROR"]
    assert not caller.seen
    caller.advance(0.9)
    assert not caller.open


def _ends(sent: bytes, code: str, codec: Codec, step: int) -> None:
    """The connection does: after a word, within a second, and whatever was under way is cut."""
    caller = Caller(codec, step, answer=None)
    caller.send(sent)
    words = caller.answers()[-1].split()
    assert (words[0], words[2:]) == ("GOAWAY", [code])
    assert caller.transport.ended
    assert all(seen.cut for seen in caller.seen), "an exchange was left behind"
    before = len(caller.seen)
    caller.send(request(101))
    assert len(caller.seen) == before
    caller.advance(0.9)
    assert not caller.open


def _resets(sent: bytes, code: str, codec: Codec, step: int) -> None:
    """The stream is; nobody takes its request for whole, and the connection goes on."""
    caller = Caller(codec, step, answer=None)
    caller.send(sent)
    assert caller.answers() == [f"RST_STREAM 1 {code}"]
    assert all(seen.cut and not seen.ended for seen in caller.seen)
    caller.send(request(3))
    assert caller.last.ended


def _cases() -> list[Case]:
    cases = []
    for step, how in ((0, ""), (1, ", byte by byte")):
        for name, sent in GREETING_FAULTS.items():
            cases.append(Case(name + how, partial(_check, _greets, (sent,), step)))
        for name, (sent, code) in CONNECTION_FAULTS.items():
            cases.append(Case(name + how, partial(_check, _ends, (sent, code), step)))
        for name, (sent, code) in STREAM_FAULTS.items():
            cases.append(Case(name + how, partial(_check, _resets, (sent, code), step)))
        for name, sent in LENGTH_FAULTS.items():
            cases.append(Case(name + how, partial(_check, _resets, (sent, "PROTOCOL_ERROR"), step)))
    return cases


def _check(check: Callable[..., None], arguments: tuple[object, ...], step: int, codec: Codec) -> None:
    check(*arguments, codec, step)


FAULT_CASES: tuple[Case, ...] = tuple(_cases())
