"""A request head: bytes in, RequestHead and what it says of the connection out (RFC 9112, sections 3 and 6)."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, RequestHead
from minimesh.dataplane.http1.lines import Kind, read_length, read_line, tokens_of
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

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp]://([^/?#]*)(.*)")
# RFC 3986, section 3.2.2, without user information and without what only a list or an attack would hold.
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CROSS_SITE = (b"cross-site", b"same-site")


class Request(NamedTuple):
    """`chunked`: how the body comes. `close`: the caller wants the connection closed after the answer.
    `keep_alive`: an HTTP/1.0 caller asked to keep it, and must be told that it is kept."""

    head: RequestHead
    chunked: bool
    close: bool
    keep_alive: bool
    minor: int


@dataclass(slots=True)
class Block:
    """What the fields of a head say, whatever the request line is."""

    fields: Fields = NO_FIELDS
    host: bytes | None = None
    length: int = 0
    has_length: bool = False
    codings: bytes = b""
    connection: tuple[bytes, ...] = ()
    upgrade: bytes = b""
    expect: bytes = b""
    trailers: bool = False
    request_id: bytes = b""
    traceparent: bytes = b""
    forwarded: Fields = NO_FIELDS
    cross_site: bool = False


def read_block(block: bytes, limits: Limits) -> Block:
    """The field lines of a head, each ended by CRLF. Raises Malformed."""
    result = Block()
    if not block:
        return result
    lines = block[:-2].split(b"\r\n")
    if len(lines) > limits.fields:
        raise Malformed(HEAD_TOO_LARGE, f"more than {limits.fields} fields")
    kept: list[bytes] = []
    names: list[bytes] = []
    forwarded: list[bytes] = []
    for text in lines:
        line = read_line(text, BAD_REQUEST)
        if line.kind is Kind.PLAIN:
            kept.append(text)
            names.append(line.name)
        elif line.kind is Kind.FORWARDED:
            forwarded.append(text)
        elif line.kind is Kind.CONTENT_LENGTH:
            if result.has_length:
                raise Malformed(BAD_REQUEST, "there are two Content-Length fields")
            result.has_length, result.length = True, read_length(line.value, BAD_REQUEST)
            kept.append(text)
            names.append(line.name)
        else:
            _note(result, line.kind, line.value)
            if line.kind is Kind.SEC_FETCH_SITE:
                kept.append(text)
                names.append(line.name)
    if result.connection:
        kept = _without_listed(kept, names, result.connection)
    if result.trailers:
        kept.append(b"te: trailers")
    result.fields = Fields(http1=_joined(kept))
    if forwarded:
        result.forwarded = Fields(http1=_joined(forwarded))
    return result


def _note(block: Block, kind: Kind, value: bytes) -> None:
    """One of the fields that are not passed on as they are."""
    match kind:
        case Kind.HOST:
            if block.host is not None:
                raise Malformed(BAD_REQUEST, "there are two Host fields")
            if not _AUTHORITY.fullmatch(value):
                raise Malformed(BAD_REQUEST, "Host is not a host and port")
            block.host = value.lower()
        case Kind.TRANSFER_ENCODING:
            block.codings = block.codings + b"," + value if block.codings else value or b","
        case Kind.CONNECTION:
            block.connection += tuple(tokens_of(value))
        case Kind.UPGRADE:
            block.upgrade = block.upgrade + b"," + value.lower() if block.upgrade else value.lower()
        case Kind.EXPECT:
            block.expect = value.lower()
        case Kind.TE:
            block.trailers = b"trailers" in tokens_of(value)
        case Kind.REQUEST_ID:
            block.request_id = value if _REQUEST_ID.fullmatch(value) else b""
        case Kind.TRACEPARENT:
            block.traceparent = value if _TRACEPARENT.fullmatch(value) else b""
        case Kind.SEC_FETCH_SITE:
            block.cross_site = value.lower() in _CROSS_SITE
        case _:
            """Hop-by-hop, or the mesh's own and forged."""


