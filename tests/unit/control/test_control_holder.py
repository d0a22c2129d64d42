"""Whose a folder is: nobody is named, and so asked to stop, who only has the pid of somebody that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minimesh.control.holder import holder
from minimesh.control.lock import Lock
from minimesh.control.paths import StateFolder


@pytest.mark.skipif(sys.platform != "linux", reason="who has a file open is told by /proc")
def test_a_pid_that_somebody_else_has_by_now_is_not_the_holder(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.create()
    other = subprocess.Popen(["sleep", "60"])
    try:
        with Lock(folder.lock):
            assert holder(tmp_path) == os.getpid()
            folder.lock.write_text(f"{other.pid}\n")
            assert holder(tmp_path) is None
        assert holder(tmp_path) is None
    finally:
        other.kill()
        other.wait()
