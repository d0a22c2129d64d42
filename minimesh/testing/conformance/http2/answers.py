"""Answers of HTTP/2 that must be understood, and what is wrong with others."""

from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import Fields
from minimesh.model.reason import UPSTREAM_PROTOCOL
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.http2.harness import Endpoint
from minimesh.testing.conformance.http2.wire import (
    CANCEL,
    Code,
    Setting,
    answer,
    block,
    data,
    frame,
    headers,
    rst_stream,
    settings,
    trailers,
    window_update,
)

LENGTH = (b"content-length", b"5")
TRAILERS = Fields(((b"sum", b"42"),))

_ANSWERS: dict[str, tuple[bytes, str]] = {
    "a body of known length": (answer(1, LENGTH) + data(1, b"hello", end=True), "200 b'hello' end"),
    "a body of unknown length": (answer(1) + data(1, b"hel") + data(1, b"lo", end=True), "200 b'hello' end"),
    "an end apart": (answer(1, LENGTH) + data(1, b"hello") + data(1, end=True), "200 b'hello' end"),
    "no body": (answer(1, end=True), "200 end"),
    "no body, and an end apart": (answer(1, (b"content-length", b"0")) + data(1, end=True), "200 end"),
    "no content": (answer(1, status=b"204", end=True), "204 end"),
    "not modified, with a length": (answer(1, LENGTH, status=b"304", end=True), "304 end"),
    "not modified, and an end apart": (answer(1, LENGTH, status=b"304") + data(1, end=True), "304 end"),
    "trailers": (answer(1) + data(1, b"hello") + trailers(1, (b"sum", b"42")), "200 b'hello' end"),
    "trailers that are empty": (answer(1) + trailers(1), "200 end"),
    "interim answers": (
        answer(1, status=b"100") + answer(1, (b"link", b"x"), status=b"103") + answer(1, status=b"204", end=True),
        "100 103 204 end",
    ),
    "padding": (answer(1) + frame("DATA", 9, 1, b"\3hello" + bytes(3)), "200 b'hello' end"),
    "a priority": (frame("PRIORITY", 0, 1, bytes(4) + b"\7") + answer(1, end=True), "200 end"),
    "an unknown frame": (b"\0\0\1\x99\xff\0\0\0\1x" + answer(1, end=True), "200 end"),
    "an unknown status": (answer(1, status=b"599", end=True), "599 end"),
    "a reset behind the end": (answer(1, end=True) + rst_stream(1, Code.NO_ERROR), "200 end"),
}

_CUT = "cut upstream_protocol UNKNOWN"
_BROKEN: dict[str, tuple[bytes, str]] = {
    "no status": (trailers(1, (b"a", b"b"), end=False), _CUT),
    "nothing at all": (trailers(1), _CUT),
    "two statuses": (headers(1, block(((b":status", b"200"), (b":status", b"200"))), True), _CUT),
    "a status behind the fields": (headers(1, block(((b"a", b"b"), (b":status", b"200"))), True), _CUT),
    "a pseudo-field of requests": (headers(1, block(((b":status", b"200"), (b":path", b"/"))), True), _CUT),
    **{
        f"the status {status!r}": (answer(1, status=status, end=True), _CUT)
        for status in (b"", b"99", b"099", b"600", b"20", b"2000", b"2xx", b"-20", b"101", b"\xb2\xb2\xb2")
    },
    "upper case": (answer(1, (b"A", b"b"), end=True), _CUT),
    "a line break": (answer(1, (b"a", b"b\r\nc: d"), end=True), _CUT),
    "a field of connections": (answer(1, (b"connection", b"close"), end=True), _CUT),
    "a coding": (answer(1, (b"transfer-encoding", b"chunked"), end=True), _CUT),
    "two lengths": (answer(1, LENGTH, LENGTH) + data(1, b"hello", end=True), _CUT),
    "a bad length": (answer(1, (b"content-length", b"+5")) + data(1, b"hello", end=True), _CUT),
    "an interim answer that ends": (answer(1, status=b"103", end=True), _CUT),
    "21 interim answers": (answer(1, status=b"103") * 21, " ".join(["103"] * 20) + " " + _CUT),
    "a body before the head": (data(1, b"hello"), _CUT),
    "a head that is too large": (answer(1, *[(b"a", b"b")] * 300, end=True), _CUT),
    "a length and no body": (answer(1, LENGTH, end=True), _CUT),
}
_BROKEN_LATER: dict[str, tuple[bytes, str]] = {
    "a body that is too long": (answer(1, LENGTH) + data(1, b"hello!", end=True), "200"),
    "a body that is too short": (answer(1, LENGTH) + data(1, b"hell", end=True), "200"),
    "a body that ends too early": (answer(1, LENGTH) + data(1, b"hell") + data(1, end=True), "200 b'hell'"),
    "trailers too early": (answer(1, LENGTH) + data(1, b"hell") + trailers(1, (b"a", b"b")), "200 b'hell'"),
    "a body where there is none": (answer(1, (b"content-length", b"0")) + data(1, b"x", end=True), "200"),
    "a body with no content": (answer(1, status=b"204") + data(1, b"x", end=True), "204"),
    "a body with not modified": (answer(1, status=b"304") + data(1, b"x", end=True), "304"),
    "a second head": (answer(1) + answer(1), "200"),
    "trailers without end": (answer(1) + trailers(1, (b"a", b"b"), end=False), "200"),
    "a pseudo-field in the trailers": (answer(1) + trailers(1, (b":status", b"200")), "200"),
    "a window opened by nothing": (answer(1) + window_update(1, 0), "200"),
}