_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})


def _without_listed(kept: list[bytes], names: list[bytes], connection: tuple[bytes, ...]) -> list[bytes]:
    """Drop what Connection lists (RFC 9110, section 7.6.1), but never framing: that would be smuggling."""
    listed = frozenset(connection) - _FRAMING
    return [line for line, name in zip(kept, names, strict=True) if name not in listed]


def _joined(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n" if lines else b""


def read_request(line: bytes, block: Block, limits: Limits) -> Request:
    """The request line without its CRLF, joined with what the fields said. Raises Malformed."""
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Malformed(BAD_REQUEST, "the request line is not METHOD TARGET HTTP/1.1")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise Malformed(VERSION_NOT_SUPPORTED, f"HTTP/{major.decode()}.{minor.decode()}")
    if len(target) > limits.target:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    if method in (b"CONNECT", b"TRACE"):
        raise Malformed(METHOD_NOT_ALLOWED, method.decode())
    old = minor == b"0"
    target, authority = _target(method, target, block, old)
    chunked = _is_chunked(block, old)
    upgrade = _upgrade(block, old, chunked)
    if block.expect and block.expect != b"100-continue":
        raise Malformed(EXPECTATION_FAILED, "Expect is not 100-continue")
    keep_alive = b"keep-alive" in block.connection
    head = RequestHead(
        method,
        target,
        authority,
        block.fields,
        UNKNOWN if chunked else block.length,
        upgrade=upgrade,
        expects_continue=bool(block.expect) and not old,
        request_id=block.request_id,
        traceparent=block.traceparent,
        forwarded=block.forwarded,
        cross_site=block.cross_site,
        trailers=block.trailers,
    )
    close = b"close" in block.connection or (old and not keep_alive)
    return Request(head, chunked, close, old and keep_alive, int(minor))


def _target(method: bytes, target: bytes, block: Block, old: bool) -> tuple[bytes, bytes]:
    """Origin form and authority of any form of target (RFC 9112, section 3.2)."""
    authority = block.host
    if not target.startswith(b"/"):
        if target == b"*" and method == b"OPTIONS":
            return target, _known(authority, old)
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or not _AUTHORITY.fullmatch(absolute[1]):
            raise Malformed(BAD_REQUEST, "the target is neither a path nor an http:// URL")
        _known(authority, old)
        authority, rest = absolute[1].lower(), absolute[2]
        target = rest if rest.startswith(b"/") else b"/" + rest
    return canonical(target), _known(authority, old)


def _known(authority: bytes | None, old: bool) -> bytes:
    if authority is None and not old:
        raise Malformed(BAD_REQUEST, "there is no Host field")
    return authority or b""


def _is_chunked(block: Block, old: bool) -> bool:
    """RFC 9112, section 6.1; what is ambiguous is refused rather than resolved."""
    if not block.codings:
        return False
    if block.has_length:
        raise Malformed(BAD_REQUEST, "there is a Content-Length beside Transfer-Encoding")
    if old:
        raise Malformed(BAD_REQUEST, "there is a Transfer-Encoding in HTTP/1.0")
    if block.codings.lower() == b"chunked":
        return True
    if b"chunked" in block.codings.lower() or not tokens_of(block.codings):
        raise Malformed(BAD_REQUEST, "Transfer-Encoding is not exactly chunked")
    raise Malformed(NOT_IMPLEMENTED, "the only transfer coding known here is chunked")


def _upgrade(block: Block, old: bool, chunked: bool) -> bytes:
    """The one protocol that is tunnelled. Others, and a handshake with a body, are plain requests
    (RFC 9110, section 7.8: a server may ignore Upgrade)."""
    wanted = block.upgrade == b"websocket" and b"upgrade" in block.connection
    return b"websocket" if wanted and not old and not chunked and not block.length else b""
