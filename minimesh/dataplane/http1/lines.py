"""One field line of a head: checked once, then remembered.

Most lines of a connection have been seen before (Host, User-Agent, Accept …), so a line's meaning is looked up by
its bytes. The memory is bounded, and lines that carry secrets or hardly repeat are never kept in it.
"""

import re
from enum import IntEnum
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.model.reason import Reason

# RFC 9110, section 5.6.2 (token) and 5.5 (field values: no CR, LF, NUL, nor other controls but the tab).
# Checked by deleting what is allowed, which takes linear time whatever the input.
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))


class Kind(IntEnum):
    """What a field means to a proxy. PLAIN: nothing, it is passed on as it is."""

    PLAIN = 0
    HOP = 1
    HOST = 2
    CONTENT_LENGTH = 3
    TRANSFER_ENCODING = 4
    CONNECTION = 5
    UPGRADE = 6
    EXPECT = 7
    TE = 8
    REQUEST_ID = 9
    TRACEPARENT = 10
    FORWARDED = 11
    SEC_FETCH_SITE = 12
    OURS = 13
    KEEP_ALIVE = 14


class Line(NamedTuple):
    kind: Kind
    name: bytes
    value: bytes


_KINDS = {
    b"proxy-connection": Kind.HOP,
    b"proxy-authorization": Kind.HOP,
    b"http2-settings": Kind.HOP,
    b"keep-alive": Kind.KEEP_ALIVE,
    b"host": Kind.HOST,
    b"content-length": Kind.CONTENT_LENGTH,
    b"transfer-encoding": Kind.TRANSFER_ENCODING,
    b"connection": Kind.CONNECTION,
    b"upgrade": Kind.UPGRADE,
    b"expect": Kind.EXPECT,
    b"te": Kind.TE,
    b"x-request-id": Kind.REQUEST_ID,
    b"traceparent": Kind.TRACEPARENT,
    b"x-forwarded-for": Kind.FORWARDED,
    b"x-forwarded-proto": Kind.FORWARDED,
    b"x-forwarded-host": Kind.FORWARDED,
    b"x-forwarded-port": Kind.FORWARDED,
    b"x-real-ip": Kind.FORWARDED,
    b"forwarded": Kind.FORWARDED,
    b"sec-fetch-site": Kind.SEC_FETCH_SITE,
    b"x-forwarded-client-cert": Kind.OURS,
}

_UNREMEMBERED = frozenset(
    {b"authorization", b"cookie", b"set-cookie", b"x-api-key", b"proxy-authorization", b"traceparent", b"x-request-id"}
)
_REMEMBERED_LINES = 4096
_LONGEST_REMEMBERED = 256

_memory: dict[bytes, Line] = {}


def read_line(line: bytes, fault: Reason) -> Line:
    """A line without its CRLF. Raises Malformed with `fault` when it is not one (RFC 9112, section 5)."""
    known = _memory.get(line)
    if known is not None:
        return known
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, _TOKEN) or value.translate(None, _TEXT):
        raise Malformed(fault, _what_is_wrong_with(line))
    name = name.lower()
    kind = _KINDS.get(name, Kind.PLAIN)
    if kind is Kind.PLAIN and name.startswith(b"x-minimesh-"):
        kind = Kind.OURS
    known = Line(kind, name, value.strip(b" \t"))
    if len(line) <= _LONGEST_REMEMBERED and name not in _UNREMEMBERED:
        if len(_memory) >= _REMEMBERED_LINES:
            _memory.clear()
        _memory[line] = known
    return known


def _what_is_wrong_with(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return "a field is folded over two lines"
    name, colon, value = line.partition(b":")
    if not colon:
        return "a field has no colon"
    if not name:
        return "a field has no name"
    if name[-1:] in (b" ", b"\t"):
        return "there is a space before a field's colon"
    for byte, called in ((b"\r", "a lone CR"), (b"\n", "a lone LF"), (b"\0", "a NUL")):
        if byte in value:
            return f"there is {called} in a field's value"
    if name.translate(None, _TOKEN):
        return "a field's name has a character that names may not have"
    return "a field's value has a control character in it"


def tokens_of(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, in lower case, empty ones left out (RFC 9110, section 5.6.1)."""
    return [token for part in value.lower().split(b",") if (token := part.strip(b" \t"))]


_LENGTH = re.compile(rb"[0-9]{1,18}")


def read_length(value: bytes, fault: Reason) -> int:
    """A Content-Length: digits alone, below 10^18 (RFC 9110, section 8.6; no list of equal ones is accepted)."""
    if not _LENGTH.fullmatch(value):
        raise Malformed(fault, "Content-Length is not one number")
    return int(value)
