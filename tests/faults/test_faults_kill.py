"""SIGKILL at any moment; the next `up` works, nothing is left, nothing is lost that was told."""

import json
import subprocess
from contextlib import suppress
from random import Random

import pytest

from tests.faults.stage import FILE, Stage
from tests.processes import until

pytestmark = pytest.mark.slow
SEED, MOMENTS = 20_240_301, 30


def moments() -> list[float]:
    """Seconds after the start: in the middle of it for most, some when it has been up for a while."""
    rng = Random(SEED)
    return [rng.uniform(0.0, 0.8) if number % 3 else rng.uniform(0.8, 2.0) for number in range(MOMENTS)]


@pytest.mark.timeout(400)
def test_thirty_kills(stage: Stage) -> None:
    """Each mesh but the first finds what the one before has left; once told, a port stays."""
    told: set[str] = set()
    for moment in moments():
        mesh = stage.begin()
        with suppress(subprocess.TimeoutExpired):
            mesh.wait(moment)
        if stage.is_ready():
            told.add(stage.services()["front"]["listen"])
        stage.kill()
    stage.up()
    told.add(stage.services()["front"]["listen"])
    assert len(told) == 1, "a port that was told has changed"
    pids = set(stage.pids().values())
    assert len(pids) == 2
    assert until(lambda: len(stage.processes()) == 4), "two services and a child of each, and nothing of before"
    stage.down()
    assert until(lambda: not stage.processes())


def test_killed_while_it_stops(stage: Stage) -> None:
    stage.write(FILE.replace('NAME = "back"', 'NAME = "back", DEAF = "1"'))
    stage.up()
    assert stage.mesh is not None
    stage.mesh.terminate()
    assert until(lambda: stage.services()["back"]["state"] == "stopping")
    stage.kill()
    stage.write(FILE)
    stage.up()
    assert until(lambda: len(stage.processes()) == 4)


def test_what_the_killed_one_ran_is_named(stage: Stage) -> None:
    stage.up()
    before = stage.pids()
    stage.kill()
    assert set(before.values()) <= set(stage.processes()), "nobody could end them"
    stage.up()
    assert not set(before.values()) & set(stage.processes())
    assert "did not stop cleanly: took over its lock, stopped 4 leftover processes" in stage.down()


DAMAGE = [b"", b"\0\xff\xfe", b'{"front/1": ', b"[1, 2]"]


@pytest.mark.parametrize("content", DAMAGE)
def test_ports_that_cannot_be_read_are_chosen_anew_and_that_is_said(stage: Stage, content: bytes) -> None:
    stage.up()
    stage.down()
    damaged = stage.root / ".minimesh/ports.json"
    damaged.write_bytes(content)
    stage.up()
    assert any("ports.json was damaged" in note for note in stage.notes())
    assert "front/1" in json.loads(damaged.read_text())
    stage.down()


@pytest.mark.parametrize("content", [*DAMAGE, b'{"run_id": 7, "pid": "x"}'])
def test_who_is_left_is_found_without_the_run_file(stage: Stage, content: bytes) -> None:
    stage.up()
    left = set(stage.pids().values())
    stage.kill()
    (stage.root / ".minimesh/run.json").write_bytes(content)
    stage.up()
    assert not left & set(stage.processes())
    assert "previous run (run.json was damaged) did not stop cleanly" in stage.down()


@pytest.mark.parametrize("name", ["control.sock", "lock", "ports.json", "logs", ".gitignore"])
def test_something_that_was_taken_away_is_made_again(stage: Stage, name: str) -> None:
    stage.up()
    stage.kill()
    lost = stage.root / ".minimesh" / name
    if lost.is_dir():
        for file in lost.iterdir():
            file.unlink()
        lost.rmdir()
    else:
        lost.unlink(missing_ok=True)
    stage.up()
    stage.down()
    assert lost.exists() == (name != "control.sock")
