"""Fields, encoded: with the static table alone and without Huffman, so that a field's bytes are the same everywhere."""

from collections.abc import Collection, Iterable

from minimesh.dataplane.http2.hpack import integers, static

SECRETS = frozenset(
    (b"authorization", b"cookie", b"proxy-authorization", b"set-cookie", b"x-api-key", b"x-auth-token", b"x-csrf-token")
)
"""Whoever passes these on must not put them in a table either (RFC 7541, 7.1.3)."""

NO_TABLE = b"\x20"
"""The update of the table's size to 0 that our first block on a connection begins with."""

_INDEXED = 0x80
_NEVER_INDEXED = 0x10

_PAIRS = {pair: integers.written(index, 0x7F, _INDEXED) for pair, index in static.INDEX.items()}
_NAMES = {name: integers.written(index, 0x0F) for name, index in static.NAME_INDEX.items()}
_SECRET_NAMES = {name: integers.written(index, 0x0F, _NEVER_INDEXED) for name, index in static.NAME_INDEX.items()}
_LENGTHS = [bytes((length,)) for length in range(127)]


def literal(name: bytes, value: bytes) -> bytes:
    """A field that is in no table and gets into none. Names come in lower case."""
    return (_NAMES.get(name) or b"\x00" + _text(name)) + _text(value)


def never_indexed(name: bytes, value: bytes) -> bytes:
    """The same, and whoever passes it on must not put it in a table."""
    return (_SECRET_NAMES.get(name) or b"\x10" + _text(name)) + _text(value)


def block(pairs: Iterable[tuple[bytes, bytes]], secrets: Collection[bytes] = SECRETS) -> bytes:
    """A whole block; `secrets`: names whose fields are never indexed."""
    return b"".join(
        [_PAIRS.get(pair) or (never_indexed(*pair) if pair[0] in secrets else literal(*pair)) for pair in pairs]
    )


def status(code: int) -> bytes:
    """`:status`."""
    return _STATUS.get(code) or _status(code)


def _text(data: bytes) -> bytes:
    length = len(data)
    return (_LENGTHS[length] if length < len(_LENGTHS) else integers.written(length, 0x7F)) + data


def _status(code: int) -> bytes:
    return block([(b":status", b"%d" % code)])


_STATUS = {code: _status(code) for code in range(100, 600)}
