"""May a request be sent once more? The whole table."""

import pytest

from minimesh.policy.resend import IDEMPOTENT, Loss, may_resend


@pytest.mark.parametrize(
    ("loss", "method", "tries", "stale", "expected"),
    [
        (Loss.NOT_CONNECTED, b"GET", 1, 0, True),
        (Loss.NOT_CONNECTED, b"POST", 1, 0, True),
        (Loss.NOT_CONNECTED, b"POST", 2, 0, False),
        (Loss.UNPROCESSED, b"POST", 1, 0, True),
        (Loss.UNPROCESSED, b"GET", 2, 0, False),
        (Loss.STALE, b"GET", 1, 0, True),
        (Loss.STALE, b"GET", 2, 1, True),
        (Loss.STALE, b"GET", 1, 2, False),
        (Loss.STALE, b"POST", 1, 0, False),
        (Loss.STALE, b"PATCH", 1, 0, False),
        (Loss.PERHAPS_PROCESSED, b"GET", 1, 0, False),
        (Loss.PERHAPS_PROCESSED, b"POST", 0, 0, False),
    ],
)
def test_may_resend(loss: Loss, method: bytes, tries: int, stale: int, expected: bool) -> None:
    assert may_resend(loss, method, tries, stale) is expected


def test_idempotent_methods_are_those_of_the_rfc() -> None:
    assert frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"}) == IDEMPOTENT
