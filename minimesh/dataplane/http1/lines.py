"""The field lines of a head: checked as a whole, told apart by their names.

A proxy understands a dozen fields and passes the others on as they are. So the characters of all lines are checked at
once, each name is looked up in the spelling that it came in, and only what means something has its value read.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from minimesh.dataplane.errors import Malformed
from minimesh.model.reason import Reason

PLAIN = 0
"""The kind of a field that means nothing to a proxy: it is passed on as it is."""

# RFC 9110, section 5.6.2 (token) and 5.5 (field values: no CR, LF, NUL, nor other controls but the tab).
# Checked by deleting what is allowed, which takes linear time whatever the input.
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

_MOST_NAMES = 2048
_LONGEST_NAME = 128


class Names:
    """What the names of one sort of head mean, by kind. `by_spelling` has each name as it was sent before; it is
    bounded. `ours`: the kind of x-minimesh-* fields, which are never believed. Raises Malformed with `fault`."""

    def __init__(self, kinds: Mapping[bytes, int], fault: Reason, ours: int) -> None:
        self.by_spelling = dict(kinds)
        self._kinds = kinds
        self._fault = fault
        self._ours = ours

    def learn(self, line: bytes) -> int:
        """The kind of a line whose name was not seen in this spelling (RFC 9112, section 5)."""
        name, colon, _ = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN):
            raise Malformed(self._fault, _what_is_wrong_with(line))
        lower = name.lower()
        kind = self._ours if lower.startswith(b"x-minimesh-") else self._kinds.get(lower, PLAIN)
        if len(name) <= _LONGEST_NAME:
            if len(self.by_spelling) >= _MOST_NAMES:
                self.by_spelling.clear()
            self.by_spelling[name] = kind
        return kind

    def check(self, lines: Iterable[bytes]) -> None:
        """No line may have a character that values may not have; names are looked at by `learn`."""
        if b"".join(lines).translate(None, TEXT):
            wrong = next(line for line in lines if line.translate(None, TEXT))
            raise Malformed(self._fault, _what_is_wrong_with(wrong))


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


def read_length(value: bytes, fault: Reason) -> int:
    """Content-Length: digits alone, below 10^18 (RFC 9110, section 8.6; no list of equal ones is accepted)."""
    digits = value.strip(b" \t")
    if not digits.isdigit() or len(digits) > 18:
        raise Malformed(fault, "Content-Length is not one number")
    return int(digits)
