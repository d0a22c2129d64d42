"""WebSocket's handshake between a caller and an endpoint of which only one speaks HTTP/1 (RFC 6455, section 4).

There the endpoint shows that it read the handshake, by a value made of the caller's key. HTTP/2 has neither of the
two fields (RFC 8441, section 5.1): who stands between makes the key, checks the value, and makes that for the caller.
"""

from base64 import b64encode
from binascii import Error, a2b_base64
from hashlib import sha1

from minimesh.dataplane.heads import Fields

NONCE = 16
"""Bytes of randomness in a key."""
_KEY, _ACCEPT = b"sec-websocket-key", b"sec-websocket-accept"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def key_of(nonce: bytes) -> bytes:
    """The value of Sec-WebSocket-Key; `nonce`: NONCE random bytes."""
    return b64encode(nonce)


def accept_of(key: bytes) -> bytes:
    """What Sec-WebSocket-Accept says to that key (RFC 6455, section 4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def key_in(fields: Fields) -> bytes:
    """The one key of a handshake, b"" where it has none, two, or one that is malformed."""
    keys = [value for name, value in fields.pairs if name == _KEY]
    try:
        good = len(keys) == 1 and len(keys[0]) == 24 and len(a2b_base64(keys[0])) == NONCE
    except Error:
        return b""
    return keys[0] if good else b""


def without_key(fields: Fields) -> Fields:
    return _without(fields, _KEY)


def answers(fields: Fields, accept: bytes) -> bool:
    """Whether an endpoint's 101 is the answer to the key that this value is made of."""
    return [value for name, value in fields.pairs if name == _ACCEPT] == [accept]


def with_accept(fields: Fields, accept: bytes) -> Fields:
    """Of a 101: what a caller has to see that sent a key; b"" for one that did not."""
    pairs = _without(fields, _ACCEPT).pairs
    return Fields((*pairs, (_ACCEPT, accept)) if accept else pairs)


def _without(fields: Fields, name: bytes) -> Fields:
    return Fields(tuple(pair for pair in fields.pairs if pair[0] != name))
