"""One field line of a head: checked once, understood once, then remembered.

Most lines of a connection have been seen before (Host, User-Agent, Accept …), so what a line means is looked up by its
bytes. The memory is bounded, and lines that carry secrets or hardly repeat are never kept in it.
"""

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from minimesh.dataplane.errors import Malformed
from minimesh.model.reason import Reason

M = TypeVar("M")

PLAIN = 0
"""The kind of a field that means nothing to a proxy: it is passed on as it is."""

# RFC 9110, section 5.6.2 (token) and 5.5 (field values: no CR, LF, NUL, nor other controls but the tab).
# Checked by deleting what is allowed, which takes linear time whatever the input.
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

_SECRET_OR_UNIQUE = frozenset(
    {
        b"authorization",
        b"cookie",
        b"proxy-authorization",
        b"set-cookie",
        b"traceparent",
        b"tracestate",
        b"x-api-key",
        b"x-request-id",
    }
)
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 256


class Line(NamedTuple, Generic[M]):
    """`name` in lower case; `meaning` is what the kind's reader made of the value."""

    kind: int
    name: bytes
    meaning: M | None


Reader = Callable[[bytes], M]


class Lines(Generic[M]):
    """The reader of one sort of head: which fields mean something there, and how their values are read.

    `ours`: the kind of x-minimesh-* fields, which are never believed. Raises Malformed with `fault`.
    """

    def __init__(self, kinds: Mapping[bytes, tuple[int, Reader[M]]], fault: Reason, ours: int) -> None:
        self._kinds = kinds
        self._fault = fault
        self._ours = ours
        self._memory: dict[bytes, Line[M]] = {}
        self.seen = self._memory.get
        """The line if it was read before, else None."""

    def read(self, text: bytes) -> Line[M]:
        """A line that was not seen, without its CRLF (RFC 9112, section 5)."""
        name, colon, value = text.partition(b":")
        if not colon or not name or name.translate(None, TOKEN) or value.translate(None, TEXT):
            raise Malformed(self._fault, _what_is_wrong_with(text))
        name = name.lower()
        known = self._kinds.get(name)
        if known is not None:
            line = Line(known[0], name, known[1](value.strip(b" \t")))
        elif name.startswith(b"x-minimesh-"):
            line = Line(self._ours, name, None)
        else:
            line = Line(PLAIN, name, None)
        if len(text) <= _LONGEST_REMEMBERED and name not in _SECRET_OR_UNIQUE:
            if len(self._memory) >= _REMEMBERED:
                self._memory.clear()
            self._memory[text] = line
        return line


def _what_is_wrong_with(text: bytes) -> str:
    if text[:1] in (b" ", b"\t"):
        return "a field is folded over two lines"
    name, colon, value = text.partition(b":")
    if not colon:
        return "a field has no colon"
    if not name:
        return "a field has no name"
    if name[-1:] in (b" ", b"\t"):
        return "there is a space before a field's colon"
    for byte, called in ((b"\r", "a lone CR"), (b"\n", "a lone LF"), (b"\0", "a NUL")):
        if byte in value:
            return f"there is {called} in a field's value"
    if name.translate(None, TOKEN):
        return "a field's name has a character that names may not have"
    return "a field's value has a control character in it"


def tokens_of(value: bytes) -> frozenset[bytes]:
    """The members of a comma-separated list, in lower case, empty ones left out (RFC 9110, section 5.6.1)."""
    return frozenset(token for part in value.lower().split(b",") if (token := part.strip(b" \t")))


class Connection(NamedTuple):
    """What a Connection field says. `listed`: other fields that are for this connection alone."""

    close: bool
    keep_alive: bool
    upgrade: bool
    listed: frozenset[bytes]


UNSAID = Connection(False, False, False, frozenset())
_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade"})
# What decides framing and routing stays whatever Connection says: to drop it would be smuggling.
_STAYING = frozenset({b"content-length", b"host", b"transfer-encoding"})


def read_connection(value: bytes) -> Connection:
    """RFC 9110, section 7.6.1."""
    tokens = tokens_of(value)
    return Connection(b"close" in tokens, b"keep-alive" in tokens, b"upgrade" in tokens, tokens - _OPTIONS - _STAYING)


def both(one: Connection, other: Connection) -> Connection:
    """What two Connection fields of one head say together."""
    return Connection(
        one.close or other.close,
        one.keep_alive or other.keep_alive,
        one.upgrade or other.upgrade,
        one.listed | other.listed,
    )


def joined(lines: list[bytes]) -> bytes:
    """Lines as they stand in a head."""
    return b"\r\n".join(lines) + b"\r\n" if lines else b""


def without(lines: list[bytes], listed: frozenset[bytes]) -> list[bytes]:
    """Drop the fields that Connection lists."""
    return [line for line in lines if line.partition(b":")[0].lower() not in listed]


def ignored(value: bytes) -> None:
    """The reader of a field that is dropped whatever it says."""


def lower(value: bytes) -> bytes:
    return value.lower()


def length_reader(fault: Reason) -> Reader[int]:
    """Content-Length: digits alone, below 10^18 (RFC 9110, section 8.6; no list of equal ones is accepted)."""

    def read(value: bytes) -> int:
        if not value.isdigit() or len(value) > 18:
            raise Malformed(fault, "Content-Length is not one number")
        return int(value)

    return read
