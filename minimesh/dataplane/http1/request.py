"""A request head: bytes in, RequestHead and what it says of the connection out (RFC 9112, sections 3 and 6)."""

import re
from functools import lru_cache
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.grpc import is_grpc_web
from minimesh.dataplane.heads import CONNECT, NO_FIELDS, UNKNOWN, Asked, Fields, RequestHead
from minimesh.dataplane.http1.lines import (
    PLAIN,
    TOKEN,
    UNSAID,
    Lines,
    both,
    joined,
    read_connection,
    read_length,
    tokens_of,
    value_of,
    without,
)
from minimesh.dataplane.paths import canonical
from minimesh.dataplane.values import VISIBLE, authority, request_id, trace_context
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
_REQUEST_ID, _TRACEPARENT, _TRACESTATE, _FORWARDED, _FETCH_SITE, _TYPE = range(9, 15)

_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#]*)(.*)")

_LINES = Lines(
    {
        b"proxy-connection": _DROPPED,
        b"proxy-authorization": _DROPPED,
        b"http2-settings": _DROPPED,
        b"keep-alive": _DROPPED,
        b"x-forwarded-client-cert": _DROPPED,
        b"host": _HOST,
        b"content-length": _LENGTH,
        b"content-type": _TYPE,
        b"transfer-encoding": _CODING,
        b"connection": _CONNECTION,
        b"upgrade": _UPGRADE,
        b"expect": _EXPECT,
        b"te": _TE,
        b"x-request-id": _REQUEST_ID,
        b"traceparent": _TRACEPARENT,
        b"tracestate": _TRACESTATE,
        b"x-forwarded-for": _FORWARDED,
        b"x-forwarded-proto": _FORWARDED,
        b"x-forwarded-host": _FORWARDED,
        b"x-forwarded-port": _FORWARDED,
        b"x-real-ip": _FORWARDED,
        b"forwarded": _FORWARDED,
        b"sec-fetch-site": _FETCH_SITE,
    },
    BAD_REQUEST,
    _DROPPED,
)


@lru_cache(maxsize=256)
def _read_host(line: bytes) -> bytes:
    host = authority(value_of(line))
    if not host:
        raise Malformed(BAD_REQUEST, "Host is not a host and port")
    return host


class Manner(NamedTuple):
    """How a request wants its connection treated. `close` it after the answer. `keep_alive`: an HTTP/1.0 caller
    asked to keep it, and must be told that it is kept. `minor`: of the version."""

    close: bool
    keep_alive: bool
    minor: int


KEEP = Manner(close=False, keep_alive=False, minor=1)
CLOSE = Manner(close=True, keep_alive=False, minor=1)
KEEP_OLD = Manner(close=False, keep_alive=True, minor=0)
CLOSE_OLD = Manner(close=True, keep_alive=False, minor=0)


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
    web = False
    frames = False
    """Whether length, codings, expect, upgrade or web is set."""


def read_block(block: bytes, limits: Limits) -> Block:
    """The field lines of a head, each with its CRLF before it. Raises Malformed."""
    result = Block()
    if not block:
        return result
    lines = block[2:].split(b"\r\n")
    if len(lines) > limits.fields:
        raise Malformed(HEAD_TOO_LARGE, f"more than {limits.fields} fields")
    seen, read = _LINES.seen, _LINES.read
    kept: list[bytes] = []
    for line in lines:
        kind = seen(line)
        if kind is None:
            kind = read(line)
        if kind == PLAIN:
            kept.append(line)
        elif kind == _HOST:
            if result.host is not None:
                raise Malformed(BAD_REQUEST, "there are two Host fields")
            result.host = _read_host(line)
        elif kind != _DROPPED:
            _note(result, kind, line, kept)
    if result.tracestate and result.traceparent:
        # Trace Context, section 3.2.2.5: where the trace begins anew, there is no state of it.
        kept.append(result.tracestate)
    if result.connection.listed:
        kept = without(kept, result.connection.listed)
    if result.trailers:
        kept.append(b"te: trailers")
    result.fields = Fields(None, joined(kept))
    return result


def _note(block: Block, kind: int, line: bytes, kept: list[bytes]) -> None:
    """One of the fields that decide something; it is kept where the endpoint has to see it too."""
    if kind == _REQUEST_ID:
        block.request_id = request_id(value_of(line))
    elif kind == _TRACEPARENT:
        block.traceparent = trace_context(value_of(line))
    elif kind == _CONNECTION:
        said = read_connection(line)
        block.connection = said if block.connection is UNSAID else both(block.connection, said)
    elif kind == _LENGTH:
        if block.length >= 0:
            raise Malformed(BAD_REQUEST, "there are two Content-Length fields")
        block.length = read_length(line, BAD_REQUEST)
        block.frames = True
        kept.append(line)
    elif kind == _TYPE:
        kept.append(line)
        if is_grpc_web(value_of(line)):
            block.web = block.frames = True
    elif kind == _FORWARDED:
        block.forwarded = Fields(None, block.forwarded.http1 + line + b"\r\n")
    else:
        _note_rare(block, kind, line, kept)


def _note_rare(block: Block, kind: int, line: bytes, kept: list[bytes]) -> None:
    value = value_of(line).lower()
    if kind == _TRACESTATE:
        block.tracestate = block.tracestate + b"\r\n" + line if block.tracestate else line
    elif kind == _TE:
        block.trailers = block.trailers or b"trailers" in tokens_of(value)
    elif kind == _FETCH_SITE:
        block.cross_site = block.cross_site or value in (b"cross-site", b"same-site")
        kept.append(line)
    else:
        block.frames = True
        if kind == _CODING:
            block.codings = (*block.codings, value)
        elif kind == _UPGRADE:
            block.upgrade = block.upgrade + b"," + value if block.upgrade else value
        elif kind == _EXPECT:
            block.expect = value


