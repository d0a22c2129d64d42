"""Requests that must be refused, and with which status; requests that must be understood, and how."""

from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import UNKNOWN
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.harness import ServerHarness

_POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def _get(target: bytes = b"/", version: bytes = b"HTTP/1.1", method: bytes = b"GET") -> bytes:
    return b"%b %b %b\r\nHost: a\r\n\r\n" % (method, target, version)


def _with(*lines: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + b"\r\n".join((*lines, b"", b""))


def _post(*lines: bytes) -> bytes:
    return _POST + b"\r\n".join((*lines, b"", b""))


_REFUSED: dict[str, tuple[bytes, int]] = {
    # --- how the body is framed
    "two lengths that differ": (_post(b"Content-Length: 1", b"Content-Length: 2") + b"xx", 400),
    "two lengths that agree": (_post(b"Content-Length: 1", b"content-length: 1") + b"x", 400),
    "a list of lengths": (_post(b"Content-Length: 1, 1") + b"x", 400),
    "length and chunked": (_post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "chunked and length": (_post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (_post(b"Transfer-Encoding: chunked").replace(b"1.1", b"1.0") + b"0\r\n\r\n", 400),
    "chunked twice": (_post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "gzip and chunked": (_post(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 400),
    "chunked and gzip": (_post(b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n", 400),
    "an empty member before chunked": (_post(b"Transfer-Encoding: ,chunked") + b"0\r\n\r\n", 400),
    "nearly chunked": (_post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", 400),
    "chunked with a parameter": (_post(b"Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n", 400),
    "an empty coding": (_post(b"Transfer-Encoding:") + b"0\r\n\r\n", 400),
    "an unknown coding": (_post(b"Transfer-Encoding: gzip"), 501),
    "identity": (_post(b"Transfer-Encoding: identity"), 501),
    **{
        f"a length of {text!r}": (_post(b"Content-Length: " + text) + b"x" * 10, 400)
        for text in (b"+1", b"-1", b"0x1", b"1_0", b"1 1", b"", b"1.0", b"1e1", b"9" * 19, b"\xb2", b"1;")
    },
    **{
        f"a chunk size of {text!r}": (_CHUNKED + text + b"\r\nx\r\n0\r\n\r\n", 400)
        for text in (
            *(b"+1", b"-1", b"0x1", b"1_0", b"1 ", b" 1", b"", b"g", b"1g", b"1\t", b"1 ;a", b"1,1", b"\xb2"),
            *(b"0" * 15 + b"1", b"8000000000000000", b"1;\0", b"1;a\rb", b"1;a\nb", b"1\r"),
        )
    },
    "a bare LF behind a chunk's size": (_CHUNKED + b"1\nx\r\n0\r\n\r\n", 400),
    "a chunk line without end": (_CHUNKED + b"1;" + b"x" * 25_000, 400),
    "a chunk line over 4 KiB": (_CHUNKED + b"1;" + b"x" * 5_000 + b"\r\nx\r\n0\r\n\r\n", 400),
    "a chunk longer than it says": (_CHUNKED + b"1\r\nxy\r\n0\r\n\r\n", 400),
    "a chunk followed by LF": (_CHUNKED + b"1\r\nx\n0\r\n\r\n", 400),
    "a chunk followed by CR and more": (_CHUNKED + b"1\r\nx\rx0\r\n\r\n", 400),
    "a trailer with a bare LF": (_CHUNKED + b"0\r\na: b\nc: d\r\n\r\n", 400),
    "a trailer that is folded": (_CHUNKED + b"0\r\na: b\r\n c\r\n\r\n", 400),
    "a trailer with a lone CR": (_CHUNKED + b"0\r\na: b\rc\r\n\r\n", 400),
    "a trailer with a NUL": (_CHUNKED + b"0\r\na: \0\r\n\r\n", 400),
    "a trailer with no colon": (_CHUNKED + b"0\r\nab\r\n\r\n", 400),
    "a trailer that is a length": (_CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    "a trailer that is a coding": (_CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "101 trailers": (_CHUNKED + b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n", 400),
    "trailers without end": (_CHUNKED + b"0\r\n" + b"a: " + b"b" * 40_000, 400),
    # --- Host
    "no Host": (_with(b"Accept: */*"), 400),
    "two Hosts": (_with(b"Host: a", b"Host: a"), 400),
    **{
        f"a Host of {text!r}": (_with(b"Host: " + text), 400)
        for text in (b"a,b", b"a/b", b"a b", b"u@a", b"a\0b", b"", b"[::1", b"a:b", b"a:123456", b"a?", b"a#b", b"\xe4")
    },
    # --- fields
    "a space before the colon": (_with(b"Host: a", b"X : y"), 400),
    "a tab before the colon": (_with(b"Host: a", b"X\t: y"), 400),
    "no colon": (_with(b"Host: a", b"X"), 400),
    "an empty name": (_with(b"Host: a", b": y"), 400),
    "a folded field": (_with(b"Host: a", b"X: y", b" z"), 400),
    "a fold in the first field": (_with(b" X: y", b"Host: a"), 400),
    **{f"a value with {byte!r}": (_with(b"Host: a", b"X: y" + byte + b"z"), 400) for byte in (b"\0", b"\r", b"\n")},
    **{f"a value with {byte!r}": (_with(b"Host: a", b"X: y" + byte + b"z"), 400) for byte in (b"\x1b", b"\x7f")},
    **{
        f"a name with {byte!r}": (_with(b"Host: a", b"X" + byte + b": z"), 400) for byte in (b"(", b"\xe4", b"\0", b"/")
    },
    # --- the request line
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "two spaces": (_get(b" /"), 400),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a space at the end": (_get(version=b"HTTP/1.1 "), 400),
    "http in lower case": (_get(version=b"http/1.1"), 400),
    "HTTP/1.10": (_get(version=b"HTTP/1.10"), 400),
    "HTTP/1.2": (_get(version=b"HTTP/1.2"), 505),
    "HTTP/2.0": (_get(version=b"HTTP/2.0"), 505),
    "a method with a bracket": (_get(method=b"G(T"), 400),
    "CONNECT": (_get(b"a:1", method=b"CONNECT"), 405),
    "TRACE": (_get(method=b"TRACE"), 405),
    "GET *": (_get(b"*"), 400),
    "an authority as target": (_get(b"a:1"), 400),
    "https as target": (_get(b"https://a/"), 400),
    "userinfo in the target": (_get(b"http://u@a/"), 400),
    "no authority in the target": (_get(b"http:///"), 400),
    "a control character in the target": (_get(b"/\x01"), 400),
    "a high byte in the target": (_get(b"/\xe4"), 400),
    **{
        f"a path of {path.decode()}": (_get(path), 400)
        for path in (b"/../x", b"/a/../../x", b"/%2e%2e/x", b"/%00", b"/a#b", b"/%zz", b"/%", b"/%4", b"/a/%2e%2e/..")
    },
    "a bare LF behind the line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LFs": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a space first": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "another expectation": (_with(b"Host: a", b"Expect: 200-ok"), 417),
    "many empty lines": (b"\r\n" * 3 + _get(), 400),
    # --- limits
    "101 fields": (_with(b"Host: a", *[b"X: y"] * 100), 431),
    "a head of 64 KiB and more": (_with(b"Host: a", *[b"X: " + b"y" * 8_000] * 9), 431),
    "a head that does not end": (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 70_000, 431),
    "a target over 8 KiB": (_get(b"/" + b"x" * 8_192), 414),
    "a target that does not end": (b"GET /" + b"x" * 9_000, 414),
}


def _check_refused(sent: bytes, status: int, size: int, codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(sent, size)
    harness.transport.feed(_NEXT, size)
    answer = harness.transport.sent
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1, "the next request was answered"
    assert harness.transport.ended, "the connection is still open"
    assert not any(seen.ended for seen in harness.seen), "it was taken for a whole request"
    assert all(seen.head.path != b"/next" for seen in harness.seen)
    harness.transport.end()
    assert not harness.open


_HEAD = b"GET /a?b=c HTTP/1.1\r\nHost: a.test:80\r\n"
_UNDERSTOOD: dict[str, tuple[bytes, dict[str, object]]] = {
    "the plainest": (_HEAD + b"\r\n", {"method": b"GET", "target": b"/a?b=c", "authority": b"a.test:80"}),
    "an unknown method": (_get(method=b"M-SEARCH!"), {"method": b"M-SEARCH!"}),
    "HTTP/1.0 without Host": (b"GET / HTTP/1.0\r\n\r\n", {"authority": b""}),
    "an IPv6 Host": (_with(b"Host: [::1]:8080"), {"authority": b"[::1]:8080"}),
    "a Host in capitals": (_with(b"HOST: A.Test"), {"authority": b"a.test"}),
    "absolute form": (_get(b"http://B.test/x?y"), {"authority": b"b.test", "target": b"/x?y"}),
    "absolute form without a path": (_get(b"http://b"), {"authority": b"b", "target": b"/"}),
    "absolute form with a query alone": (_get(b"http://b?x"), {"authority": b"b", "target": b"/?x"}),
    "OPTIONS *": (_get(b"*", method=b"OPTIONS"), {"target": b"*"}),
    "one canonical path": (_get(b"/a//b/./c/../%64?x=//%2e"), {"target": b"/a/b/d?x=//%2e"}),
    "an escaped slash stays": (_get(b"/a%2fb"), {"target": b"/a%2Fb"}),
    "an empty line before it": (b"\r\n" + _get(b"/x"), {"target": b"/x"}),
    "fields in their order": (
        _with(b"Host: a", b"Accept: x", b"Cookie: 1", b"accept: \t y\t ", b"X:"),
        {"fields": [(b"accept", b"x"), (b"accept", b"y"), (b"cookie", b"1"), (b"x", b"")]},
    ),
    "a value with obs-text": (_with(b"Host: a", b"X: \xe4\tb"), {"fields": [(b"x", b"\xe4\tb")]}),
    "hop-by-hop fields go": (
        _with(b"Host: a", b"Connection: keep-alive, X-Own", b"X-Own: 1", b"Keep-Alive: timeout=9", b"X-End: 2"),
        {"fields": [(b"x-end", b"2")]},
    ),
    "Connection may not take the framing": (
        _post(b"Connection: Host, Content-Length, Authorization", b"Content-Length: 2", b"Authorization: x") + b"hi",
        {"authority": b"a", "length": 2, "body": b"hi", "fields": [(b"content-length", b"2")]},
    ),
    "proxy fields go": (
        _with(b"Host: a", b"Proxy-Connection: x", b"Proxy-Authorization: y", b"HTTP2-Settings: z"),
        {"fields": []},
    ),
    "what is ours may not be forged": (
        _with(b"Host: a", b"X-Minimesh-Endpoint: x", b"X-Forwarded-Client-Cert: y", b"x-minimesh-a: z"),
        {"fields": []},
    ),
    "nor what a program takes for it": (
        _with(b"Host: a", b"X_Minimesh_Endpoint: x", b"X-Forwarded_Client_Cert: y", b"x_forwarded_for: z", b"x_a: b"),
        {"fields": [(b"x_a", b"b")]},
    ),
    "forwarded fields are apart": (
        _with(b"Host: a", b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=x", b"X-Real-IP: y"),
        {"fields": [], "forwarded": [(b"forwarded", b"for=x"), (b"x-forwarded-for", b"1.2.3.4"), (b"x-real-ip", b"y")]},
    ),
    "TE": (_with(b"Host: a", b"TE: gzip, Trailers"), {"fields": [(b"te", b"trailers")], "trailers": True}),
    "TE in two lines": (_with(b"Host: a", b"TE: trailers", b"TE: gzip"), {"trailers": True}),
    "TE without trailers": (_with(b"Host: a", b"TE: gzip"), {"fields": [], "trailers": False}),
    "a request id": (_with(b"Host: a", b"X-Request-ID: mine"), {"request_id": b"mine", "fields": []}),
    "a bad request id": (_with(b"Host: a", b"X-Request-ID: a b"), {"request_id": b""}),
    "a trace context": (
        _with(b"Host: a", b"traceparent: 00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"),
        {"traceparent": b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"},
    ),
    "a trace of zeros": (
        _with(b"Host: a", b"traceparent: 00-" + b"0" * 32 + b"-" + b"2" * 16 + b"-01"),
        {"traceparent": b""},
    ),
    "a cross-site page": (_with(b"Host: a", b"Sec-Fetch-Site: cross-site"), {"cross_site": True}),
    "a page that says both": (
        _with(b"Host: a", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: none"),
        {"cross_site": True},
    ),
    "the same site's page": (_with(b"Host: a", b"Sec-Fetch-Site: same-origin"), {"cross_site": False}),
    "a fixed body": (_post(b"Content-Length: 5") + b"hello", {"length": 5, "body": b"hello"}),
    "a length of many digits": (
        _post(b"Content-Length: 000000000000000005") + b"hello",
        {"length": 5, "body": b"hello"},
    ),
    "no body": (_post(b"Content-Length: 0"), {"length": 0, "body": b""}),
    "chunks": (
        _CHUNKED + b"5\r\nhello\r\n1;a=b\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\n",
        {"length": UNKNOWN, "body": b"hello 0123456789"},
    ),
    "no chunks": (_CHUNKED + b"0\r\n\r\n", {"length": UNKNOWN, "body": b""}),
    "chunks in capitals": (_post(b"Transfer-Encoding: Chunked") + b"1\r\nx\r\n0\r\n\r\n", {"body": b"x"}),
    "trailers": (
        _CHUNKED + b"1\r\nx\r\n0\r\nA: b\r\nAuthorization: x\r\nHost: b\r\nX-Minimesh-A: c\r\n\r\n",
        {"body": b"x", "end_trailers": [(b"a", b"b")]},
    ),
    "trailers that all go": (_CHUNKED + b"0\r\nHost: b\r\n\r\n", {"body": b"", "end_trailers": None}),
    "a WebSocket handshake": (
        _with(b"Host: a", b"Connection: Upgrade", b"Upgrade: WebSocket"),
        {"upgrade": b"websocket"},
    ),
    "an upgrade that Connection does not list": (
        _with(b"Host: a", b"Upgrade: websocket"),
        {"upgrade": b"", "fields": []},
    ),
    "an unknown upgrade": (
        _with(b"Host: a", b"Connection: upgrade, http2-settings", b"Upgrade: h2c", b"HTTP2-Settings: x"),
        {"upgrade": b"", "fields": []},
    ),
    "a handshake with a body": (
        _post(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 2") + b"hi",
        {"upgrade": b"", "body": b"hi"},
    ),
    "an expectation": (_post(b"Expect: 100-Continue", b"Content-Length: 2") + b"hi", {"expects_continue": True}),
    "an expectation in HTTP/1.0": (
        _post(b"Expect: 100-continue", b"Content-Length: 2").replace(b"1.1", b"1.0") + b"hi",
        {"expects_continue": False},
    ),
    "100 fields": (_with(b"Host: a", *[b"X: y"] * 99), {"method": b"GET"}),
    "a target of 8 KiB": (_get(b"/" + b"x" * 8_191), {"target": b"/" + b"x" * 8_191}),
}


def _check_understood(sent: bytes, expected: dict[str, object], size: int, codec: Codec) -> None:
    harness = ServerHarness(codec)
    harness.transport.feed(sent, size)
    seen = harness.last
    head = seen.head
    found = {
        "method": head.method,
        "target": head.target,
        "authority": head.authority,
        "fields": sorted(head.fields.pairs),
        "forwarded": sorted(head.forwarded.pairs),
        "length": head.length,
        "upgrade": head.upgrade,
        "expects_continue": head.expects_continue,
        "request_id": head.request_id,
        "traceparent": head.traceparent,
        "cross_site": head.cross_site,
        "trailers": head.trailers,
        "body": seen.body,
        "end_trailers": None if seen.trailers is None else list(seen.trailers.pairs),
    }
    assert {name: found[name] for name in expected} == expected
    assert seen.ended or head.upgrade
    assert len(harness.seen) == 1
    if b"HTTP/1.0" not in sent:
        # It knows where the request ended: the next one is seen as well.
        harness.transport.feed(_NEXT, size)
        assert harness.last.head.target == b"/next"


_SIZES = {"whole": 0, "byte by byte": 1}

REQUEST_CASES = tuple(
    Case(f"refuses {name}, {way}", partial(_check_refused, sent, status, size))
    for name, (sent, status) in _REFUSED.items()
    for way, size in _SIZES.items()
    if size == 0 or len(sent) < 2_000
) + tuple(
    Case(f"understands {name}, {way}", partial(_check_understood, sent, expected, size))
    for name, (sent, expected) in _UNDERSTOOD.items()
    for way, size in _SIZES.items()
    if size == 0 or len(sent) < 2_000
)
