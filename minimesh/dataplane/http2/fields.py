"""A field of HTTP/2, checked once and told apart by what it means to a proxy (RFC 9113, section 8.2)."""

from collections.abc import Callable, Mapping

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http2.hpack import SECRETS, Memory, literal, never_indexed
from minimesh.dataplane.names import is_forged
from minimesh.model.reason import Reason

PLAIN = 0
"""The kind of a field that means nothing to a proxy: it is passed on as it is."""
DROPPED = 1
PSEUDO = 2
FORBIDDEN = 3

# RFC 9113, section 8.2.1: no upper case; else the characters of a token. Deleting what is allowed takes linear time.
_NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

UNIQUE = frozenset(
    b"etag grpc-timeout if-modified-since if-none-match last-modified traceparent tracestate x-request-id".split()
)
"""What hardly repeats."""
FORGOTTEN = SECRETS | UNIQUE

# RFC 9113, section 8.2.2: what belongs to a connection has no meaning here, and is malformed.
OF_CONNECTIONS = dict.fromkeys(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"), FORBIDDEN
)


class Field:
    """`http2`: as it is sent on. Immutable, and shared by all connections."""

    __slots__ = ("http2", "kind", "name", "value")

    def __init__(self, name: bytes, value: bytes, kind: int, http2: bytes) -> None:
        self.name = name
        self.value = value
        self.kind = kind
        self.http2 = http2


def memory(kinds: Mapping[bytes, int], fault: Reason) -> Memory[Field]:
    """Of all requests, or of all answers: `kinds` of their fields, by name. What is wrong is Malformed with `fault`."""
    return Memory(_maker({**OF_CONNECTIONS, **kinds}, fault), FORGOTTEN)


def _maker(kinds: Mapping[bytes, int], fault: Reason) -> Callable[[bytes, bytes, bool], Field]:
    def make(name: bytes, value: bytes, never: bool) -> Field:
        plain_name = name[1:] if name[:1] == b":" else name
        if not plain_name or plain_name.translate(None, _NAME):
            raise Malformed(fault, "a field's name has a character that names may not have")
        if value.translate(None, _TEXT) or value[:1] in (b" ", b"\t") or value[-1:] in (b" ", b"\t"):
            raise Malformed(fault, "a field's value has a control character in it, or a space around it")
        kind = kinds.get(name, PSEUDO if plain_name is not name else PLAIN)
        if kind == FORBIDDEN:
            raise Malformed(fault, f"{name.decode()} does not belong in HTTP/2")
        if kind == PLAIN and is_forged(name):
            kind = DROPPED
        written = never_indexed if never or name in SECRETS else literal
        return Field(name, value, kind, written(name, value))

    return make


def read_length(field: Field, before: int, fault: Reason) -> int:
    """Content-Length: digits alone, below 10^18. `before`: what another said, -1 for none."""
    value = field.value
    if not value.isdigit() or len(value) > 18:
        raise Malformed(fault, "Content-Length is not one number")
    if before >= 0:
        raise Malformed(fault, "there are two Content-Length fields")
    return int(value)
