"""Heads out: from what every codec understands to blocks of fields."""

from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.hpack import block, literal, status
from minimesh.dataplane.websocket import without_key

_METHODS = {method: block([(b":method", method)]) for method in (b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD")}
_SCHEME, _SECURED = block([(b":scheme", b"http")]), block([(b":scheme", b"https")])
_CONNECT = block([(b":method", b"CONNECT"), (b":protocol", b"websocket")])
_EXPECT = literal(b"expect", b"100-continue")
_REQUEST_ID = literal(b"x-request-id", b"")[:-1]
_TRACEPARENT = literal(b"traceparent", b"x" * 55)[:-55]
_LONGEST = 127


def fields_block(fields: Fields) -> bytes:
    """Kept with the fields."""
    encoded = fields.http2
    if encoded is None:
        encoded = fields.http2 = block(fields.pairs)
    return encoded


def request_prefix(request: OutgoingHead) -> bytes:
    """All of a request's block but the fields that differ each time; kept with the request."""
    method = _CONNECT if request.upgrade else _METHODS.get(request.method) or literal(b":method", request.method)
    encoded = b"%b%b%b%b%b%b%b" % (
        method,
        _SECURED if request.secured else _SCHEME,
        literal(b":path", request.target),
        literal(b":authority", request.authority),
        fields_block(without_key(request.fields) if request.upgrade else request.fields),
        fields_block(request.forwarded),
        _EXPECT if request.expects_continue else b"",
    )
    request.http2 = encoded
    return encoded


def request_block(request: OutgoingHead, request_id: bytes, traceparent: bytes) -> bytes:
    size = len(request_id)
    if size >= _LONGEST:
        return (request.http2 or request_prefix(request)) + block(
            ((b"x-request-id", request_id), (b"traceparent", traceparent))
        )
    return b"%b%b%c%b%b%b" % (
        request.http2 or request_prefix(request),
        _REQUEST_ID,
        size,
        request_id,
        _TRACEPARENT,
        traceparent,
    )


def response_block(head: ResponseHead) -> bytes:
    """A whole head; kept with it. A tunnel begins with a 200 here (RFC 8441, section 5)."""
    head.http2 = encoded = status(200 if head.status == 101 else head.status) + fields_block(head.fields)
    return encoded
