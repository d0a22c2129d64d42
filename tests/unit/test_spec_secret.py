"""Which names say that their value is nobody's business."""

import time

import pytest

from minimesh.spec.secret import arguments_without_secrets, is_secret, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "PGPASSWORD",
        "DB_PASSWD",
        "API_KEY",
        "STRIPE_KEY",
        "apikey",
        "github_token",
        "AWS_SECRET_ACCESS_KEY",
        "SENTRY_DSN",
        "AUTHORIZATION",
        "AUTH_HEADER",
        "JWT",
        "PASSWORD_SALT",
        "GITHUB_PAT",
        "AzureStorageConnectionString",
    ],
)
def test_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PORT",
        "KEYBOARD",
        "MONKEY",
        "AUTHOR",
        "COMPASS",
        "DATABASE_URL",
        "GREETING",
        "AUTHORITY",
        "PATTERN",
        "SECRET_FILE",
        "SESSION_TIMEOUT",
    ],
)
def test_not_secret(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://shop:hunter2@db/shop", "postgres://shop:••••••@db/shop"),
        ("postgres://shop:${PGPASSWORD}@db", "postgres://shop:${PGPASSWORD}@db"),
        ("http://127.0.0.1:9000/a@b", "http://127.0.0.1:9000/a@b"),
        ("redis://:pw@cache redis://:pw2@other", "redis://:••••••@cache redis://:••••••@other"),
        ("postgres://shop:p@ss@db/a, amqp://a:b@c", "postgres://shop:••••••@db/a, amqp://a:••••••@c"),
        ("Server=db;Password=hunter2;Port=1", "Server=db;Password=••••••;Port=1"),
        ("http://a/hook?id=1&token=abc&x=2", "http://a/hook?id=1&token=••••••&x=2"),
        ("API_KEY='a b' ./api --token abc -v", "API_KEY=•••••• ./api --token •••••• -v"),
        ("./api --password=hunter2 --secret -x", "./api --password=•••••• --secret -x"),
        ("./api --token ${TOKEN} --key=$KEY", "./api --token ${TOKEN} --key=$KEY"),
        ("curl -H 'Authorization: Bearer abcdef' a", "curl -H 'Authorization: Bearer ••••••' a"),
        ("x ghp_abcdefghijklmnopqrst y", "x •••••• y"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.abc", "••••••"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", "••••••\n"),
        ("python -m http.server --bind 127.0.0.1 --port=80", "python -m http.server --bind 127.0.0.1 --port=80"),
        ("monkey=1 author=me keyboard=us", "monkey=1 author=me keyboard=us"),
    ],
)
def test_secrets_in_a_text(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_secrets_in_arguments() -> None:
    words: list[object] = ["api", "--api-key", "sk", "--token", "${T}", "--secret", "-x", "--port", "80"]
    assert arguments_without_secrets(words) == ["api", "--api-key", "••••••", *words[3:]]


@pytest.mark.parametrize("text", ["a" * 200_000, "a-" * 100_000, "eyJ-" * 50_000, "--a " * 50_000, "://a:" * 40_000])
def test_no_text_takes_long(text: str) -> None:
    before = time.process_time()
    without_secrets(text)
    assert time.process_time() - before < 1.0
