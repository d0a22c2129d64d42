"""Requests of HTTP/2 that must be refused, and how; requests that must be understood, and as what."""

from collections.abc import Callable, Iterator
from functools import partial

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import UNKNOWN
from minimesh.testing.conformance.case import Case
from minimesh.testing.conformance.harness import by_name
from minimesh.testing.conformance.http2.harness import GREETING, SETTLED, Caller
from minimesh.testing.conformance.http2.wire import (
    COMMON,
    END_HEADERS,
    END_STREAM,
    Pairs,
    block,
    data,
    frame,
    headers,
    request,
    trailers,
)

_METHOD, _SCHEME, _PATH, _AUTHORITY = (
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":path", b"/"),
    (b":authority", b"a"),
)
_TUNNEL = ((b":method", b"CONNECT"), (b":protocol", b"websocket"), _SCHEME, _PATH, _AUTHORITY)


def _head(*fields: tuple[bytes, bytes]) -> Pairs:
    return (_METHOD, _SCHEME, _PATH, _AUTHORITY, *fields)


_MALFORMED: dict[str, Pairs] = {
    # --- RFC 9113, section 8.2: fields
    "a name with upper case": _head((b"X-Test", b"a")),
    **{
        f"a name with {character!r}": _head((b"x" + character + b"y", b"a"))
        for character in (b"\0", b"\r", b"\n", b" ", b"\t", b":", b"\x7f", b"\x80", b"(", b'"', b"/")
    },
    "an empty name": _head((b"", b"a")),
    "a lone colon": _head((b":", b"a")),
    **{
        f"a value of {value!r}": _head((b"x-a", value))
        for value in (b"a\0b", b"a\rb", b"a\nb", b"a\r\nb: c", b" a", b"a ", b"\ta", b"a\t", b"\x7f", b"\x1b")
    },
    **{
        f"the field {name.decode()}": _head((name, value))
        for name, value in (
            *((b"connection", b"x"), (b"proxy-connection", b"keep-alive"), (b"keep-alive", b"timeout=5")),
            *((b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c")),
        )
    },
    "te that is not trailers": _head((b"te", b"gzip")),
    "te that is more than trailers": _head((b"te", b"trailers, deflate")),
    # --- section 8.3: pseudo-fields
    "an unknown pseudo-field": (_METHOD, _SCHEME, _PATH, _AUTHORITY, (b":test", b"ok")),
    "a pseudo-field of answers": (_METHOD, _SCHEME, _PATH, _AUTHORITY, (b":status", b"200")),
    "a pseudo-field behind the fields": (_METHOD, _SCHEME, _PATH, (b"x-a", b"b"), _AUTHORITY),
    "a pseudo-field behind a field that is dropped": (_METHOD, _SCHEME, _PATH, (b"x-minimesh-a", b"b"), _AUTHORITY),
    "no method": (_SCHEME, _PATH, _AUTHORITY),
    "no scheme": (_METHOD, _PATH, _AUTHORITY),
    "no path": (_METHOD, _SCHEME, _AUTHORITY),
    "nothing at all": (),
    "two methods": (_METHOD, _METHOD, _SCHEME, _PATH, _AUTHORITY),
    "two schemes": (_METHOD, _SCHEME, _SCHEME, _PATH, _AUTHORITY),
    "two paths": (_METHOD, _SCHEME, _PATH, _PATH, _AUTHORITY),
    "two paths that differ": (_METHOD, _SCHEME, (b":path", b"/index.html"), (b":path", b"/b"), _AUTHORITY),
    "two authorities": (_METHOD, _SCHEME, _PATH, _AUTHORITY, _AUTHORITY),
    **{
        f"the method {method!r}": ((b":method", method), _SCHEME, _PATH, _AUTHORITY)
        for method in (b"", b"G T", b"GET\r\n", b"G\0T", b"GET/")
    },
    **{
        f"the scheme {scheme!r}": (_METHOD, (b":scheme", scheme), _PATH, _AUTHORITY)
        for scheme in (b"", b"ftp", b"http://a/?", b"HTTP")
    },
    **{
        f"the path {path!r}": (_METHOD, _SCHEME, (b":path", path), _AUTHORITY)
        for path in (
            *(b"", b"a", b"*", b"http://a/", b"/a b", b"/\0", b"/%00", b"/a#b", b"/../a", b"/%2e%2e/", b"/a\r\nb"),
            *(b"/\x7f", b"//../..", b"/%"),
        )
    },
    **{
        f"the authority {said!r}": (_METHOD, _SCHEME, _PATH, (b":authority", said))
        for said in (b"", b"a b", b"a/b", b"user@a", b"a,b", b"a\0", b"a:b", b"a:1:2", b"[::1", b"a\r\nb")
    },
    "a host that is not the authority": _head((b"host", b"b")),
    "two hosts": (_METHOD, _SCHEME, _PATH, (b"host", b"a"), (b"host", b"a")),
    "a host that is none": (_METHOD, _SCHEME, _PATH, (b"host", b"a, b")),
    "a protocol without CONNECT": (_METHOD, (b":protocol", b"websocket"), _SCHEME, _PATH, _AUTHORITY),
    # --- lengths
    **{
        f"a length of {text!r}": _head((b"content-length", text))
        for text in (b"+0", b"-0", b"0x0", b"", b"0, 0", b"0_0", b"1" + b"0" * 18, b"\xb2")
    },
    "two lengths": _head((b"content-length", b"0"), (b"content-length", b"0")),
}

_REFUSED: dict[str, tuple[Pairs, int]] = {
    "CONNECT": (((b":method", b"CONNECT"), _AUTHORITY), 405),
    "CONNECT for another protocol": ((_TUNNEL[0], (b":protocol", b"connect-udp"), *_TUNNEL[2:]), 405),
    "TRACE": (((b":method", b"TRACE"), _SCHEME, _PATH, _AUTHORITY), 405),
    "an unknown expectation": (_head((b"expect", b"more")), 417),
    "a target over 8 KiB": ((_METHOD, _SCHEME, (b":path", b"/" + b"x" * 8192), _AUTHORITY), 414),
    "101 fields": (_head(*[(b"a", b"b")] * 97), 431),
    "a head over 64 KiB": (_head(*[(b"a", b"b" * 695)] * 92), 431),
    "a cookie in 101 crumbs": (_head(*[(b"cookie", b"a=b")] * 97), 431),
}

_NOT_PASSED_ON = (
    *(b"x-minimesh-a", b"x_minimesh_a", b"x-forwarded-client-cert", b"x-forwarded_client_cert"),
    *(b"http2-settings", b"proxy-authorization"),
)

_DEFAULT: dict[str, object] = {
    "method": b"GET",
    "target": b"/",
    "authority": b"a",
    "fields": [],
    "length": 0,
    "upgrade": b"",
    "expects_continue": False,
    "request_id": b"",
    "forwarded": [],
    "trailers": False,
    "grpc": False,
    "timeout": None,
}

_UNDERSTOOD: dict[str, tuple[Pairs, dict[str, object]]] = {
    "the plainest": (_head(), {}),
    "no authority": ((_METHOD, _SCHEME, _PATH), {"authority": b""}),
    "a host instead": ((_METHOD, _SCHEME, _PATH, (b"host", b"b:80")), {"authority": b"b:80"}),
    "a host that says the same": (_head((b"host", b"a")), {}),
    "https": ((_METHOD, (b":scheme", b"https"), _PATH, _AUTHORITY), {}),
    "pseudo-fields in another order": ((_AUTHORITY, _PATH, _SCHEME, _METHOD), {}),
    "the path of the table": ((_METHOD, _SCHEME, (b":path", b"/index.html"), _AUTHORITY), {"target": b"/index.html"}),
    "a path to make canonical": (
        (_METHOD, _SCHEME, (b":path", b"//a/./b/../%41?q=/../"), _AUTHORITY),
        {"target": b"/a/A?q=/../"},
    ),
    "all of the server": (
        ((b":method", b"OPTIONS"), _SCHEME, (b":path", b"*"), _AUTHORITY),
        {"method": b"OPTIONS", "target": b"*"},
    ),
    "any method": (((b":method", b"PROPFIND"), _SCHEME, _PATH, _AUTHORITY), {"method": b"PROPFIND"}),
    "fields as they are": (
        _head((b"accept", b"*/*"), (b"x-a", b""), (b"x-a", b"\xe4\t ;"), (b"accept", b"a")),
        {"fields": [(b"accept", b"*/*"), (b"accept", b"a"), (b"x-a", b""), (b"x-a", b"\xe4\t ;")]},
    ),
    "crumbs of a cookie": (_head((b"cookie", b"a=b"), (b"cookie", b"c=d")), {"fields": [(b"cookie", b"a=b; c=d")]}),
    "fields that are not passed on": (
        _head(
            (b"x-minimesh-a", b"b"),
            (b"x_minimesh_a", b"b"),
            (b"x-forwarded_client_cert", b"me"),
            (b"x-forwarded-client-cert", b"me"),
            (b"http2-settings", b"x"),
            (b"proxy-authorization", b"y"),
        ),
        {},
    ),
    "forwarded fields apart": (
        _head((b"x-forwarded-for", b"1.2.3.4")),
        {"forwarded": [(b"x-forwarded-for", b"1.2.3.4")]},
    ),
    "trailers are welcome": (_head((b"te", b"trailers")), {"fields": [(b"te", b"trailers")], "trailers": True}),
    "an identity": (_head((b"x-request-id", b"abc")), {"request_id": b"abc"}),
    "an expectation": (_head((b"expect", b"100-continue")), {"expects_continue": True}),
    "a length of nothing": (_head((b"content-length", b"0")), {"fields": [(b"content-length", b"0")]}),
    "a call of gRPC": (
        _head((b"content-type", b"application/grpc+proto"), (b"grpc-timeout", b"20m")),
        {
            "fields": [(b"content-type", b"application/grpc+proto"), (b"grpc-timeout", b"20m")],
            "grpc": True,
            "timeout": 0.02,
        },
    ),
    "a deadline that is none": (_head((b"grpc-timeout", b"1x")), {"fields": [(b"grpc-timeout", b"1x")]}),
    "a secret": (_head((b"authorization", b"me")), {"fields": [(b"authorization", b"me")]}),
    "100 fields": (_head(*[(b"a", b"b")] * 96), {"fields": [(b"a", b"b")] * 96}),
}

_OPEN = request(3, end=False)
_PADDED, _HAS_PRIORITY = 0x8, 0x20

_BODIES: dict[str, tuple[bytes, tuple[int, bytes, object]]] = {
    "a body of unknown length": (
        _OPEN + data(3, b"hel") + data(3, b"lo", end=True),
        (UNKNOWN, b"hello", None),
    ),
    "a body in one piece": (_OPEN + data(3, b"hello", end=True), (UNKNOWN, b"hello", None)),
    "an empty body": (_OPEN + data(3, end=True), (UNKNOWN, b"", None)),
    "a body of known length": (
        request(3, (b"content-length", b"5"), end=False) + data(3, b"hello", end=True),
        (5, b"hello", None),
    ),
    "a body of known length, and an end apart": (
        request(3, (b"content-length", b"5"), end=False) + data(3, b"hello") + data(3, end=True),
        (5, b"hello", None),
    ),
    "no body, and an end apart": (
        request(3, (b"content-length", b"0"), end=False) + data(3, end=True),
        (0, b"", None),
    ),
    "trailers": (
        _OPEN + data(3, b"hello") + trailers(3, (b"sum", b"42")),
        (UNKNOWN, b"hello", [(b"sum", b"42")]),
    ),
    "trailers without a body": (
        _OPEN + trailers(3, (b"sum", b"42")),
        (UNKNOWN, b"", [(b"sum", b"42")]),
    ),
    "trailers that say nothing": (_OPEN + trailers(3), (UNKNOWN, b"", None)),
    "trailers that decide too late": (
        _OPEN
        + trailers(
            3,
            *((name, b"x") for name in (b"authorization", b"content-length", b"host", b"x-minimesh-a")),
            *((name, b"x") for name in (b"x-forwarded-for", b"forwarded", b"x-forwarded-client-cert", b"set-cookie")),
        ),
        (UNKNOWN, b"", None),
    ),
    "trailers with the length": (
        request(3, (b"content-length", b"5"), end=False) + data(3, b"hello") + trailers(3, (b"sum", b"42")),
        (5, b"hello", [(b"sum", b"42")]),
    ),
    "padding": (
        frame("HEADERS", END_HEADERS | _PADDED, 3, b"\3" + COMMON + bytes(3))
        + frame("DATA", _PADDED, 3, b"\xffhello" + bytes(255))
        + frame("DATA", _PADDED | END_STREAM, 3, b"\0"),
        (UNKNOWN, b"hello", None),
    ),
    "a priority": (
        frame("HEADERS", END_HEADERS | END_STREAM | _HAS_PRIORITY, 3, b"\0\0\0\x09\xff" + COMMON)
        + frame("PRIORITY", 0, 3, b"\0\0\0\x0b\1"),
        (0, b"", None),
    ),
    "padding and a priority": (
        frame(
            "HEADERS", END_HEADERS | END_STREAM | _HAS_PRIORITY | _PADDED, 3, b"\2\x80\0\0\x09\xff" + COMMON + bytes(2)
        ),
        (0, b"", None),
    ),
    "a head in many pieces": (
        frame("HEADERS", END_STREAM, 3)
        + b"".join(frame("CONTINUATION", 0, 3, COMMON[at : at + 2]) for at in range(0, len(COMMON), 2))
        + frame("CONTINUATION", END_HEADERS, 3),
        (0, b"", None),
    ),
    "unknown flags, reserved bits and frames": (
        frame("HEADERS", END_HEADERS | 0xD2, 3 | 1 << 31, COMMON)
        + b"\0\0\4\x77\xff\0\0\0\3abcd"
        + b"\0\0\0\xfa\0\0\0\0\0"
        + frame("DATA", END_STREAM | 0xF6, 3 | 1 << 31, b"hello"),
        (UNKNOWN, b"hello", None),
    ),
    "a priority of a stream that is idle": (frame("PRIORITY", 0, 99, bytes(4) + b"\1") + request(3), (0, b"", None)),
}


def _is_malformed(fields: Pairs, codec: Codec, step: int, end: bool, greeting: bytes) -> None:
    """Reset, told to nobody but the log, and the connection goes on."""
    caller = Caller(codec, step, greeting=greeting)
    before = len(caller.seen)
    caller.send(headers(3, block(fields), end))
    if end:
        assert caller.answers() == ["RST_STREAM 3 PROTOCOL_ERROR"]
    else:
        caller.send(data(3, b"hello", end=True))
        assert caller.answers() == ["RST_STREAM 3 PROTOCOL_ERROR"]
    assert len(caller.seen) == before
    assert [reason.code for reason in caller.refusals] == ["bad_request"]
    caller.send(request(5))
    assert len(caller.answers()) == 2


def _is_refused(fields: Pairs, status: int, codec: Codec, step: int, greeting: bytes) -> None:
    caller = Caller(codec, step, greeting=greeting)
    before = len(caller.seen)
    caller.send(headers(3, block(fields), False))
    head, body, *rest = caller.answers()
    assert head.startswith(f"HEADERS 3 :status={status} ")
    assert body.endswith(" end")
    assert rest == ["RST_STREAM 3 NO_ERROR"]
    assert len(caller.seen) == before
    caller.send(request(5))
    assert len(caller.answers()) == 2


def _is_understood(fields: Pairs, expected: dict[str, object], codec: Codec, step: int, greeting: bytes) -> None:
    """The second time as the first, whatever a codec remembers."""
    caller = Caller(codec, step, greeting=greeting)
    for number in (3, 5, 7):
        caller.send(headers(number, block(fields), True))
        head = caller.last.head
        for name, value in {**_DEFAULT, **expected}.items():
            said = getattr(head, name)
            assert (by_name(said) if name in ("fields", "forwarded") else said) == value, name
        assert caller.last.ended


def _has_the_body(sent: bytes, expected: tuple[int, bytes, object], codec: Codec, step: int) -> None:
    caller = Caller(codec, step)
    caller.send(sent)
    seen = caller.last
    assert seen.ended
    said = None if seen.trailers is None else by_name(seen.trailers)
    assert (seen.head.length, seen.body, said) == expected
    assert seen.cut is None
    assert caller.answers()[:1] == ["HEADERS 3 :status=200 content-length=5"]


def _cases() -> Iterator[Case]:
    check: Callable[[Codec], None]
    for step, greeting, how in ((0, GREETING, ""), (1, GREETING, ", byte by byte"), (0, SETTLED, ", settled")):
        for name, fields in _MALFORMED.items():
            for end, before in ((True, ""), (False, " before a body")):
                check = partial(_is_malformed, fields, step=step, greeting=greeting, end=end)
                yield Case(f"malformed{before}: {name}{how}", check)
        for name, (fields, status) in _REFUSED.items():
            yield Case(f"refused: {name}{how}", partial(_is_refused, fields, status, step=step, greeting=greeting))
        for name, (fields, expected) in _UNDERSTOOD.items():
            check = partial(_is_understood, fields, expected, step=step, greeting=greeting)
            yield Case(f"understood: {name}{how}", check)
    for step, how in ((0, ""), (1, ", byte by byte"), (7, ", in pieces")):
        for name, (sent, body) in _BODIES.items():
            yield Case(f"body: {name}{how}", partial(_has_the_body, sent, body, step=step))


REQUEST_CASES: tuple[Case, ...] = tuple(_cases())
