"""HPACK, how HTTP/2 packs fields (RFC 7541), made for forwarding.

What is sent refers to the static table alone, so that a field's bytes are the same on every connection. What is
received may use a dynamic table until the peer has acknowledged that it has none; from then on a field that came
before is one look-up of its bytes.
"""

from minimesh.dataplane.http2.hpack.decoder import Decoder
from minimesh.dataplane.http2.hpack.encoder import NO_TABLE, SECRETS, block, literal, never_indexed, status
from minimesh.dataplane.http2.hpack.errors import HpackError, TooLarge
from minimesh.dataplane.http2.hpack.memory import Memory

__all__ = [
    "NO_TABLE",
    "SECRETS",
    "Decoder",
    "HpackError",
    "Memory",
    "TooLarge",
    "block",
    "literal",
    "never_indexed",
    "status",
]
