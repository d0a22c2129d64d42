"""Heads out: from what every codec understands to the bytes of HTTP/1.1."""

from http import HTTPStatus

from minimesh.dataplane.heads import UNKNOWN, OutgoingHead, ResponseHead

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


def request_prefix(request: OutgoingHead) -> bytes:
    """All of a request's head but the fields that differ each time and the empty line; kept with the request."""
    framing = b""
    if request.length == UNKNOWN:
        framing = b"transfer-encoding: chunked\r\n"
    if request.expects_continue:
        framing += b"expect: 100-continue\r\n"
    if request.upgrade:
        framing += b"connection: upgrade\r\nupgrade: %b\r\n" % request.upgrade
    prefix = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b%b" % (
        request.method,
        request.target,
        request.authority,
        request.fields.http1,
        framing,
        request.forwarded.http1,
    )
    request.http1 = prefix
    return prefix


def response_head(head: ResponseHead) -> bytes:
    """A whole head with its empty line, for a connection that stays open and a body of known length; kept with it."""
    reason = head.reason or _REASONS.get(head.status, b"")
    head.http1 = encoded = b"HTTP/1.1 %d %b\r\n%b\r\n" % (head.status, reason, head.fields.http1)
    return encoded
