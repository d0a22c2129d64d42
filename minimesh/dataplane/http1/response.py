"""The head of an answer: as strict towards the service as the other side is towards the caller."""

import re
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.heads import UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.http1.lines import (
    PLAIN,
    UNSAID,
    Lines,
    both,
    joined,
    read_connection,
    read_length,
    value_of,
    without,
)
from minimesh.model.reason import UPSTREAM_PROTOCOL

_DROPPED, _LENGTH, _CODING, _CONNECTION, _UPGRADE, _KEEP_ALIVE = range(1, 7)

# RFC 9112, section 4; a missing space before an empty reason is common and harmless.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_TIMEOUT = re.compile(rb"\btimeout=([0-9]{1,6})\b")


_LINES = Lines(
    {
        b"proxy-connection": _DROPPED,
        b"te": _DROPPED,
        b"content-length": _LENGTH,
        b"transfer-encoding": _CODING,
        b"connection": _CONNECTION,
        b"upgrade": _UPGRADE,
        b"keep-alive": _KEEP_ALIVE,
    },
    UPSTREAM_PROTOCOL,
    _DROPPED,
)


class Response:
    """`until_close`: the body ends with the connection. `keeps`: the connection can serve again afterwards;
    `idle`: for so many seconds at most, as the service said (Keep-Alive: timeout=…), 0.0 if it did not."""

    __slots__ = ("chunked", "head", "idle", "keeps", "until_close")

    def __init__(self, head: ResponseHead, chunked: bool, until_close: bool, keeps: bool, idle: float) -> None:
        self.head = head
        self.chunked = chunked
        self.until_close = until_close
        self.keeps = keeps
        self.idle = idle


class _Facts:
    """What the fields of an answer's head say of framing and of the connection, where they say it. length -1: none."""

    length = -1
    length_line = b""
    chunked = False
    connection = UNSAID
    upgrade = b""
    idle = 0.0


class _Status(NamedTuple):
    status: int
    words: bytes
    old: bool


_MOST_STATUS_LINES = 256
_status_lines: dict[bytes, _Status] = {}


def _read_status(line: bytes) -> _Status:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Malformed(UPSTREAM_PROTOCOL, "the status line is not HTTP/1.1 STATUS REASON")
    if len(_status_lines) >= _MOST_STATUS_LINES:
        _status_lines.clear()
    _status_lines[line] = status = _Status(int(match[2]), match[3] or b"", match[1] == b"0")
    return status


def read_response(raw: bytes, method: bytes, upgrade: bytes, most_fields: int) -> Response:
    """A head with the empty line that ends it, as the answer to a request of that method that asked for that
    upgrade. Raises Malformed."""
    end = raw.index(b"\r\n")
    status, words, old = _status_lines.get(raw[:end]) or _read_status(raw[:end])
    facts = _Facts()
    kept = _read_fields(raw[end + 2 : -4].split(b"\r\n") if len(raw) > end + 4 else [], most_fields, facts)
    connection, length, chunked = facts.connection, facts.length, facts.chunked
    if chunked and old:
        raise Malformed(UPSTREAM_PROTOCOL, "there is a Transfer-Encoding in HTTP/1.0")
    if connection.listed:
        kept = without(kept, connection.listed)
    if status == 101:
        _check_switch(facts, upgrade)
    bodiless = method == b"HEAD" or status < 200 or status == 204 or status == 304
    if facts.length_line and (not bodiless or (status >= 200 and status != 204)):
        kept.append(facts.length_line)
    until_close = not bodiless and not chunked and length < 0
    keeps = not until_close and not connection.close and (not old or connection.keep_alive)
    head = ResponseHead(
        status,
        Fields(None, joined(kept)),
        0 if bodiless else UNKNOWN if length < 0 else length,
        words,
        upgrade if status == 101 else b"",
    )
    return Response(head, chunked and not bodiless, until_close, keeps, facts.idle)


def _read_fields(lines: list[bytes], most: int, facts: _Facts) -> list[bytes]:
    """Note what decides something, return the lines that are passed on."""
    if len(lines) > most:
        raise Malformed(UPSTREAM_PROTOCOL, f"more than {most} fields")
    seen, read = _LINES.seen, _LINES.read
    kept: list[bytes] = []
    for line in lines:
        kind = seen(line)
        if kind is None:
            kind = read(line)
        if kind == PLAIN:
            kept.append(line)
        elif kind != _DROPPED:
            _note(facts, kind, line)
    if facts.chunked and facts.length_line:
        raise Malformed(UPSTREAM_PROTOCOL, "there is a Content-Length beside Transfer-Encoding")
    return kept


def _note(facts: _Facts, kind: int, line: bytes) -> None:
    if kind == _LENGTH:
        if facts.length_line:
            raise Malformed(UPSTREAM_PROTOCOL, "there are two Content-Length fields")
        facts.length = read_length(line, UPSTREAM_PROTOCOL)
        facts.length_line = line
    elif kind == _CONNECTION:
        said = read_connection(line)
        facts.connection = said if facts.connection is UNSAID else both(facts.connection, said)
    elif kind == _CODING:
        if facts.chunked or value_of(line).lower() != b"chunked":
            raise Malformed(UPSTREAM_PROTOCOL, "Transfer-Encoding is not exactly chunked")
        facts.chunked = True
    elif kind == _KEEP_ALIVE:
        said_idle = _TIMEOUT.search(value_of(line).lower())
        facts.idle = float(said_idle[1]) if said_idle else 0.0
    elif kind == _UPGRADE:
        facts.upgrade = value_of(line).lower()


def _check_switch(facts: _Facts, upgrade: bytes) -> None:
    if not upgrade:
        raise Malformed(UPSTREAM_PROTOCOL, "it switched protocols without being asked")
    if facts.upgrade != upgrade or not facts.connection.upgrade:
        raise Malformed(UPSTREAM_PROTOCOL, "it switched to another protocol than was asked for")
