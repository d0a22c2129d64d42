"""The wall clock jumps by an hour, forth and back: nothing that is measured by the other clock notices."""

import shutil
import struct
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from minimesh.model.clock import SystemClock
from tests.faults.stage import Stage, get
from tests.processes import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="a library in C moves the clock"),
]
HOUR = 3600


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("wallclock") / "wallclock.so"
    source = Path(__file__).with_name("wallclock.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", built, source, "-ldl"], check=True)
    return built


def set_clock(file: Path, seconds: int) -> None:
    with file.open("r+b" if file.exists() else "wb", buffering=0) as opened:
        opened.write(struct.pack("q", seconds))


def clock_of(stage: Stage) -> float:
    """Wall seconds, as the mesh stamps the line that a service writes now."""
    get(stage.gateway(), "/now")
    assert until(lambda: newest(stage)["line"] == "/now")
    return datetime.fromisoformat(newest(stage)["time"]).timestamp()


def newest(stage: Stage) -> dict[str, str]:
    *_, last = stage.client.stream("/v1/logs", {"service": ["front"], "tail": 1})
    return last


@pytest.mark.parametrize("jumps", [(HOUR, 0), (-HOUR, 0), (HOUR, -HOUR)], ids=["forth", "back", "both"])
def test_an_hour(stage: Stage, library: Path, jumps: tuple[int, ...]) -> None:
    clock = stage.root / "clock"
    set_clock(clock, 0)
    stage.up({"LD_PRELOAD": str(library), "WALLCLOCK": str(clock)})
    pids, gateway = stage.pids(), stage.gateway()
    for jump in jumps:
        set_clock(clock, jump)
        assert abs(clock_of(stage) - SystemClock().wall() - jump) < HOUR / 2, "the clock has not moved"
        for number in range(20):
            assert get(gateway, f"/{number}") == "front"
        assert stage.pids() == pids, "somebody was restarted"
        assert all(view["up_ms"] is None or 0 <= view["up_ms"] < HOUR * 500 for view in stage.services().values())
        rows = {row["name"]: row for row in stage.client.get("/v1/stat")}
        assert rows["front"]["requests"] >= 20
        assert rows["front"]["success"] == 1.0
        assert stage.minimesh("logs", "-n", "5", "front").returncode == 0
        assert stage.minimesh("restart", "back").returncode == 0
        assert until(lambda: stage.services()["back"]["ready"] == 1)
        pids = stage.pids()
    stage.down()
    stage.up()
