"""What the cases of callers begin with."""

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, ResponseHead
from minimesh.model.project import Limits
from minimesh.testing.conformance.harness import Seen
from minimesh.testing.conformance.http2.harness import Caller
from minimesh.testing.conformance.http2.wire import (
    block,
    headers,
    request,
)

SIZED = Fields(((b"content-length", b"5"),))
TRAILERS = Fields(((b"sum", b"42"),))
HEAD = ResponseHead(200, NO_FIELDS, UNKNOWN)
WINDOW = 65_535
WEBSOCKET = headers(
    1,
    block(
        (
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
        )
    ),
    False,
)


def silent(codec: Codec, step: int, *sent: bytes, limits: Limits | None = None) -> tuple[Caller, Seen]:
    """A request that is not answered yet."""
    caller = Caller(codec, step, answer=None, limits=limits)
    caller.send(*sent)
    return caller, caller.last


def post(number: int = 1, *fields: tuple[bytes, bytes]) -> bytes:
    return request(number, *fields, method=b"POST", end=False)
