"""What the fields of a head say of one connection, apart from what they say to the other end."""

from collections.abc import Callable, Iterable

import h11

from minimesh.dataplane.heads import Fields
from minimesh.dataplane.names import is_forged

Head = h11.Request | h11.InformationalResponse | h11.Response

HOP_BY_HOP = frozenset(
    b"connection http2-settings keep-alive proxy-authorization proxy-connection te transfer-encoding upgrade".split()
)
_FRAMING = frozenset(b"host content-length transfer-encoding".split())


def tokens_of(event: Head, name: bytes) -> frozenset[bytes]:
    """The members of a comma-separated field, in lower case."""
    values = (value for key, value in event.headers if key == name)
    members = (token.strip(b" \t") for value in values for token in value.lower().split(b","))
    return frozenset(token for token in members if token)


def last(event: Head, name: bytes) -> bytes:
    """The last value of a field, b"" where there is none."""
    values = [value for key, value in event.headers if key == name]
    return values[-1] if values else b""


def end_to_end(event: Head, also_dropped: Iterable[bytes]) -> Fields:
    """What is passed on: without what belongs to the connection and what Connection lists (RFC 9110, 7.6.1)."""
    dropped = HOP_BY_HOP | frozenset(also_dropped) | (tokens_of(event, b"connection") - _FRAMING)
    return only(event, lambda name: name not in dropped and not is_forged(name))


def only(event: Head, wanted: Callable[[bytes], bool]) -> Fields:
    """Some of the fields, in their sender's spelling."""
    lines = [b"%b: %b\r\n" % (name, value) for name, value in event.headers.raw_items() if wanted(name.lower())]
    return Fields(http1=b"".join(lines))
