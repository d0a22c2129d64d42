"""Which names say that their value is nobody's business."""

import pytest

from minimesh.spec.secret import is_secret, without_password


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
    ],
)
def test_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["PORT", "KEYBOARD", "MONKEY", "AUTHOR", "COMPASS", "DATABASE_URL", "GREETING"])
def test_not_secret(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://shop:hunter2@db/shop", "postgres://shop:••••••@db/shop"),
        ("postgres://shop:${PGPASSWORD}@db", "postgres://shop:${PGPASSWORD}@db"),
        ("http://127.0.0.1:9000/a@b", "http://127.0.0.1:9000/a@b"),
        ("redis://:pw@cache redis://:pw2@other", "redis://:••••••@cache redis://:••••••@other"),
    ],
)
def test_passwords_in_urls(text: str, shown: str) -> None:
    assert without_password(text) == shown
