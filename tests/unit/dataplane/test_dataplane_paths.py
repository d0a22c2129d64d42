"""One canonical path; see the table of refused ones in the conformance suite."""

import pytest

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.paths import canonical


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", b"/"),
        (b"/a/b", b"/a/b"),
        (b"/a/", b"/a/"),
        (b"//", b"/"),
        (b"//a//b//", b"/a/b/"),
        (b"/.", b"/"),
        (b"/./", b"/"),
        (b"/a/.", b"/a/"),
        (b"/a/./b", b"/a/b"),
        (b"/a/..", b"/"),
        (b"/a/../", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/a/../b", b"/b"),
        (b"/...", b"/..."),
        (b"/.well-known", b"/.well-known"),
        (b"/%61%2D%7e", b"/a-~"),
        (b"/%2f%5c%3F", b"/%2F%5C%3F"),
        (b"/%c3%a4", b"/%C3%A4"),
        (b"/a/%2e%2e/b", b"/b"),
        (b"/a/.%2E/b", b"/b"),
        (b"/%25%32%65", b"/%252e"),
        (b"/?a=/../%zz//", b"/?a=/../%zz//"),
        (b"/a//b?", b"/a/b?"),
        (b"/a?b?c", b"/a?b?c"),
    ],
)
def test_canonical(target: bytes, expected: bytes) -> None:
    assert canonical(target) == expected


@pytest.mark.parametrize(
    "target", [b"/..", b"/../a", b"/a/../..", b"/%2e%2e", b"/%00", b"/a#b", b"/a?b#c", b"/%", b"/%a", b"/%-1", b"/%g0"]
)
def test_refused(target: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        canonical(target)
    assert caught.value.reason.status == 400
