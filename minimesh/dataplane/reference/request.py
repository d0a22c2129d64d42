"""A request head: parsed by h11, then held to what the mesh demands on top."""

import re
from dataclasses import dataclass

import h11

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.grpc import is_grpc_web
from minimesh.dataplane.heads import CONNECT, UNKNOWN, Asked, Fields, RequestHead
from minimesh.dataplane.paths import canonical
from minimesh.dataplane.reference.body import LONGEST_LINE, Body
from minimesh.dataplane.reference.fields import end_to_end, last, only, tokens_of
from minimesh.dataplane.reference.screen import screen_head, values_of
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

_CROSS_SITE = (b"cross-site", b"same-site")
_ABSOLUTE = re.compile(rb"http://([^/?#]*)(.*)", re.IGNORECASE)
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACE_CONTEXT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FORWARDED = frozenset(
    b"forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip".split()
)
_NOT_PASSED_ON = _FORWARDED | frozenset(b"expect host traceparent x-forwarded-client-cert x-request-id".split())


@dataclass(frozen=True, slots=True)
class Message:
    """A head, the body that follows it, and what the caller said of the connection (as in the fast codec)."""

    head: RequestHead
    body: Body
    close: bool
    keep_alive: bool
    minor: int


def read_request(raw: bytes, limits: Limits, connects: bool = False) -> Message:
    """A head with the empty line that ends it. connects: it may be CONNECT. Raises Malformed."""
    if len(raw) > limits.head_size:
        raise Malformed(HEAD_TOO_LARGE, f"the head is over {limits.head_size} bytes")
    line, *fields = raw[:-4].split(b"\r\n")
    if len(line) > limits.target + 64:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    if len(fields) > limits.fields:
        raise Malformed(HEAD_TOO_LARGE, f"more than {limits.fields} fields")
    screen_head(raw, BAD_REQUEST)
    chunked = _is_chunked(line, fields)
    # One for each request: h11 keeps no HTTP/1.0 connection alive, and what is behind a request is for us to read.
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_LINE)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Malformed(BAD_REQUEST, str(error)) from error
    if not isinstance(event, h11.Request):
        raise Malformed(BAD_REQUEST, "this is not a request")
    minor = _minor(event)
    head = _head(event, minor, chunked=chunked, limits=limits, connects=connects)
    said = tokens_of(event, b"connection")
    keep_alive = not minor and b"keep-alive" in said
    # What follows a CONNECT is no request, whatever becomes of it.
    close = b"close" in said or (not minor and not keep_alive) or head.upgrade == CONNECT
    return Message(head, Body(connection, BAD_REQUEST, chunked=chunked), close, keep_alive, minor)


def _is_chunked(line: bytes, fields: list[bytes]) -> bool:
    """RFC 9112, section 6.1; what is ambiguous is refused rather than resolved. h11 prefers the coding to a length."""
    codings = values_of(b"transfer-encoding", fields)
    if not codings:
        return False
    if values_of(b"content-length", fields):
        raise Malformed(BAD_REQUEST, "there is a Content-Length beside Transfer-Encoding")
    if line.endswith(b"HTTP/1.0"):
        raise Malformed(BAD_REQUEST, "there is a Transfer-Encoding in HTTP/1.0")
    said = b",".join(codings).strip(b" \t").lower()
    if said == b"chunked":
        return True
    if b"chunked" in said or not said.strip(b", \t"):
        raise Malformed(BAD_REQUEST, "Transfer-Encoding is not exactly chunked")
    raise Malformed(NOT_IMPLEMENTED, "the only transfer coding known here is chunked")


def _minor(event: h11.Request) -> int:
    if event.http_version not in (b"1.0", b"1.1"):
        raise Malformed(VERSION_NOT_SUPPORTED, f"HTTP/{event.http_version.decode()}")
    return 1 if event.http_version == b"1.1" else 0


def _head(event: h11.Request, minor: int, *, chunked: bool, limits: Limits, connects: bool) -> RequestHead:
    method = bytes(event.method)
    if len(event.target) > limits.target:
        raise Malformed(TARGET_TOO_LONG, f"the target is over {limits.target} bytes")
    if method == b"TRACE" or (method == b"CONNECT" and not connects):
        raise Malformed(METHOD_NOT_ALLOWED, method.decode())
    target, authority, asked = _target(method, bytes(event.target), event)
    expect = last(event, b"expect").lower()
    if expect not in (b"", b"100-continue"):
        raise Malformed(EXPECTATION_FAILED, "Expect is not 100-continue")
    length = UNKNOWN if chunked else int(last(event, b"content-length") or 0)
    upgrade = b",".join(value for name, value in event.headers if name == b"upgrade").lower()
    wanted = upgrade == b"websocket" and b"upgrade" in tokens_of(event, b"connection")
    trailers = b"trailers" in tokens_of(event, b"te")
    request_id, context = last(event, b"x-request-id"), last(event, b"traceparent")
    traced = _TRACE_CONTEXT.fullmatch(context) is not None
    # Trace Context, section 3.2.2.5: where the trace begins anew, there is no state of it.
    fields = end_to_end(event, _NOT_PASSED_ON if traced else _NOT_PASSED_ON | {b"tracestate"})
    head = RequestHead(
        method,
        target,
        authority,
        Fields(http1=fields.http1 + b"te: trailers\r\n") if trailers else fields,
        length,
        upgrade=b"websocket" if wanted and minor and not length else b"",
        expects_continue=bool(expect) and bool(minor),
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else b"",
        traceparent=context if traced else b"",
        forwarded=only(event, _FORWARDED.__contains__),
        cross_site=any(name == b"sec-fetch-site" and value.lower() in _CROSS_SITE for name, value in event.headers),
        trailers=trailers,
    )
    head.web = is_grpc_web(last(event, b"content-type"))
    head.asked = asked
    if method == b"CONNECT":
        if asked is None:
            raise Malformed(BAD_REQUEST, "the target of CONNECT is not a host and a port")
        if head.length or head.expects_continue:
            raise Malformed(BAD_REQUEST, "there is a body behind CONNECT")
        head.upgrade = CONNECT
    return head


def _target(method: bytes, target: bytes, event: h11.Request) -> tuple[bytes, bytes, Asked | None]:
    """Origin form and authority of any form of target (RFC 9112, section 3.2), and how it was written where it is no
    path; h11 looks into neither."""
    host = last(event, b"host")
    if any(name == b"host" for name, _ in event.headers) and not _AUTHORITY.fullmatch(host):
        raise Malformed(BAD_REQUEST, "Host is not a host and port")
    if target.startswith(b"/"):
        return canonical(target), host.lower(), None
    if target == b"*" and method == b"OPTIONS":
        return target, host.lower(), None
    if method == b"CONNECT":
        if not _AUTHORITY.fullmatch(target):
            raise Malformed(BAD_REQUEST, "the target of CONNECT is not a host and a port")
        return target.lower(), target.lower(), Asked(CONNECT, host.lower())
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not _AUTHORITY.fullmatch(absolute[1]):
        raise Malformed(BAD_REQUEST, "the target is neither a path nor an http:// URL")
    rest = absolute[2]
    named = absolute[1].lower()
    return canonical(rest if rest.startswith(b"/") else b"/" + rest), named, Asked(b"http", host.lower())
