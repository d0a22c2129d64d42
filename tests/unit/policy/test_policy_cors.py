"""What browsers are told of pages of other origins."""

import pytest

from minimesh.model.cors import Cors
from minimesh.policy.cors import ANSWERED, Policy

APP = b"https://app.test"


@pytest.mark.parametrize(
    ("written", "origin", "allowed"),
    [
        ("https://app.test", b"https://app.test", True),
        ("https://app.test", b"http://app.test", False),
        ("https://app.test", b"https://app.test:8443", False),
        ("https://app.test", b"https://app.test.evil.test", False),
        ("https://app.test", b"https://xapp.test", False),
        ("https://app.test", b"null", False),
        ("https://app.test", b"", False),
        ("https://*.app.test", b"https://a.app.test", True),
        ("https://*.app.test", b"https://a.b.app.test", True),
        ("https://*.app.test", b"https://app.test", False),
        ("https://*.app.test", b"https://.app.test", False),
        ("https://*.app.test", b"https://evil-app.test", False),
        ("https://*.app.test", b"https://a.app.test:444", False),
        ("https://*.app.test", b"https://evil.test/?a.app.test", False),
        ("https://*.app.test", b"https://evil.test#.app.test", False),
        ("https://*.app.test", b"https://a.app.test\n", False),
        ("https://*.app.test", b"https://a.appxtest", False),
        ("http://localhost:*", b"http://localhost:5173", True),
        ("http://localhost:*", b"http://localhost", True),
        ("http://localhost:*", b"http://localhost:5173.evil.test", False),
        ("http://localhost:*", b"http://localhost.evil.test:80", False),
        ("http://*.localhost:*", b"http://web.shop.localhost:7080", True),
        ("http://[::1]:*", b"http://[::1]:80", True),
        ("*", b"https://anybody.test", True),
        ("*", b"null", True),
    ],
)
def test_an_origin(written: str, origin: bytes, allowed: bool) -> None:
    policy = Policy(Cors((written,)))
    assert policy.allows(origin) is allowed
    assert policy.preflight(origin, b"GET", b"").allowed is allowed
    told = dict(policy.answer(origin))
    assert told.get(b"access-control-allow-origin") == ((b"*" if written == "*" else origin) if allowed else None)


def test_an_answer_says_who_may_read_it_and_that_it_depends_on_who_asks() -> None:
    policy = Policy(Cors(("https://app.test",), credentials=True, expose=("x-total", "x-page")))
    assert policy.answer(APP) == (
        (b"access-control-allow-origin", APP),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"x-total, x-page"),
        (b"vary", b"Origin"),
    )
    assert policy.answer(None) == policy.answer(b"https://evil.test") == ((b"vary", b"Origin"),)


def test_everybody_is_told_the_same_where_all_may() -> None:
    policy = Policy(Cors(("*",)))
    assert policy.answer(APP) == ((b"access-control-allow-origin", b"*"),)
    assert policy.answer(None) == ()


def test_a_preflight_is_told_all_that_may_be() -> None:
    policy = Policy(Cors(("https://app.test",), ("GET", "PUT"), ("content-type", "x-a"), (), True, 600.0))
    assert policy.preflight(APP, b"DELETE", b"x-b").fields == (
        (b"access-control-allow-origin", APP),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET, PUT"),
        (b"access-control-allow-headers", b"content-type, x-a"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (b"x-a,x-b", b"x-a, x-b"),
        (b"X-A , content-type", b"X-A, content-type"),
        (b"x-a, b\x00d, \xff, x y", b"x-a"),
        (b"", None),
    ],
)
def test_with_a_star_what_is_asked_for_is_allowed_by_its_name(asked: bytes, said: bytes | None) -> None:
    """With credentials browsers take a star for a name."""
    policy = Policy(Cors(("https://app.test",), ("*",), ("*",), (), True))
    told = dict(policy.preflight(APP, b"PROPFIND", asked).fields)
    assert told[b"access-control-allow-methods"] == b"PROPFIND"
    assert told.get(b"access-control-allow-headers") == said


def test_who_may_not_is_told_nothing() -> None:
    refused = Policy(Cors(("https://app.test",), credentials=True)).preflight(b"https://evil.test", b"GET", b"x-a")
    assert not refused.allowed
    assert not {name for name, _ in refused.fields} & {*ANSWERED}
    assert (b"vary" in dict(refused.fields)) is True
