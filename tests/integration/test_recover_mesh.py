"""After a loss: what is damaged is refused with what to type, and that helps."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]
TOML = """\
version = 1
[services.web]
run = ["sleep", "600"]
port = "none"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "minimesh.toml").write_text(TOML)
    return tmp_path


@pytest.fixture
def run(root: Path) -> Iterator[Run]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINIMESH_")}
    with tempfile.TemporaryDirectory(prefix="mesh-", dir="/tmp") as runtime:
        environ = {**kept, "XDG_RUNTIME_DIR": runtime}

        def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
            command = [*MINIMESH, *words]
            ran = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=PATIENCE)
            assert ran.returncode == code, ran.stderr
            return ran

        run("up", "-d")
        yield run
        subprocess.run([*MINIMESH, "down", "-t", "1"], cwd=root, env=environ, capture_output=True, timeout=PATIENCE)


def test_a_damaged_state_file_and_a_lost_key(run: Run, root: Path) -> None:
    assert "a mesh is running" in run("recover", code=1).stderr
    run("key", "add", "acme")
    run("down", "-t", "1")
    state = root / ".minimesh/state.db"
    os.truncate(state, state.stat().st_size // 2)
    refused = run("up", "-d", code=1).stderr
    assert "error[MM120]" in refused
    assert "minimesh recover" in refused
    assert "state.db is what it was at" in run("recover").stdout
    assert run("recover").stdout == "nothing is wrong with what is kept here\n"
    (key,) = (root / ".minimesh/ca").glob("*.key")
    key.write_bytes(b"")
    assert "error[MM121]" in run("up", "-d", code=1).stderr
    assert "makes another root" in run("recover").stdout
    run("up", "-d")
    assert [view["name"] for view in json.loads(run("key", "ls", "--json").stdout)] == ["acme"]
    assert len([*(root / ".minimesh/ca").glob("*.key")]) == 2
