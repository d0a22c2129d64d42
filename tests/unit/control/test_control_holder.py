"""Whose a folder is: nobody is named, and so asked to stop, who only has the pid of somebody that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minimesh.control.holder import holder
from minimesh.control.lock import Lock
from minimesh.control.paths import StateFolder
from minimesh.supervise.runfile import Run, write_run


@pytest.mark.skipif(sys.platform != "linux", reason="who has a file open is told by /proc")
def test_a_pid_that_somebody_else_has_by_now_is_not_the_holder(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.create()
    other = subprocess.Popen(["sleep", "60"])
    try:
        with Lock(folder.lock):  # of the next mesh, which has not written run.json yet
            write_run(folder.run, Run("old", other.pid, 0.0))
            assert holder(tmp_path) is None
            write_run(folder.run, Run("new", os.getpid(), 0.0))
            assert holder(tmp_path) == os.getpid()
        assert holder(tmp_path) is None
    finally:
        other.kill()
        other.wait()
