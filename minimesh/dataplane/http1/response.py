"""The head of an answer: as strict towards the service as the other side is towards the caller."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.http1.lines import Kind, Line, read_length, read_line, tokens_of
from minimesh.model.reason import UPSTREAM_PROTOCOL

# RFC 9112, section 4; a missing space before an empty reason is common and harmless.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_TIMEOUT = re.compile(rb"\btimeout=([0-9]{1,6})\b")


class Response(NamedTuple):
    """`until_close`: the body ends with the connection. `keeps`: the connection can serve again afterwards;
    `idle`: for so many seconds at most, as the service said (Keep-Alive: timeout=…), 0.0 if it did not."""

    head: ResponseHead
    chunked: bool
    until_close: bool
    keeps: bool
    idle: float


class _Facts:
    """What the fields of an answer's head say of framing and of the connection."""

    __slots__ = ("codings", "connection", "idle", "length", "upgrade")

    def __init__(self) -> None:
        self.length: int | None = None
        self.codings: list[bytes] = []
        self.connection: list[bytes] = []
        self.upgrade = b""
        self.idle = 0.0


def read_response(raw: bytes, method: bytes, upgrade: bytes, most_fields: int) -> Response:
    """A head with the empty line that ends it, as the answer to a request of that method that asked for that
    upgrade. Raises Malformed."""
    lines = raw[:-4].split(b"\r\n")
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        raise Malformed(UPSTREAM_PROTOCOL, "the status line is not HTTP/1.1 STATUS REASON")
    status = int(match[2])
    if len(lines) - 1 > most_fields:
        raise Malformed(UPSTREAM_PROTOCOL, f"more than {most_fields} fields")
    read = [(text, read_line(text, UPSTREAM_PROTOCOL)) for text in lines[1:]]
    facts = _facts_of(line for _, line in read)
    listed = frozenset(facts.connection) - {b"content-length"}
    bodiless = method == b"HEAD" or status < 200 or status in (204, 304)
    unlengthed = status < 200 or status == 204
    kept = [
        text
        for text, line in read
        if (line.kind in _PASSED and line.name not in listed)
        or (line.kind is Kind.CONTENT_LENGTH and not unlengthed and not facts.codings)
    ]
    fields = Fields(http1=b"\r\n".join(kept) + b"\r\n" if kept else b"")
    chunked = bool(facts.codings)
    if status == 101:
        _check_switch(facts, upgrade)
    until_close = not bodiless and not chunked and facts.length is None
    length = 0 if bodiless else UNKNOWN if facts.length is None else facts.length
    old = match[1] == b"0"
    keeps = not until_close and b"close" not in facts.connection and (not old or b"keep-alive" in facts.connection)
    head = ResponseHead(status, fields, length, reason=match[3] or b"", upgrade=upgrade if status == 101 else b"")
    return Response(head, chunked and not bodiless, until_close, keeps, facts.idle)


# Request-only fields mean nothing to a proxy in an answer; what is the mesh's own may not be forged by a service.
_PASSED = frozenset(
    {
        Kind.PLAIN,
        Kind.HOST,
        Kind.EXPECT,
        Kind.REQUEST_ID,
        Kind.TRACEPARENT,
        Kind.FORWARDED,
        Kind.SEC_FETCH_SITE,
    }
)


def _facts_of(lines: Iterable[Line]) -> _Facts:
    facts = _Facts()
    for line in lines:
        match line.kind:
            case Kind.CONTENT_LENGTH:
                if facts.length is not None:
                    raise Malformed(UPSTREAM_PROTOCOL, "there are two Content-Length fields")
                facts.length = read_length(line.value, UPSTREAM_PROTOCOL)
            case Kind.TRANSFER_ENCODING:
                facts.codings.append(line.value.lower())
            case Kind.CONNECTION:
                facts.connection += tokens_of(line.value)
            case Kind.UPGRADE:
                facts.upgrade = line.value.lower()
            case Kind.KEEP_ALIVE:
                said = _TIMEOUT.search(line.value.lower())
                facts.idle = float(said[1]) if said else 0.0
            case _:
                """Passed on, or dropped, as it is."""
    if facts.codings and facts.codings != [b"chunked"]:
        raise Malformed(UPSTREAM_PROTOCOL, "Transfer-Encoding is not exactly chunked")
    if facts.codings and facts.length is not None:
        raise Malformed(UPSTREAM_PROTOCOL, "there is a Content-Length beside Transfer-Encoding")
    return facts


def _check_switch(facts: _Facts, upgrade: bytes) -> None:
    if not upgrade:
        raise Malformed(UPSTREAM_PROTOCOL, "it switched protocols without being asked")
    if facts.upgrade != upgrade or b"upgrade" not in facts.connection:
        raise Malformed(UPSTREAM_PROTOCOL, "it switched to another protocol than was asked for")
