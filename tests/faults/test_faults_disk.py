"""A disk that is full, read-only or slow: calls go on, what cannot be written is said, and later all is well again."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.stage import SERVICES, Stage, get
from tests.processes import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts file systems of its own"),
]
SIZE = 1024 * 1024
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is what harms the writes")


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


@pytest.fixture
def disk(stage: Stage) -> Iterator[Path]:
    """The state folder on a file system of one MiB."""
    folder = stage.root / ".minimesh"
    folder.mkdir(mode=0o700)
    mount(folder, f"size={SIZE}", "mode=0700")
    try:
        yield folder
    finally:
        stage.close()
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """To the last block."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (4096, 1):
            try:
                while True:
                    file.write(b"x" * block)
            except OSError:
                pass
    return ballast


@contextmanager
def traced(stage: Stage, fault: str) -> Iterator[None]:
    """Something happens to each write of the mesh to the services' logs."""
    assert stage.mesh is not None
    pid, trace = stage.mesh.pid, stage.root / "strace.txt"
    logs = [word for name in SERVICES for word in ("-P", str(stage.root / f".minimesh/logs/{name}.log"))]
    command = ["strace", "-f", "-q", "-p", str(pid), *logs, "-e", "trace=write", "-e", f"inject=write:{fault}"]
    with subprocess.Popen([*command, "-o", str(trace)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as strace:
        try:
            assert until(lambda: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text())
            yield
        finally:
            strace.terminate()
    assert "write(" in trace.read_text(), "no write to a log was seen"


def test_a_disk_that_fills_up_while_it_runs(stage: Stage, disk: Path) -> None:
    stage.up()
    pids = stage.pids()
    ballast = fill(disk)
    for number in range(50):
        assert get(stage.gateway(), f"/{number}") == "front"
    assert stage.minimesh("ps").returncode == 0
    assert stage.minimesh("restart", "back").returncode == 0
    assert stage.pids()["front"] == pids["front"]
    assert get(stage.gateway()) == "front"
    ballast.unlink()
    get(stage.gateway(), "/afterwards")
    assert until(lambda: b"/afterwards" in (disk / "logs/front.log").read_bytes())
    stage.down()
    stage.up()


def test_up_on_a_full_disk_says_so(stage: Stage, disk: Path) -> None:
    ballast = fill(disk)
    ran = stage.minimesh("up", "-d")
    assert ran.returncode == 1
    assert "No space left on device" in ran.stderr
    assert str(disk) in ran.stderr
    assert not stage.processes()
    ballast.unlink()
    stage.up()


def test_up_after_a_kill_on_a_full_disk(stage: Stage, disk: Path) -> None:
    stage.up()
    address = stage.services()["front"]["listen"]
    stage.kill()
    ballast = fill(disk)
    assert stage.minimesh("up", "-d").returncode == 1
    ballast.unlink()
    stage.up()
    assert stage.services()["front"]["listen"] == address
    assert until(lambda: len(stage.processes()) == 4)


def test_a_state_folder_that_may_not_be_written(stage: Stage, disk: Path) -> None:
    remount(disk, "ro")
    ran = stage.minimesh("up", "-d")
    assert ran.returncode == 1
    assert f"error[MM105]: {disk} cannot be written" in ran.stderr
    remount(disk, "rw")
    stage.up()


@needs_strace
def test_logs_that_can_no_longer_be_written(stage: Stage) -> None:
    """A file system that the kernel has made read-only after a mistake of the disk."""
    stage.up()
    with traced(stage, "error=EROFS"):
        for number in range(20):
            assert get(stage.gateway(), f"/{number}") == "front"
        assert stage.minimesh("stat").returncode == 0
        assert until(lambda: any(line["line"] == "/19" for line in stage.client.stream("/v1/logs")))
    get(stage.gateway(), "/afterwards")
    assert until(lambda: "/afterwards" in (stage.root / ".minimesh/logs/front.log").read_text())
    stage.down()
    stage.up()


@needs_strace
def test_a_slow_disk_does_not_slow_requests(stage: Stage) -> None:
    """Each write to the logs takes half a second, and the service writes one line for each request."""
    stage.up()
    gateway = stage.gateway()
    took = []
    with traced(stage, "delay_enter=500000"):
        for number in range(40):
            began = time.monotonic()
            assert get(gateway, f"/{number}") == "front"
            took.append(time.monotonic() - began)
    # Whoever waits for the disk waits twice as long, every time; on a busy machine some are late for other reasons.
    assert sorted(took)[len(took) * 3 // 4] < 0.25, f"requests wait for the disk: {max(took):.2f} s"
    assert until(lambda: "/39" in (stage.root / ".minimesh/logs/front.log").read_text())
