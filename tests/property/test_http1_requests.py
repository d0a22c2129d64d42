"""Requests, generated and mutated: however they are cut they mean the same, to either codec, and h11 agrees."""

from itertools import pairwise

import h11
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import ResponseHead
from minimesh.dataplane.paths import canonical
from minimesh.dataplane.reference import REFERENCE
from minimesh.testing.conformance import Seen, ServerHarness

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
VALUE = st.lists(st.sampled_from([b"a", b"B c", b"\t", b"\xe4", b"", b",", b'"q"', b"1"]), max_size=4).map(b"".join)
NAMES = b"Accept X-A x-a Connection Keep-Alive TE Upgrade X-Request-ID Forwarded X-Forwarded-For X-Minimesh-A".split()
SPOKEN = b"close keep-alive X-A upgrade websocket trailers gzip timeout=5".split()
FIELD = st.tuples(st.sampled_from(NAMES) | TOKEN, VALUE | st.lists(st.sampled_from(SPOKEN), max_size=3).map(b", ".join))
SEGMENT = st.sampled_from([b"a", b"b.c", b"", b".", b"..", b"%41", b"%2f", b"%2e", b"%C3%a4", b"~"])
TARGET = st.lists(SEGMENT, max_size=5).map(lambda parts: b"/" + b"/".join(parts))
BODY = st.binary(max_size=40)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    chunks = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    extension = st.sampled_from([b"", b";a=b", b"; x", b";"])
    coded = [b"%x%b\r\n%b\r\n" % (len(chunk), draw(extension), chunk) for chunk in chunks]
    trailers = draw(st.lists(st.tuples(TOKEN, st.just(b"v")), max_size=2))
    lines = [b"%b: %b\r\n" % pair for pair in trailers]
    return b"".join((*coded, b"0", draw(extension), b"\r\n", *lines, b"\r\n"))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is well-formed, but may break a rule or two."""
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS"]) | TOKEN)
    target = draw(TARGET) + draw(st.sampled_from([b"", b"?", b"?a=//b%20/.."]))
    target = draw(st.sampled_from([target, target, b"http://B.test" + target, b"*"]))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 4 + [b"HTTP/1.0"]))
    fields = [(b"Host", draw(st.sampled_from([b"a.test", b"A:80", b"[::1]:8"]))), *draw(st.lists(FIELD, max_size=4))]
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b""
    if framing == "length":
        body = draw(BODY)
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        body = draw(chunked())
        fields.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"CHUNKED"]))))
    lines = [
        name + b":" + draw(st.sampled_from([b" ", b"", b" \t"])) + value
        for name, value in draw(st.permutations(fields))
    ]
    return b"\r\n".join((b" ".join((method, target, version)), *lines, b"", body))


ODD = st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"\t", b"\x1b", b"\xff", b"0", b"1", b",", b"/", b"H"])


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """One, two or three small accidents."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 0, 1, 2, 8]))
        data = data[:start] + draw(ODD | st.just(b"")) + data[start + length :]
    return data


ANY = requests() | mutated(requests())
STREAMS = st.lists(requests(), min_size=1, max_size=3).map(b"".join) | mutated(
    st.lists(requests(), min_size=1, max_size=3).map(b"".join)
)


def outcome(codec: Codec, pieces: list[bytes]) -> tuple[list[tuple[object, ...]], bool, bool]:
    """The whole requests that were seen; whether anything was refused; whether another could follow."""

    def answer(seen: Seen) -> None:
        seen.server.send_head(ResponseHead(204), b"", True)

    harness = ServerHarness(codec, answer)
    for piece in pieces:
        harness.transport.feed(piece)
    refused = bool(harness.refusals) or any(seen.refused for seen in harness.seen)
    whole = [seen.summary() for seen in harness.seen if seen.ended or seen.head.upgrade]
    return whole, refused, harness.transport.ended


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=4))
@settings(max_examples=200)
def test_the_fast_codec_does_not_care_how_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    whole = outcome(FAST, [data])
    assert outcome(FAST, cut_at(data, cuts)) == whole
    assert outcome(FAST, [data[place : place + 1] for place in range(len(data))]) == whole


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=4))
def test_nor_does_the_reference(data: bytes, cuts: list[int]) -> None:
    assert outcome(REFERENCE, cut_at(data, cuts)) == outcome(REFERENCE, [data])


@given(requests(), st.binary(max_size=20))
def test_what_follows_a_request_does_not_change_it(data: bytes, tail: bytes) -> None:
    alone, _, closed = outcome(FAST, [data])
    with_tail, _, _ = outcome(FAST, [data + tail])
    assert with_tail[:1] == alone[:1]
    if closed:
        assert with_tail == alone


@given(STREAMS)
@settings(max_examples=400)
@example(b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \x1b\r\n\r\n")
def test_both_codecs_understand_the_same(data: bytes) -> None:
    assert outcome(FAST, [data]) == outcome(REFERENCE, [data])


def h11_reads(data: bytes) -> tuple[h11.Request, bytes] | None:
    """The request and its body as h11 alone sees them; None where it refuses or waits for more."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    body = b""
    request = None
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return request, body
            else:
                return None
    except h11.RemoteProtocolError:
        return None


@given(ANY)
@settings(max_examples=400)
def test_what_h11_refuses_is_refused_and_what_both_take_is_the_same(data: bytes) -> None:
    assume(not data.startswith(b"\r\n"))  # RFC 9112, section 2.2: forgiven here, not there
    seen, _, _ = outcome(FAST, [data])
    if not seen:
        return
    read = h11_reads(data)
    assert read is not None, "h11 refuses what the fast codec took"
    request, body = read
    method, target, _, fields, *_, found_body, _, _ = seen[0]
    assert method == request.method
    assert found_body == body
    assert isinstance(target, bytes)
    if request.target.startswith(b"/"):
        assert target == canonical(request.target)
    assert isinstance(fields, list)
    assert {pair for pair in fields if pair != (b"te", b"trailers")} <= {*request.headers}


@given(st.binary(max_size=30).map(lambda rest: b"/" + rest) | mutated(TARGET).map(lambda path: b"/" + path))
def test_canonical_paths_stay_canonical_and_below_the_root(target: bytes) -> None:
    try:
        once = canonical(target)
    except Malformed:
        return
    path = once.partition(b"?")[0]
    assert canonical(once) == once
    assert path.startswith(b"/")
    if b"//" in target or b"." in target or b"%" in target:
        assert not {b".", b".."} & {*path.split(b"/")}
    assert b"#" not in once
    assert b"%00" not in path
