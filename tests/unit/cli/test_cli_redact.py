"""What leaves the machine in a report holds no secret, whatever wrote it."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minimesh.cli.redact import Redactor
from minimesh.spec.secret import MASK

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('STRIPE_KEY = "sk-very-secret"', "very-secret"),
        ("env = { API_TOKEN = 'tttttttt' }", "tttttttt"),
        ('{"password": "hunter2!"}', "hunter2"),
        ("db_password: hunter2!", "hunter2"),
        ("DATABASE=postgres://shop:hunter2@db/shop", "hunter2"),
        ("Authorization: Basic c2hvcDpodW50ZXIy", "c2hvcDpodW50ZXIy"),
        ('"cookie": "session=abc"', "abc"),
        ("curl -H 'Bearer abcdef123456'", "abcdef123456"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"),
        ("pushed with ghp_abcdefghijklmnopqrstuvwxyz01", "ghp_abc"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----", "MHcCAQ"),
        ("the value is just-known-value here", "just-known-value"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    told = Redactor(["just-known-value", "a"])(text)
    assert secret not in told
    assert MASK in told


@pytest.mark.parametrize(
    "text",
    [
        'run = "npm start"',
        'STRIPE_KEY = "${STRIPE_KEY}"',
        "monkey = 3",
        "author = Ada",
        "keyboard: layout",
        '[services.auth]\nrun = "x"',
        "http://localhost:7080/",
        'depends_on = ["auth"]',
        'PASSWORD = ""',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor()(text) == text


@pytest.fixture
def secretive(project: Path) -> Path:
    (project / ".env").write_text("ODD_NAME=known-from-dotenv\n")
    (project / "minimesh.toml").write_text(
        'version = 1\n[services.web]\nrun = "true"\nenv = { WEB_TOKEN = "from-the-file" }\nenv_file = ["web.env?"]\n'
    )
    (project / "web.env").write_text("PLAIN=known-from-env-file\n")
    logs = project / ".minimesh" / "logs"
    logs.mkdir(parents=True)
    stamp = "2026-01-31T14:02:10.412Z"
    (logs / "web.log").write_text(
        f"{stamp} 1 stdout using known-from-dotenv and password=from-the-log, from-the-file, known-from-env-file\n"
    )
    (project / ".minimesh" / "crash-2026.txt").write_text("token: from-the-crash\nKeyError\n")
    return project


def test_a_report_says_what_is_in_it_and_masks_it(secretive: Path, minimesh: Command) -> None:
    code, out, err = minimesh("bug-report")
    assert code == 0
    file = secretive / out.strip()
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        parts = {
            Path(entry.name).name: archive.extractfile(entry).read().decode()  # type: ignore[union-attr]  # all are files
            for entry in archive
        }
    assert {"versions.json", "minimesh.toml", "check.json", "web.log", "crash-2026.txt"} <= parts.keys()
    assert all(name in err for name in parts)
    whole = "\n".join(parts.values())
    for secret in ("known-from-dotenv", "known-from-env-file", "from-the-file", "from-the-log", "from-the-crash"):
        assert secret not in whole
    assert "KeyError" in whole
    assert "NotRunningError" in parts["mesh.json"]
    assert minimesh("bug-report", "--to", file.name)[0] == 2


def test_a_report_as_text_and_as_json(secretive: Path, minimesh: Command) -> None:
    code, out, err = minimesh("bug-report", "--stdout")
    assert (code, err) == (0, "")
    assert "===== minimesh.toml: the configuration\n" in out
    assert "from-the-file" not in out
    told: dict[str, Any] = json.loads(minimesh("bug-report", "--json")[1])
    assert Path(told["file"]).exists()
    assert minimesh("bug-report", "--stdout", "--to", "x")[0] == 2
