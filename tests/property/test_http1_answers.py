"""Answers, generated and mutated: however they are cut they mean the same, to either codec."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.heads import UNKNOWN, Fields
from minimesh.dataplane.reference import CODECS, REFERENCE
from minimesh.testing.conformance import ClientHarness, ServerHarness

NAMES = b"Date Server Set-Cookie X-A Connection Keep-Alive X-Minimesh-A Upgrade Vary".split()
VALUES = [b"a", b"close", b"keep-alive", b"X-A", b"timeout=9", b"", b"\xe4", b"x, y"]
FIELD = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES))
STATUS = st.sampled_from([b"200 OK", b"204 No Content", b"304 Not Modified", b"404 Not Found", b"500", b"299 "])
INTERIM = st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"])
ODD = st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b"\t", b"\x1b", b"\xff", b"0", b"1", b",", b"9"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(FIELD, max_size=4))
    body = draw(st.binary(max_size=30))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    if framing == "length":
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        fields.append((b"Transfer-Encoding", b"chunked"))
        trailers = b"".join(b"%b: %b\r\n" % field for field in draw(st.lists(FIELD, max_size=2)))
        body = (b"%x;e\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n" + trailers + b"\r\n"
    lines = [b"%b: %b" % field for field in fields]
    version = draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 "]))
    return draw(INTERIM) + b"\r\n".join((version + draw(STATUS), *lines, b"", body))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = draw(answers())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(ODD | st.just(b"")) + data[start + draw(st.sampled_from([0, 0, 1, 5])) :]
    return data


ANY = answers() | mutated()
METHODS = st.sampled_from([b"GET", b"GET", b"POST", b"HEAD"])


def outcome(codec: Codec, method: bytes, pieces: list[bytes]) -> tuple[object, ...]:
    """What is heard until the endpoint closes. Of a broken answer, only that it is broken."""
    harness = ClientHarness(codec)
    heard = harness.ask(method)
    for piece in pieces:
        harness.transport.feed(piece)
    kept = harness.kept
    harness.transport.end()
    assert heard.ended or heard.cut, "neither ended nor cut"
    return (heard.summary(), kept) if heard.ended else (heard.cut,)


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if start != end]


@given(ANY, METHODS, st.lists(st.integers(0, 10_000), max_size=4))
@settings(max_examples=200)
def test_neither_codec_cares_how_bytes_arrive(data: bytes, method: bytes, cuts: list[int]) -> None:
    for codec in CODECS.values():
        whole = outcome(codec, method, [data])
        bytewise = outcome(codec, method, [data[place : place + 1] for place in range(len(data))])
        if len(whole) == 2 and not whole[1]:
            # What follows an answer is dropped with the connection, when it comes with the answer and when after it.
            assert bytewise[0] == whole[0]
        else:
            assert bytewise == whole
            assert outcome(codec, method, cut_at(data, cuts)) == whole


@given(ANY, METHODS)
@settings(max_examples=400)
def test_both_codecs_understand_the_same(data: bytes, method: bytes) -> None:
    assert outcome(FAST, method, [data]) == outcome(REFERENCE, method, [data])


PIECES = st.lists(st.binary(max_size=40), max_size=5)
TRAILERS = st.none() | st.just(Fields(((b"sum", b"1"),)))


@given(PIECES, TRAILERS, st.sampled_from([*CODECS.values()]), st.sampled_from([*CODECS.values()]))
def test_a_body_comes_out_as_it_went_in(
    pieces: list[bytes], trailers: Fields | None, sender: Codec, receiver: Codec
) -> None:
    """From one codec's client to the other's server, in chunks."""
    client, server = ClientHarness(sender), ServerHarness(receiver)
    client.ask(b"POST", length=UNKNOWN, end=False)
    for piece in pieces:
        client.connection.send_data(piece)
    client.connection.send_end(trailers)
    server.transport.feed(client.transport.sent, 7)
    assert server.last.body == b"".join(pieces)
    assert server.last.trailers == trailers
    assert server.last.head.traceparent != b""
