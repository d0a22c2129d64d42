"""A request head: bytes in, RequestHead and what it says of the connection out (RFC 9112, sections 3 and 6)."""

import re
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, RequestHead
from minimesh.dataplane.http1.lines import (
    PLAIN,
    TOKEN,
    UNSAID,
    Connection,
    Lines,
    both,
    ignored,
    joined,
    length_reader,
    lower,
    read_connection,
    tokens_of,
    without,
)
from minimesh.dataplane.paths import canonical
from minimesh.model.project import Limits
from minimesh.model.reason import (
    BAD_REQUEST,
    EXPECTATION_FAILED,
    HEAD_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    TARGET_TOO_LONG,
    VERSION_NOT_SUPPORTED,
)

_DROPPED, _HOST, _LENGTH, _CODING, _CONNECTION, _UPGRADE, _EXPECT, _TE = range(1, 9)
_REQUEST_ID, _TRACEPARENT, _TRACESTATE, _FORWARDED, _FETCH_SITE = range(9, 14)

_VISIBLE = bytes(range(0x21, 0x7F))
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#]*)(.*)")
# RFC 3986, section 3.2.2, without user information and without what only a list or an attack would hold.
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_TRACE_CONTEXT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_REQUEST_ID = 128


def _read_host(value: bytes) -> bytes:
    if not _AUTHORITY.fullmatch(value):
        raise Malformed(BAD_REQUEST, "Host is not a host and port")
    return value.lower()


def _read_request_id(value: bytes) -> bytes:
    return b"" if len(value) > _LONGEST_REQUEST_ID or value.translate(None, _VISIBLE) else value


def _read_trace_context(value: bytes) -> bytes:
    return value if _TRACE_CONTEXT.fullmatch(value) else b""


def _read_te(value: bytes) -> bool:
    return b"trailers" in tokens_of(value)


def _read_fetch_site(value: bytes) -> bool:
    return value.lower() in (b"cross-site", b"same-site")


_LINES: Lines[object] = Lines(
    {
        b"proxy-connection": (_DROPPED, ignored),
        b"proxy-authorization": (_DROPPED, ignored),
        b"http2-settings": (_DROPPED, ignored),
        b"keep-alive": (_DROPPED, ignored),
        b"x-forwarded-client-cert": (_DROPPED, ignored),
        b"host": (_HOST, _read_host),
        b"content-length": (_LENGTH, length_reader(BAD_REQUEST)),
        b"transfer-encoding": (_CODING, lower),
        b"connection": (_CONNECTION, read_connection),
        b"upgrade": (_UPGRADE, lower),
        b"expect": (_EXPECT, lower),
        b"te": (_TE, _read_te),
        b"x-request-id": (_REQUEST_ID, _read_request_id),
        b"traceparent": (_TRACEPARENT, _read_trace_context),
        b"tracestate": (_TRACESTATE, ignored),
        b"x-forwarded-for": (_FORWARDED, ignored),
        b"x-forwarded-proto": (_FORWARDED, ignored),
        b"x-forwarded-host": (_FORWARDED, ignored),
        b"x-forwarded-port": (_FORWARDED, ignored),
        b"x-real-ip": (_FORWARDED, ignored),
        b"forwarded": (_FORWARDED, ignored),
        b"sec-fetch-site": (_FETCH_SITE, _read_fetch_site),
    },
    BAD_REQUEST,
    _DROPPED,
)


class Request(NamedTuple):
    """`chunked`: how the body comes. `close`: the caller wants the connection closed after the answer.
    `keep_alive`: an HTTP/1.0 caller asked to keep it, and must be told that it is kept. `minor`: of the version."""

    head: RequestHead
    chunked: bool
    close: bool
    keep_alive: bool
    minor: int


class Block:
    """What the fields of a head say, whatever the request line is. host None: there is none; length -1: likewise.

    Most heads say little, so what they do not say is left to the class.
    """

    fields = NO_FIELDS
    forwarded = NO_FIELDS
    host: bytes | None = None
    length = -1
    codings: tuple[bytes, ...] = ()
    connection = UNSAID
    upgrade = b""
    expect = b""
    request_id = b""
    traceparent = b""
    tracestate = b""
    trailers = False
    cross_site = False


def read_block(block: bytes, limits: Limits) -> Block:
    """The field lines of a head, each ended by CRLF. Raises Malformed."""
    result = Block()
    if not block:
        return result
    lines = block[:-2].split(b"\r\n")
    if len(lines) > limits.fields:
        raise Malformed(HEAD_TOO_LARGE, f"more than {limits.fields} fields")
    seen, read = _LINES.seen, _LINES.read
    kept: list[bytes] = []
    for text in lines:
        line = seen(text) or read(text)
        kind = line[0]
        if kind == PLAIN:
            kept.append(text)
        elif kind == _HOST:
            if result.host is not None:
                raise Malformed(BAD_REQUEST, "there are two Host fields")
            result.host = line[2]  # type: ignore[assignment]  # each kind's meaning is what its reader returns
        elif kind != _DROPPED:
            _note(result, kind, line[2], text, kept)
    if result.tracestate and result.traceparent:
        # Trace Context, section 3.2.2.5: where the trace begins anew, there is no state of it.
        kept.append(result.tracestate)
    if result.connection.listed:
        kept = without(kept, result.connection.listed)
    if result.trailers:
        kept.append(b"te: trailers")
    result.fields = Fields(None, joined(kept))
    return result


