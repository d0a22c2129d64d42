"""Host and path to route: precedence by table, the whole by a naive matcher (tests/property)."""

import pytest

from minimesh.dataplane.router import Router, host_of
from minimesh.model.route import ANY_PATH, PathKind, PathMatch


def exact(value: str) -> PathMatch:
    return PathMatch(PathKind.EXACT, value)


def prefix(value: str) -> PathMatch:
    return PathMatch(PathKind.PREFIX, value)


def regex(value: str) -> PathMatch:
    return PathMatch(PathKind.REGEX, value)


ROUTER = Router(
    [
        ("a.test", exact("/x"), "a exact"),
        ("a.test", prefix("/x"), "a prefix"),
        ("a.test", prefix("/x/y"), "a longer prefix"),
        ("a.test", regex("^/v[0-9]+/"), "a regex"),
        ("a.test", regex("^/v1/"), "never"),
        ("*.a.test", prefix("/only"), "below a"),
        ("*.test", ANY_PATH, "below test"),
        (None, prefix("/x"), "any host"),
        (None, exact("/x"), "any host, exact"),
        (None, exact("/x"), "never"),
    ]
)


@pytest.mark.parametrize(
    ("authority", "path", "expected"),
    [
        (b"a.test", b"/x", "a exact"),
        (b"a.test:80", b"/x/", "a prefix"),
        (b"a.test", b"/x/yz", "a prefix"),
        (b"a.test", b"/x/y", "a longer prefix"),
        (b"a.test", b"/x/y/z/deep/er", "a longer prefix"),
        (b"a.test", b"/v12/a", "a regex"),
        (b"a.test", b"/v1/", "a regex"),
        (b"a.test", b"/z", "below test"),
        (b"b.a.test", b"/only/this", "below a"),
        (b"c.b.a.test", b"/only", "below a"),
        (b"b.a.test", b"/other", "below test"),
        (b"b.test", b"/x", "below test"),
        (b"test", b"/x", "any host, exact"),
        (b"other", b"/x/1", "any host"),
        (b"other", b"/xy", None),
        (b"", b"/", None),
        (b"[::1]:80", b"/x/1", "any host"),
    ],
)
def test_precedence(authority: bytes, path: bytes, expected: str | None) -> None:
    assert ROUTER.find(authority, path) == expected


METHODS = Router(
    [
        (None, ANY_PATH, "all"),
        (None, exact("/a.B/Get"), "path"),
        (None, PathMatch(PathKind.PREFIX, "/a.B", grpc=True), "service"),
        (None, PathMatch(PathKind.EXACT, "/a.B/List", grpc=True), "method"),
        ("b.test", prefix("/a.B"), "host"),
    ]
)


@pytest.mark.parametrize(
    ("authority", "path", "called", "otherwise"),
    [
        (b"a.test", b"/a.B/List", "method", "all"),
        (b"a.test", b"/a.B/Get", "service", "path"),
        (b"a.test", b"/a.Bc/List", "all", "all"),
        (b"b.test", b"/a.B/List", "host", "host"),
    ],
)
def test_methods_are_for_calls_of_grpc_alone_and_first_within_a_host(
    authority: bytes, path: bytes, called: str, otherwise: str
) -> None:
    assert METHODS.find(authority, path, True) == called
    assert METHODS.find(authority, path) == otherwise


def test_the_root_prefix_is_any_path() -> None:
    router = Router([(None, ANY_PATH, "all")])
    assert [router.find(b"x", path) for path in (b"/", b"/a", b"*", b"")] == ["all"] * 4


@pytest.mark.parametrize(
    ("authority", "host"),
    [(b"a", b"a"), (b"a:1", b"a"), (b"[::1]", b"[::1]"), (b"[::1]:80", b"[::1]"), (b"", b"")],
)
def test_host_of(authority: bytes, host: bytes) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize(
    ("host", "there"),
    [
        (b"a.test", True),
        (b"b.test", False),
        (b"x.c.test", True),
        (b"y.x.c.test", True),
        (b"c.test", False),
        (b"test", False),
        (b"", False),
    ],
)
def test_a_host_is_there_by_name_or_by_wildcard(host: bytes, there: bool) -> None:
    routes = [("a.test", ANY_PATH, 1), ("*.c.test", ANY_PATH, 2), (None, ANY_PATH, 3)]
    assert Router(routes).has_host(host) is there
