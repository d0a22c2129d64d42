"""run.json: whole, private, and never a reason to fail."""

import os
import stat
from pathlib import Path

import pytest

from minimesh.supervise.runfile import new_run, read_run, write_run


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run = new_run(12.5)
    write_run(path, run)
    assert read_run(path) == run
    assert run.pid == os.getpid()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_new_run_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    first, second = new_run(1.0), new_run(2.0)
    assert first.run_id != second.run_id
    write_run(path, first)
    write_run(path, second)
    assert read_run(path) == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"run_id": "a"}',
        '{"run_id": "", "pid": 1, "started": 1}',
        '{"run_id": "a", "pid": "1", "started": 1}',
    ],
)
def test_garbage_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert read_run(tmp_path / "run.json") is None


def test_no_file_is_no_run(tmp_path: Path) -> None:
    assert read_run(tmp_path / "run.json") is None
