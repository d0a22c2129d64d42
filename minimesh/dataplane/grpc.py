"""What is gRPC about a call: how it is known, its deadline, and its status (the gRPC over HTTP/2 protocol)."""

import re
from binascii import Error, a2b_base64
from enum import IntEnum
from functools import lru_cache
from urllib.parse import quote

from minimesh.model.reason import BAD_MESSAGE, MESSAGE_TOO_LARGE, NO_METHOD, Reason

_TYPE = b"application/grpc"
_WEB = b"application/grpc-web"
# TimeoutValue and TimeoutUnit: at most eight digits, and a unit.
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class Status(IntEnum):
    """Status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


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
_FAILURES = frozenset((Status.UNKNOWN, Status.DEADLINE_EXCEEDED, Status.INTERNAL, Status.UNAVAILABLE, Status.DATA_LOSS))


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


def counts_as(status: int) -> int:
    """The class of HTTP statuses that a gRPC status counts as: 2 is well, 4 the caller's, 5 the service's failure."""
    return 2 if not status else 5 if status in _FAILURES or status > Status.UNAUTHENTICATED else 4


def message_of(text: str) -> bytes:
    """`grpc-message`: percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()
