"""Who leads the groups of a run: known again by pid and start, and nobody else with the same pid."""

import subprocess
import sys
from pathlib import Path

import pytest

from minimesh.supervise.leaders import Leaders, survivors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_a_leader_that_lives_is_found_with_its_group(tmp_path: Path) -> None:
    leaders = Leaders(tmp_path / "leaders")
    process = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True, env={"PATH": "/usr/bin:/bin"})
    leaders.add(process.pid)
    leaders.add(2**22 + 1)
    try:
        assert process.pid in survivors(tmp_path / "leaders")
        text = (tmp_path / "leaders").read_text()
        (tmp_path / "leaders").write_text(text.replace(" ", " 1"))
        assert survivors(tmp_path / "leaders") == [], "another process that got the pid later"
    finally:
        subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=True)
        process.wait()
    assert survivors(tmp_path / "leaders") == []


def test_a_new_run_begins_with_nobody(tmp_path: Path) -> None:
    Leaders(tmp_path / "leaders").add(1)
    Leaders(tmp_path / "leaders")
    assert survivors(tmp_path / "leaders") == []


@pytest.mark.parametrize("text", ["", "x\n", "1\n", "1 2 3\n", "\0"])
def test_a_damaged_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "leaders").write_text(text)
    assert survivors(tmp_path / "leaders") == []


def test_a_full_disk_is_no_trouble(tmp_path: Path) -> None:
    Leaders(tmp_path / "gone" / "leaders").add(1)
    Leaders(None).add(1)
