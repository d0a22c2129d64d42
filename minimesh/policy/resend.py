"""May a request be sent once more? Whether it was processed decides, then whether twice would do harm."""

from enum import Enum

# RFC 9110, section 9.2.2: idempotent methods. TRACE is among them but is never forwarded.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})

MOST_CONNECT_TRIES = 2
"""One more after a refused or failed connection: nothing was sent, so the method does not matter."""

KEPT_BODY = 64 * 1024
"""Bytes of a request's body that are kept to be sent again; a longer body is sent once."""


class Loss(Enum):
    """What became of a try that brought no answer."""

    NOT_CONNECTED = 1
    UNPROCESSED = 2
    STALE = 3
    PERHAPS_PROCESSED = 4


def may_resend(loss: Loss, method: bytes, tries: int, stale: int) -> bool:
    """`tries`: made so far, stale ones apart. `stale`: kept connections that turned out to be closed.

    A kept connection that the endpoint had closed says nothing about the endpoint's health, so it does not count as
    a try; but for a method that is not idempotent it is never known whether the endpoint took the request first.
    """
    match loss:
        case Loss.NOT_CONNECTED | Loss.UNPROCESSED:
            return tries < MOST_CONNECT_TRIES
        case Loss.STALE:
            return method in IDEMPOTENT and stale <= 1
        case Loss.PERHAPS_PROCESSED:
            return False
