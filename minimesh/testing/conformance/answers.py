"""Answers of a service that must be refused, and answers that must be understood, and how."""

from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import UNKNOWN
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import UPSTREAM_PROTOCOL
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.harness import ClientHarness

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _ok(*lines: bytes) -> bytes:
    return _OK + b"\r\n".join((*lines, b"", b""))


_REFUSED: dict[str, bytes] = {
    "garbage": b"\x16\x03\x01\x02\x00",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Odd\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Odd\r\n\r\n",
    "status 600": b"HTTP/1.1 600 Odd\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 Odd\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "a control character in the reason": b"HTTP/1.1 200 O\x1bK\r\n\r\n",
    "a lone CR in the reason": b"HTTP/1.1 200 O\rK\r\n\r\n",
    "bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a bare LF": b"HTTP/1.1 200 OK\r\nContent-Length: 0\nX: y\r\n\r\n",
    "two lengths that differ": _ok(b"Content-Length: 1", b"Content-Length: 2") + b"xx",
    "two lengths that agree": _ok(b"Content-Length: 1", b"Content-Length: 1") + b"x",
    "a list of lengths": _ok(b"Content-Length: 1, 1") + b"x",
    "length and chunked": _ok(b"Content-Length: 1", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked in HTTP/1.0": _CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
    "an unknown coding": _ok(b"Transfer-Encoding: gzip"),
    "gzip and chunked": _ok(b"Transfer-Encoding: gzip, chunked"),
    "chunked twice": _ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    **{
        f"a length of {text!r}": _ok(b"Content-Length: " + text) + b"x"
        for text in (b"+1", b"-1", b"0x1", b"", b"1 1", b"9" * 19)
    },
    **{
        f"a chunk size of {text!r}": _CHUNKED + text + b"\r\nx\r\n0\r\n\r\n"
        for text in (
            b"+1",
            b"-1",
            b"0x1",
            b"",
            b"g",
            b"1 ",
            b" 1",
            b"8000000000000000",
            b"1;a\rb",
        )
    },
    "a chunk line without end": _CHUNKED + b"1;" + b"x" * 25_000,
    "a chunk longer than it says": _CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    "a trailer with a bare LF": _CHUNKED + b"0\r\na: b\nc: d\r\n\r\n",
    "a trailer that is a coding": _CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a folded field": _ok(b"X: y", b" z"),
    "a space before the colon": _ok(b"X : y"),
    "no colon": _ok(b"X"),
    "an empty name": _ok(b": y"),
    "a NUL in a value": _ok(b"X: \0"),
    "a lone CR in a value": _ok(b"X: a\rb"),
    "a switch that nobody asked for": b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "257 fields": _ok(*[b"X: y"] * 257),
    "a head of 64 KiB and more": _ok(*[b"X: " + b"y" * 8_000] * 9),
    "a head that does not end": _OK + b"X: " + b"y" * 70_000,
    "interim answers without end": b"HTTP/1.1 100 Go on\r\n\r\n" * 21,
}


def _check_refused(sent: bytes, size: int, codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.transport.feed(sent, size)
    assert heard.cut is UPSTREAM_PROTOCOL, f"heard {heard.summary()}"
    assert heard.fate is Fate.UNKNOWN
    assert not heard.ended, "it was taken for a whole answer"
    assert harness.gone, "the connection is still there"
    assert not harness.kept


_UNDERSTOOD: dict[str, tuple[bytes, dict[str, object]]] = {
    "a fixed body": (
        _ok(b"Content-Length: 5") + b"hello",
        {
            "status": 200,
            "reason": b"OK",
            "length": 5,
            "body": b"hello",
            "fields": [(b"content-length", b"5")],
            "kept": True,
        },
    ),
    "no body": (_ok(b"Content-Length: 0"), {"length": 0, "body": b"", "kept": True}),
    "chunks": (
        _CHUNKED + b"5;x=y\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n",
        {"length": UNKNOWN, "body": b"hello0123456789", "fields": [], "kept": True},
    ),
    "trailers": (
        _CHUNKED + b"1\r\nx\r\n0\r\nSum: 42\r\nSet-Cookie: no\r\n\r\n",
        {"body": b"x", "end_trailers": [(b"sum", b"42")], "kept": True},
    ),
    "no reason phrase": (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", {"reason": b""}),
    "no space either": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", {"reason": b""}),
    "204": (b"HTTP/1.1 204 No\r\n\r\n", {"length": 0, "body": b"", "kept": True}),
    "204 with a length": (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", {"length": 0, "fields": [], "kept": True}),
    "304 with a length": (
        b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
        {"length": 0, "fields": [(b"content-length", b"5")], "kept": True},
    ),
    "close": (
        _ok(b"Connection: close", b"Content-Length: 1") + b"x",
        {"body": b"x", "fields": [(b"content-length", b"1")], "kept": False},
    ),
    "HTTP/1.0": (_ok(b"Content-Length: 1").replace(b"1.1", b"1.0") + b"x", {"body": b"x", "kept": False}),
    "HTTP/1.0 that keeps": (
        _ok(b"Content-Length: 1", b"Connection: Keep-Alive").replace(b"1.1", b"1.0") + b"x",
        {"body": b"x", "kept": True},
    ),
    "hop-by-hop fields go": (
        _ok(
            b"Content-Length: 0",
            b"Connection: X-Own",
            b"X-Own: 1",
            b"Keep-Alive: timeout=5",
            b"X-End: 2",
            b"Upgrade: h2c",
        ),
        {"fields": [(b"content-length", b"0"), (b"x-end", b"2")]},
    ),
    "Connection may not take the length": (
        _ok(b"Content-Length: 1", b"Connection: Content-Length") + b"x",
        {"fields": [(b"content-length", b"1")], "body": b"x"},
    ),
    "what is ours may not be forged": (
        _ok(b"Content-Length: 0", b"X-Minimesh-Reason: x"),
        {"fields": [(b"content-length", b"0")]},
    ),
    "two cookies": (
        _ok(b"Content-Length: 0", b"Set-Cookie: a", b"Set-Cookie: b"),
        {"fields": [(b"content-length", b"0"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]},
    ),
    "interim answers": (
        b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Soon\r\nLink: x\r\n\r\n" + _ok(b"Content-Length: 1") + b"x",
        {"informational": [100, 103], "status": 200, "body": b"x", "kept": True},
    ),
    "twenty interim answers": (
        b"HTTP/1.1 102 Busy\r\n\r\n" * 20 + _ok(b"Content-Length: 0"),
        {"informational": [102] * 20, "status": 200},
    ),
    "256 fields": (_ok(b"Content-Length: 0", *[b"X: y"] * 255), {"status": 200}),
}


def _check_understood(sent: bytes, expected: dict[str, object], size: int, codec: Codec) -> None:
    harness = ClientHarness(codec)
    heard = harness.ask()
    harness.transport.feed(sent, size)
    assert heard.cut is None
    assert heard.ended
    head = heard.head
    assert head is not None
    found = {
        "status": head.status,
        "reason": head.reason,
        "length": head.length,
        "fields": sorted(head.fields.pairs),
        "body": heard.body,
        "informational": heard.informational,
        "end_trailers": None if heard.trailers is None else list(heard.trailers.pairs),
        "kept": harness.kept,
    }
    assert {name: found[name] for name in expected} == expected


_SIZES = {"whole": 0, "byte by byte": 1}

ANSWER_CASES = tuple(
    Case(f"refuses an answer: {name}, {way}", partial(_check_refused, sent, size))
    for name, sent in _REFUSED.items()
    for way, size in _SIZES.items()
    if size == 0 or len(sent) < 2_000
) + tuple(
    Case(f"understands an answer: {name}, {way}", partial(_check_understood, sent, expected, size))
    for name, (sent, expected) in _UNDERSTOOD.items()
    for way, size in _SIZES.items()
    if size == 0 or len(sent) < 2_000
)
