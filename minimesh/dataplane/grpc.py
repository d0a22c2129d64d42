"""What is gRPC about a call: how it is known, its deadline, its messages and its status (gRPC over HTTP/2)."""

import re
import struct
from binascii import Error, a2b_base64
from functools import lru_cache
from urllib.parse import quote

from minimesh.model.grpc import Status
from minimesh.model.reason import BAD_MESSAGE, MESSAGE_TOO_LARGE, NO_METHOD, Reason

_TYPE = b"application/grpc"
_WEB = b"application/grpc-web"
# TimeoutValue and TimeoutUnit: at most eight digits, and a unit.
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_length = struct.Struct(">I").unpack_from
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


# The other direction of grpc's HTTP-to-status mapping, with what the mesh knows better than a client that sees a 5xx.
_STATUSES = {
    400: Status.INTERNAL,
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.UNIMPLEMENTED,
    408: Status.CANCELLED,
    413: Status.RESOURCE_EXHAUSTED,
    429: Status.RESOURCE_EXHAUSTED,
    431: Status.RESOURCE_EXHAUSTED,
    500: Status.INTERNAL,
    501: Status.UNIMPLEMENTED,
    502: Status.UNAVAILABLE,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
}
_BY_REASON = {
    BAD_MESSAGE: Status.INVALID_ARGUMENT,
    MESSAGE_TOO_LARGE: Status.RESOURCE_EXHAUSTED,
    NO_METHOD: Status.NOT_FOUND,
}
# google.rpc.Code, where the two are told apart the other way.
_HTTP: dict[int, int] = {
    Status.OK: 200,
    Status.CANCELLED: 499,
    Status.INVALID_ARGUMENT: 400,
    Status.DEADLINE_EXCEEDED: 504,
    Status.NOT_FOUND: 404,
    Status.ALREADY_EXISTS: 409,
    Status.PERMISSION_DENIED: 403,
    Status.RESOURCE_EXHAUSTED: 429,
    Status.FAILED_PRECONDITION: 400,
    Status.ABORTED: 409,
    Status.OUT_OF_RANGE: 400,
    Status.UNIMPLEMENTED: 501,
    Status.UNAVAILABLE: 503,
    Status.UNAUTHENTICATED: 401,
}


def is_grpc(content_type: bytes) -> bool:
    """`application/grpc` alone, or with a `+format` or parameters; gRPC-Web is another protocol."""
    rest = content_type[len(_TYPE) :]
    return content_type.startswith(_TYPE) and (not rest or rest[:1] in (b"+", b";"))


def is_grpc_web(content_type: bytes) -> bool:
    """`application/grpc-web` or `application/grpc-web-text`, with what may follow."""
    return content_type[: len(_WEB)].lower() == _WEB


@lru_cache(maxsize=256)
def read_timeout(value: bytes) -> float | None:
    """Seconds of a `grpc-timeout`; None where it is none."""
    match = _TIMEOUT.fullmatch(value)
    return int(match[1]) * _UNITS[match[2]] if match else None


def status_of(http: int) -> Status:
    """For an answer of the mesh that would have this HTTP status."""
    return _STATUSES.get(http, Status.UNKNOWN)


def status_for(reason: Reason) -> Status:
    return _BY_REASON.get(reason) or status_of(reason.status)


def http_of(status: int) -> int:
    """The HTTP status of google.rpc.Code."""
    return _HTTP.get(status, 500)


def read_status(value: bytes | None) -> int:
    """A `grpc-status`; UNKNOWN where it is missing or no number."""
    return int(value) if value is not None and value.isdigit() and len(value) < 4 else Status.UNKNOWN


def read_binary(value: bytes) -> bytes:
    """A field whose name ends in `-bin`, mostly without padding; b"" where it is not base64."""
    try:
        return a2b_base64(value + b"=" * (-len(value) % 4), strict_mode=True)
    except Error:
        return b""


def message_of(text: str) -> bytes:
    """`grpc-message`: percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()


class Messages:
    """Counts the messages in one direction of a call as their beginnings pass: each is behind five bytes, a flag and
    its length."""

    __slots__ = ("_head", "_left", "count")

    def __init__(self) -> None:
        self.count = self._left = 0
        self._head = b""

    def pass_on(self, data: bytes) -> None:
        """`data`: the next of the body, in any slices."""
        at, size = self._left, len(data)
        if at >= size:
            self._left = at - size
            return
        if self._head:
            data = self._head + data
            size = len(data)
            self._head = b""
        count = self.count
        while size - at >= 5:
            at += 5 + _length(data, at + 1)[0]
            count += 1
        self.count = count
        if at < size:
            self._head = data[at:]
            self._left = 0
        else:
            self._left = at - size