def _note(block: Block, kind: int, meaning: object, text: bytes, kept: list[bytes]) -> None:
    """One of the fields that decide something; it is kept where the endpoint has to see it too."""
    if kind == _REQUEST_ID:
        block.request_id = meaning  # type: ignore[assignment]  # as above
    elif kind == _TRACEPARENT:
        block.traceparent = meaning  # type: ignore[assignment]
    elif kind == _TRACESTATE:
        block.tracestate = block.tracestate + b"\r\n" + text if block.tracestate else text
    elif kind == _CONNECTION:
        said: Connection = meaning  # type: ignore[assignment]
        block.connection = said if block.connection is UNSAID else both(block.connection, said)
    elif kind == _LENGTH:
        if block.length >= 0:
            raise Malformed(BAD_REQUEST, "there are two Content-Length fields")
        block.length = meaning  # type: ignore[assignment]
        kept.append(text)
    elif kind == _FORWARDED:
        block.forwarded = Fields(None, block.forwarded.http1 + text + b"\r\n")
    elif kind == _CODING:
        block.codings = (*block.codings, meaning)  # type: ignore[arg-type]
    elif kind == _UPGRADE:
        block.upgrade = block.upgrade + b"," + meaning if block.upgrade else meaning  # type: ignore[assignment,operator]
    elif kind == _EXPECT:
        block.expect = meaning  # type: ignore[assignment]
    elif kind == _TE:
        block.trailers = block.trailers or meaning  # type: ignore[assignment]
    elif kind == _FETCH_SITE:
        block.cross_site = block.cross_site or meaning  # type: ignore[assignment]
        kept.append(text)


def read_request(line: bytes, block: Block, limits: Limits) -> Request:
    """The request line without its CRLF, joined with what the fields said. Raises Malformed."""
    method, target, minor = _read_line(line)
    if len(target) > limits.target:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    if method in (b"CONNECT", b"TRACE"):
        raise Malformed(METHOD_NOT_ALLOWED, method.decode())
    old = not minor
    authority = block.host
    if target.startswith(b"/"):
        target = canonical(target)
    else:
        target, authority = _special_target(method, target, authority)
    if block.host is None:
        if not old:
            raise Malformed(BAD_REQUEST, "there is no Host field")
        authority = authority or b""
    chunked = _is_chunked(block, old) if block.codings else False
    length = UNKNOWN if chunked else max(block.length, 0)
    if block.expect and block.expect != b"100-continue":
        raise Malformed(EXPECTATION_FAILED, "Expect is not 100-continue")
    head = RequestHead(
        method,
        target,
        authority or b"",
        block.fields,
        length,
        _upgrade(block) if block.upgrade and not old and not length else b"",
        bool(block.expect) and not old,
        block.request_id,
        block.traceparent,
        block.forwarded,
        block.cross_site,
        block.trailers,
    )
    connection = block.connection
    keep_alive = old and connection.keep_alive
    return Request(head, chunked, connection.close or (old and not keep_alive), keep_alive, minor)


def _read_line(line: bytes) -> tuple[bytes, bytes, int]:
    """Method, target and the version's minor (RFC 9112, section 3; one space each, nothing forgiven)."""
    parts = line.split(b" ")
    if len(parts) == 3:
        method, target, version = parts
        if method and target and not method.translate(None, TOKEN) and not target.translate(None, _VISIBLE):
            if version == b"HTTP/1.1":
                return method, target, 1
            if version == b"HTTP/1.0":
                return method, target, 0
            if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
                raise Malformed(VERSION_NOT_SUPPORTED, version.decode())
    raise Malformed(BAD_REQUEST, "the request line is not METHOD TARGET HTTP/1.1")


def _special_target(method: bytes, target: bytes, authority: bytes | None) -> tuple[bytes, bytes | None]:
    """Origin form and authority of the other forms of target (RFC 9112, section 3.2)."""
    if target == b"*" and method == b"OPTIONS":
        return target, authority
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _AUTHORITY.fullmatch(absolute[1]):
        raise Malformed(BAD_REQUEST, "the target is neither a path nor an http:// URL")
    rest = absolute[2]
    return canonical(rest if rest.startswith(b"/") else b"/" + rest), absolute[1].lower()


def _is_chunked(block: Block, old: bool) -> bool:
    """RFC 9112, section 6.1; what is ambiguous is refused rather than resolved."""
    if block.length >= 0:
        raise Malformed(BAD_REQUEST, "there is a Content-Length beside Transfer-Encoding")
    if old:
        raise Malformed(BAD_REQUEST, "there is a Transfer-Encoding in HTTP/1.0")
    if block.codings == (b"chunked",):
        return True
    said = b",".join(block.codings)
    if b"chunked" in said or not tokens_of(said):
        raise Malformed(BAD_REQUEST, "Transfer-Encoding is not exactly chunked")
    raise Malformed(NOT_IMPLEMENTED, "the only transfer coding known here is chunked")


def _upgrade(block: Block) -> bytes:
    """The one protocol that is tunnelled. Others, and a handshake with a body, are plain requests
    (RFC 9110, section 7.8: a server may ignore Upgrade)."""
    return b"websocket" if block.upgrade == b"websocket" and block.connection.upgrade else b""
