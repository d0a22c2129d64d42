"""`minimesh token`: what it signs, for whom, and what it says when nobody would take it."""

import json
from pathlib import Path

import jwt
import pytest

from minimesh.cli import app
from minimesh.cli.values import claim, lifetime

FILE = """
version = 1
[auth.users]
jwt = { dev = true, audience = "shop" }
[auth.both]
jwt = { dev = true, audience = ["a", "b"] }
[auth.partners]
keys = "x-api-key"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "ann")
    (tmp_path / "minimesh.toml").write_text(FILE)
    return tmp_path


def test_it_says_what_was_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--for", "users", "--claim", "plan=paid", "--claim", "level=3", "--ttl", "30d", "--json"]
    assert app.run(["token", *words]) == 0
    said = json.loads(capsys.readouterr().out)
    claims = jwt.decode(said["token"], options={"verify_signature": False})
    assert claims == said["claims"]
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("minimesh", "shop", "ann")
    assert (claims["plan"], claims["level"], claims["exp"] - claims["iat"]) == ("paid", 3, 30 * 86_400)


def test_the_key_is_made_once_and_for_its_owner_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = set()
    for _ in range(2):
        assert app.run(["token", "--for", "both", "-q"]) == 0
        keys.add(jwt.get_unverified_header(capsys.readouterr().out.strip())["kid"])
    assert len(keys) == 1
    file = project / ".minimesh/token.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (project / ".minimesh/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "several providers take tokens of development: users, both"),
        (["--for", "partners"], "[auth.partners] does not take tokens of development"),
        (["--for", "nobody"], "there is no [auth.nobody]; those that do: users, both"),
        (["--for", "users", "--ttl", "0s"], "is over as it begins"),
        (["--for", "users", "--claim", "plan"], "is not NAME=VALUE"),
    ],
)
def test_what_nobody_would_take(project: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["token", *words]) == 2
    told = capsys.readouterr()
    assert why in told.err
    assert not told.out


def test_a_key_that_others_could_read_is_not_used(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["token", "--for", "users", "-q"]) == 0
    (project / ".minimesh/token.key").chmod(0o644)
    assert app.run(["token", "--for", "users"]) == 1
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plan=paid", "paid"),
        ("n=3", 3),
        ("n=-1.5", -1.5),
        ("n=3a", "3a"),
        ("yes=true", True),
        ('roles=["a"]', ["a"]),
        ("roles=[a", "[a"),
        ("empty=", ""),
    ],
)
def test_claims(text: str, expected: object) -> None:
    assert claim(text)[1] == expected


def test_lifetimes() -> None:
    assert (lifetime("30d"), lifetime("2h")) == (30 * 86_400, 7_200)
