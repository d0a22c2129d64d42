"""The field lines of a head: each checked, and told apart by what it means to a proxy.

A proxy understands a dozen fields and passes the others on as they are. Most lines of a connection have been seen
before (User-Agent, Accept, Server …), so a line is looked up by its bytes; only a new one is taken apart. The memory is
bounded, and lines that carry secrets or hardly repeat are never kept in it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.names import is_forged
from minimesh.model.reason import Reason

PLAIN = 0
"""The kind of a field that means nothing to a proxy: it is passed on as it is."""

# RFC 9110, section 5.6.2 (token) and 5.5 (field values: no CR, LF, NUL, nor other controls but the tab).
# Checked by deleting what is allowed, which takes linear time whatever the input.
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

_SECRET_OR_UNIQUE = frozenset(
    b"authorization cookie etag if-modified-since if-none-match last-modified proxy-authorization set-cookie "
    b"traceparent tracestate x-api-key x-request-id".split()
)
_MOST_LINES = 4096
_LONGEST_LINE = 256
_MOST_NAMES = 2048
_LONGEST_NAME = 128


class _Name(NamedTuple):
    kind: int
    remembered: bool


class Lines:
    """What the lines of one sort of head mean, by kind. Raises Malformed with `fault`.

    `seen` gives the kind of a line that was read before, else None. `ours`: the kind of fields that the mesh
    alone may say, which are never believed.
    """

    def __init__(self, kinds: Mapping[bytes, int], fault: Reason, ours: int) -> None:
        self._kinds = kinds
        self._fault = fault
        self._ours = ours
        self._names: dict[bytes, _Name] = {}
        self._memory: dict[bytes, int] = {}
        self.seen = self._memory.get

    def read(self, line: bytes) -> int:
        """The kind of a line that was not seen, without its CRLF (RFC 9112, section 5)."""
        name, colon, value = line.partition(b":")
        known = self._names.get(name) or self._learn(name, line)
        if not colon or value.translate(None, TEXT):
            raise Malformed(self._fault, _what_is_wrong_with(line))
        kind, remembered = known
        if remembered and len(line) <= _LONGEST_LINE:
            if len(self._memory) >= _MOST_LINES:
                self._memory.clear()
            self._memory[line] = kind
        return kind

    def _learn(self, name: bytes, line: bytes) -> _Name:
        """A name in a spelling that was not seen."""
        if not name or name.translate(None, TOKEN):
            raise Malformed(self._fault, _what_is_wrong_with(line))
        lower = name.lower()
        kind = self._ours if is_forged(lower) else self._kinds.get(lower, PLAIN)
        known = _Name(kind, lower not in _SECRET_OR_UNIQUE)
        if len(name) <= _LONGEST_NAME:
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            self._names[name] = known
        return known


def value_of(line: bytes) -> bytes:
    return line[line.index(b":") + 1 :].strip(b" \t")


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


@lru_cache(maxsize=64)
def read_connection(line: bytes) -> Connection:
    """RFC 9110, section 7.6.1."""
    tokens = tokens_of(value_of(line))
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


@lru_cache(maxsize=128)
def read_length(line: bytes, fault: Reason) -> int:
    """Content-Length: digits alone, below 10^18 (RFC 9110, section 8.6; no list of equal ones is accepted)."""
    value = value_of(line)
    if not value.isdigit() or len(value) > 18:
        raise Malformed(fault, "Content-Length is not one number")
    return int(value)
