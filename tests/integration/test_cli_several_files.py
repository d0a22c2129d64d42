"""A mesh of several files, options and profiles, really started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port, until

PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]
MAIN = """\
version = 1
include = ["services/*.toml"]
[gateway]
http = 1
[services.web]
run = ["sleep", "600"]
"""
DEBUG = """\
[services.debug]
run = ["sleep", "600"]
port = "none"
profiles = ["full"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "services").mkdir()
    (tmp_path / "minimesh.toml").write_text(MAIN)
    (tmp_path / "services/debug.toml").write_text(DEBUG)
    (tmp_path / "more.toml").write_text('[services.more]\nrun = ["sleep", "600"]\n')
    yield tmp_path
    run(tmp_path, "down", "-t", "1")


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MINIMESH, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE, check=False)


def rows(root: Path) -> dict[str, Any]:
    done = run(root, "ps", "-a", "-o", "json")
    return {row["name"]: row for row in json.loads(done.stdout)} if done.returncode == 0 else {}


def shows_all(root: Path, port: int) -> bool:
    found = rows(root)
    return (
        {"web", "debug", "more"} <= {*found}
        and all(found[name]["state"] == "running" for name in ("web", "debug", "more"))
        and found["gateway"]["listen"] == f"127.0.0.1:{port}"
    )


def options(port: int) -> list[str]:
    return ["-f", "minimesh.toml", "-f", "more.toml", "--set", f"gateway.http={port}", "--profile", "full"]


def test_behind_the_terminal(root: Path) -> None:
    port = free_port()
    done = run(root, "up", "-d", *options(port))
    assert done.returncode == 0, done.stderr
    assert f"http://localhost:{port}" in done.stderr
    assert shows_all(root, port)


def test_in_the_terminal(root: Path) -> None:
    port = free_port()
    mesh = subprocess.Popen(
        [*MINIMESH, "up", *options(port)], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert until(lambda: shows_all(root, port))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(mesh.pid, signal.SIGINT)
        _, err = mesh.communicate(timeout=PATIENCE)
    assert mesh.returncode == 0, err


def test_what_a_profile_holds_back_can_be_named(root: Path) -> None:
    set_port = ["--set", f"gateway.http={free_port()}"]
    assert run(root, "up", "-d", *set_port).returncode == 0
    assert rows(root)["debug"]["pid"] is None
    assert run(root, "up", "-d", "debug", *set_port).returncode == 0
    assert until(lambda: rows(root)["debug"]["state"] == "running")
