"""`minimesh authz`: what is decided and by which line, its exit codes, its mistakes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.control.test_control_authz import TOML

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "minimesh.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_allowed(minimesh: Run, shop: Path) -> None:
    code, out, err = minimesh("authz", "explain", "web", "orders", "get", "/orders/7")
    assert (code, err) == (0, "")
    assert out == (
        "web -> orders GET /orders/7: allowed\n"
        '  by       allow { from = ["web"], methods = ["GET"], paths = ["/orders/*"] }   minimesh.toml:12\n'
        "  because  web calls, it is a GET, the path /orders/7 is /orders or below\n"
        '  no: deny { paths = ["/orders/admin/*"] }   minimesh.toml:16   '
        "the path /orders/7 is not /orders/admin or below\n"
        '  no: allow { from = ["batch"], claim = { plan = ["paid"] }, hours = "08:00-20:00", timezone = "UTC" }'
        "   minimesh.toml:13   web is not batch\n"
        '  no: allow { from = ["gateway"], audit = true }   minimesh.toml:14   under audit; web is not gateway\n'
    )


def test_denied_with_what_to_add(minimesh: Run, shop: Path) -> None:
    code, out, err = minimesh("authz", "explain", "batch", "orders", "GET", "/x", "--at", "2026-07-01T23:00:00+00:00")
    assert code == 1
    assert out.startswith("batch -> orders GET /x: denied\n  by       default   minimesh.toml:11\n")
    assert 'help     in `allow` of [services.orders]: { from = ["batch"], methods = ["GET"], paths = ["/x"] }' in out
    assert 'batch has no address for orders: calls = ["orders"]' in err


def test_what_a_call_says_counts(minimesh: Run, shop: Path) -> None:
    words = ("authz", "explain", "batch", "orders", "GET", "/x", "--json")
    day, night = "2026-07-01T12:00:00Z", "2026-07-01T23:00:00Z"
    for more, allowed in (
        (("--claim", "plan=paid", "--at", day), True),
        (("--claim", "plan=paid", "--at", night), False),
        (("--claim", "plan=free", "--at", day), False),
        (("--at", day), False),
    ):
        code, out, _ = minimesh(*words, *more)
        assert (code, json.loads(out)["allowed"]) == (0 if allowed else 1, allowed), more


def test_a_connection(minimesh: Run, shop: Path) -> None:
    code, out, _ = minimesh("authz", "explain", "web", "db")
    assert code == 0
    assert out.startswith("web -> db (a connection): allowed\n  by       default   ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explian",), "'explian' is not one of explain, suggest; did you mean explain?"),
        (("explain", "web"), "authz explain needs CALLER SERVICE METHOD PATH"),
        (("explain", "wbe", "orders", "GET", "/"), "there is no caller 'wbe'; did you mean web?"),
        (("explain", "web", "order", "GET", "/"), "there is no service 'order'; did you mean orders?"),
        (("explain", "web", "orders"), "orders takes requests: say METHOD and PATH"),
        (("explain", "web", "db", "GET", "/"), "db speaks tcp: it takes no METHOD and no PATH"),
        (("explain", "web", "orders", "GET", "x"), "PATH: 'x' does not begin with /"),
        (("explain", "web", "orders", "GET", "/../x"), "it is refused with 400 before any rule is asked"),
        (("explain", "web", "orders", "GET", "/", "--at", "noon"), "'noon' is not a time"),
        (("explain", "web", "orders", "GET", "/", "--since", "1m"), "--since and --denied are for authz suggest"),
        (("suggest", "--claim", "a=b"), "it takes --since and --denied alone"),
    ],
)
def test_mistakes(minimesh: Run, shop: Path, words: tuple[str, ...], said: str) -> None:
    code, out, err = minimesh("authz", *words)
    assert (code, out) == (2, "")
    assert said in err