def read_request(line: bytes, block: Block, limits: Limits, connects: bool = False) -> tuple[RequestHead, Manner]:
    """The request line without its CRLF, joined with what the fields said. connects: it may be CONNECT.
    Raises Malformed."""
    common = _COMMON_LINE.fullmatch(line)
    if common is None:
        method, target, old = _read_line(line, connects)
    else:
        (method, target), old = common.groups(), False
    if len(target) > limits.target:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    host, asked = block.host, None
    if target.startswith(b"/"):
        target = canonical(target)
    else:
        target, host, asked = _special_target(method, target, host)
    if block.host is None and not old:
        raise Malformed(BAD_REQUEST, "there is no Host field")
    head = RequestHead(
        method,
        target,
        host or b"",
        block.fields,
        0,
        b"",
        False,
        block.request_id,
        block.traceparent,
        block.forwarded,
        block.cross_site,
        block.trailers,
    )
    head.asked = asked
    if block.frames:
        _frame(head, block, old)
    if method == b"CONNECT":
        return _tunnel(head), CLOSE_OLD if old else CLOSE
    connection = block.connection
    if old:
        return head, CLOSE_OLD if connection.close or not connection.keep_alive else KEEP_OLD
    return head, CLOSE if connection.close else KEEP


def _frame(head: RequestHead, block: Block, old: bool) -> None:
    """Body, expectation, upgrade and gRPC-Web, of which most requests have none."""
    head.web = block.web
    if block.codings:
        if block.length >= 0:
            raise Malformed(BAD_REQUEST, "there is a Content-Length beside Transfer-Encoding")
        _check_coding(block, old)
        head.length = UNKNOWN
    elif block.length > 0:
        head.length = block.length
    if block.expect:
        if block.expect != b"100-continue":
            raise Malformed(EXPECTATION_FAILED, "Expect is not 100-continue")
        head.expects_continue = not old
    if block.upgrade and not old and not head.length:
        head.upgrade = _upgrade(block)


def _tunnel(head: RequestHead) -> RequestHead:
    """RFC 9110, section 9.3.6. What follows a CONNECT is no request, whatever becomes of it."""
    if head.asked is None:
        raise Malformed(BAD_REQUEST, "the target of CONNECT is not a host and a port")
    if head.length or head.expects_continue:
        raise Malformed(BAD_REQUEST, "there is a body behind CONNECT")
    head.upgrade = CONNECT
    return head


# What nearly all requests look like; whatever does not is read again with all its possibilities.
_COMMON_LINE = re.compile(rb"(GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS) (/[\x21-\x7e]*) HTTP/1\.1")
_VERSIONS = {b"HTTP/1.1": False, b"HTTP/1.0": True}


def _read_line(line: bytes, connects: bool) -> tuple[bytes, bytes, bool]:
    """Method, target, and whether it is HTTP/1.0 (RFC 9112, section 3; one space each, nothing forgiven)."""
    parts = line.split(b" ")
    if len(parts) == 3:
        method, target, version = parts
        if method and target and not method.translate(None, TOKEN) and not target.translate(None, VISIBLE):
            old = _VERSIONS.get(version)
            if old is not None and (method == b"TRACE" or (method == b"CONNECT" and not connects)):
                raise Malformed(METHOD_NOT_ALLOWED, method.decode())
            if old is not None:
                return method, target, old
            if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
                raise Malformed(VERSION_NOT_SUPPORTED, version.decode())
    raise Malformed(BAD_REQUEST, "the request line is not METHOD TARGET HTTP/1.1")


def _special_target(method: bytes, target: bytes, host: bytes | None) -> tuple[bytes, bytes | None, Asked | None]:
    """Origin form and authority of the other forms of target (RFC 9112, section 3.2), and how it was written."""
    if target == b"*" and method == b"OPTIONS":
        return target, host, None
    if method == b"CONNECT":
        named = authority(target)
        if not named:
            raise Malformed(BAD_REQUEST, "the target of CONNECT is not a host and a port")
        return named, named, Asked(CONNECT, host or b"")
    absolute = _ABSOLUTE.fullmatch(target)
    named = authority(absolute[1]) if absolute is not None else b""
    if absolute is None or not named:
        raise Malformed(BAD_REQUEST, "the target is neither a path nor an http:// URL")
    rest = absolute[2]
    return canonical(rest if rest.startswith(b"/") else b"/" + rest), named, Asked(b"http", host or b"")


def _check_coding(block: Block, old: bool) -> None:
    """RFC 9112, section 6.1; what is ambiguous is refused rather than resolved."""
    if old:
        raise Malformed(BAD_REQUEST, "there is a Transfer-Encoding in HTTP/1.0")
    if block.codings == (b"chunked",):
        return
    said = b",".join(block.codings)
    if b"chunked" in said or not tokens_of(said):
        raise Malformed(BAD_REQUEST, "Transfer-Encoding is not exactly chunked")
    raise Malformed(NOT_IMPLEMENTED, "the only transfer coding known here is chunked")


def _upgrade(block: Block) -> bytes:
    """The one protocol that is tunnelled. Others, and a handshake with a body, are plain requests
    (RFC 9110, section 7.8: a server may ignore Upgrade)."""
    return b"websocket" if block.upgrade == b"websocket" and block.connection.upgrade else b""
