"""Whatever a peer says on HTTP/2, both codecs tell the exchange the same: sessions as they should be, and mutated."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.reference import REFERENCE
from minimesh.testing.conformance.harness import say_hello
from minimesh.testing.conformance.http2 import Asked, Caller, Endpoint
from minimesh.testing.conformance.http2.wire import (
    ACK,
    CANCEL,
    COMMON,
    SETTINGS_ACK,
    Code,
    Setting,
    answer,
    data,
    frame,
    goaway,
    ping,
    request,
    rst_stream,
    trailers,
    window_update,
)
from minimesh.testing.conformance.http2.wire import settings as settings_frame

Pair = tuple[bytes, bytes]
Session = list[bytes]

FIELD = st.sampled_from(
    [
        *((b"content-length", value) for value in (b"0", b"5", b"10", b"+5", b"")),
        *((b"te", b"trailers"), (b"te", b"gzip"), (b"cookie", b"a=b"), (b"host", b"a"), (b"host", b"b")),
        *((b"x-a", b"b"), (b"x-a", b"b" * 300), (b"A", b"b"), (b"x-a", b"b\nc"), (b"connection", b"close")),
        *((b":path", b"/x"), (b"expect", b"100-continue"), (b"content-type", b"application/grpc"), (b"etag", b"x")),
    ]
)
FIELDS = st.lists(FIELD, max_size=3)
BODY = st.sampled_from([b"", b"hello", b"hello", b"hel", bytes(16_000)])
TABLE = b"\x40\x01t\x01u"
"""Into the dynamic table; an index finds it there."""


def more(draw: st.DrawFn, number: int) -> bytes:
    """What may follow on a stream that has begun."""
    match draw(st.sampled_from([*["data"] * 5, *["trailers"] * 2, "padded", "window", "reset", "other", "empty"])):
        case "data":
            return data(number, draw(BODY), end=draw(st.booleans()))
        case "trailers":
            return trailers(number, *draw(FIELDS), end=draw(st.integers(0, 4)) > 0)
        case "padded":
            return frame("DATA", 8 | draw(st.integers(0, 1)), number, b"\3" + draw(BODY)[:100] + bytes(3))
        case "window":
            return window_update(draw(st.sampled_from([0, number])), draw(st.sampled_from([0, 1, 70_000, 2**31 - 1])))
        case "reset":
            return rst_stream(number, draw(st.sampled_from([CANCEL, Code.NO_ERROR, Code.REFUSED_STREAM])))
        case "empty":
            return data(number, end=True)
    return draw(
        st.sampled_from(
            [
                *(
                    SETTINGS_ACK,
                    SETTINGS_ACK,
                    ping(bytes(8)),
                    ping(bytes(8), ACK),
                    frame("PRIORITY", 0, number, bytes(4) + b"\7"),
                ),
                *(b"\0\0\1\x99\xff\0\0\0\1x", b"\0\0\0\x0a\0\0\0\0\0", goaway(number, Code.NO_ERROR)),
                settings_frame({Setting.INITIAL_WINDOW_SIZE: 100}),
                settings_frame({Setting.INITIAL_WINDOW_SIZE: 2**31 - 1}),
                settings_frame({Setting.ENABLE_PUSH: 1}),
                settings_frame({Setting.MAX_CONCURRENT_STREAMS: 3, Setting.HEADER_TABLE_SIZE: 0}),
            ]
        )
    )


def some_request(draw: st.DrawFn, number: int) -> bytes:
    end = draw(st.booleans())
    match draw(st.integers(0, 9)):
        case 0:
            return frame("HEADERS", end, number, COMMON[:3]) + frame("CONTINUATION", 4, number, COMMON[3:])
        case 1:
            return frame("HEADERS", 0x24 | end, number, b"\0\0\0\x0b\1" + COMMON)
        case 2:
            return frame("HEADERS", 4 | end, number, COMMON + TABLE)
        case 3:
            return frame("HEADERS", 4 | end, number, COMMON + b"\xbe")
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"CONNECT"]))
    path = draw(st.sampled_from([b"/", b"/", b"/a/../b?c", b"", b"*"]))
    return request(number, *draw(FIELDS), method=method, path=path, end=end)


def some_answer(draw: st.DrawFn, number: int) -> bytes:
    status = draw(st.sampled_from([*[b"200"] * 4, b"204", b"304", b"103", b"101", b"500", b"99"]))
    return answer(number, *draw(FIELDS), status=status, end=draw(st.booleans()))


@st.composite
def sessions(draw: st.DrawFn, head: Callable[[st.DrawFn, int], bytes], most: int) -> Session:
    """Frames of up to `most` streams, mostly in an order that is allowed; half of them mutated somewhere."""
    sent: Session = []
    begun = 0
    for _ in range(draw(st.integers(1, 14))):
        new = begun < most
        at = draw(st.integers(0, begun if new else begun - 1))
        sent.append(head(draw, 2 * at + 1) if at == begun else more(draw, 2 * at + 1))
        begun += at == begun
    if draw(st.booleans()):
        at = draw(st.integers(0, len(sent) - 1))
        sent[at] = mutated(draw, sent[at])
    return sent


def mutated(draw: st.DrawFn, sent: bytes) -> bytes:
    """In its head, mostly: that is where it matters."""
    at = draw(st.integers(0, min(len(sent) - 1, 20)))
    match draw(st.integers(0, 2)):
        case 0:
            return sent[:at] + bytes((sent[at] ^ 1 << draw(st.integers(0, 7)),)) + sent[at + 1 :]
        case 1:
            return sent[:at] + sent[at + draw(st.integers(1, 9)) :]
    return sent[:at] + draw(st.binary(min_size=1, max_size=9)) + sent[at:]


def told(said: list[str]) -> list[str]:
    """A frame that is wrong in itself and where it stands may be called either."""
    return [line.replace("FRAME_SIZE_ERROR", "PROTOCOL_ERROR") for line in said]


STEP = st.sampled_from([0, 0, 1, 7, 1_000])


def as_callers_see_it(codec: Codec, sent: Session, step: int, *, hello: bool) -> object:
    caller = Caller(codec, step, answer=say_hello if hello else None)
    for each in sent:
        caller.send(each)
    said = told(caller.answers())
    return (
        [(seen.summary(), seen.cut, seen.refused) for seen in caller.seen],
        [reason.code for reason in caller.refusals],
        caller.transport.ended,
        said,
    )


@settings(max_examples=100, deadline=None)
@given(sessions(some_request, 5), STEP, st.booleans())
def test_callers(sent: Session, step: int, hello: bool) -> None:
    fast = as_callers_see_it(FAST, sent, step, hello=hello)
    assert fast == as_callers_see_it(REFERENCE, sent, step, hello=hello)


def as_endpoints_see_it(codec: Codec, sent: Session, step: int) -> object:
    endpoint = Endpoint(codec, step)
    asked = [endpoint.ask(method, data=b"x") for method in (b"POST", b"HEAD", b"GET")]
    endpoint.heard()
    for each in sent:
        endpoint.send(each)
    said = told(endpoint.answers())
    return [_seen(each) for each in asked], endpoint.leaving, endpoint.connection.active, said


def _seen(asked: Asked) -> object:
    head = asked.head
    return asked.said(), asked.trailers, head and (head.status, head.length, head.fields.pairs)


@settings(max_examples=100, deadline=None)
@given(sessions(some_answer, 3), STEP)
def test_endpoints(sent: Session, step: int) -> None:
    assert as_endpoints_see_it(FAST, sent, step) == as_endpoints_see_it(REFERENCE, sent, step)