_FAULTS: dict[str, tuple[bytes, str]] = {
    "a push": (frame("PUSH_PROMISE", 4, 1, b"\0\0\0\2"), "PROTOCOL_ERROR"),
    "settings that would have us push": (settings({Setting.ENABLE_PUSH: 1}), "PROTOCOL_ERROR"),
    "a head on a stream of its own": (answer(2, end=True), "PROTOCOL_ERROR"),
    "a head on an idle stream": (answer(3, end=True), "PROTOCOL_ERROR"),
    "data on an idle stream": (data(3, b"x"), "PROTOCOL_ERROR"),
    "a reset of an idle stream": (rst_stream(3, CANCEL), "PROTOCOL_ERROR"),
    "a block that is none": (headers(1, b"\x80", True), "COMPRESSION_ERROR"),
    "a head that is interrupted": (frame("HEADERS", 0, 1, b"\x88") + data(1, b"x"), "PROTOCOL_ERROR"),
    "a frame that is too large": (frame("DATA", 0, 1, bytes(16_385)), "FRAME_SIZE_ERROR"),
    "a window opened too far": (window_update(0, 2**31 - 1), "FLOW_CONTROL_ERROR"),
    "a ping of seven bytes": (frame("PING", 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "data behind the end": (answer(1, status=b"204", end=True) + data(1, b"x"), "STREAM_CLOSED"),
    "a head behind the end": (answer(1, status=b"204", end=True) + answer(1), "STREAM_CLOSED"),
}


def _answers(sent: bytes, expected: str, codec: Codec, step: int) -> None:
    """Twice, whatever a codec remembers."""
    endpoint = Endpoint(codec, step)
    for number in (1, 3):
        asked = endpoint.ask()
        endpoint.heard()
        endpoint.send(_on(number, sent))
        assert asked.said() == expected
        assert asked.trailers == (TRAILERS if b"sum" in sent else None)
        assert endpoint.answers() == []
        assert endpoint.connection.active == 0


def _on(number: int, sent: bytes) -> bytes:
    """The same frames on another stream."""
    moved, at = b"", 0
    while at < len(sent):
        stop = at + 9 + int.from_bytes(sent[at : at + 3], "big")
        moved += sent[at : at + 5] + number.to_bytes(4, "big") + sent[at + 9 : stop]
        at = stop
    return moved


def _breaks(sent: bytes, expected: str, codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    other = endpoint.ask()
    endpoint.heard()
    endpoint.send(sent)
    assert asked.said() == expected
    assert endpoint.answers() == ["RST_STREAM 1 PROTOCOL_ERROR"]
    endpoint.send(answer(3, status=b"204", end=True))
    assert other.said() == "204 end"


def _breaks_later(sent: bytes, heard: str, codec: Codec, step: int) -> None:
    """Never an end. How much is heard before depends on how it comes."""
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.heard()
    endpoint.send(sent)
    assert not asked.ended
    assert asked.cut is UPSTREAM_PROTOCOL
    assert asked.said() in (f"{heard} {_CUT}", _CUT)
    assert endpoint.answers() == ["RST_STREAM 1 PROTOCOL_ERROR"]
    assert endpoint.connection.active == 0


def _ends(sent: bytes, code: str, codec: Codec, step: int) -> None:
    endpoint = Endpoint(codec, step)
    asked = endpoint.ask()
    endpoint.heard()
    endpoint.send(sent)
    assert endpoint.answers()[-1] == f"GOAWAY 0 {code}"
    assert asked.ended or asked.cut is UPSTREAM_PROTOCOL
    assert endpoint.leaving
    assert not endpoint.connection.room
    endpoint.advance(1)
    assert endpoint.lost


def _table_cases() -> tuple[Case, ...]:
    return tuple(
        Case(f"{title}: {name}{how}", partial(check, *row, step=step))
        for title, check, table in (
            ("answer", _answers, _ANSWERS),
            ("broken answer", _breaks, _BROKEN),
            ("answer that breaks", _breaks_later, _BROKEN_LATER),
            ("from an endpoint", _ends, _FAULTS),
        )
        for name, row in table.items()
        for step, how in ((0, ""), (1, ", byte by byte"))
    )


ANSWER_CASES = _table_cases()
