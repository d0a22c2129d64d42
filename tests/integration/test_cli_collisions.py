"""Commands that meet each other, or a mesh that begins, ends or has lost its control socket."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesh.control.holder import holder

PATIENCE = 30.0
COMMAND = [sys.executable, "-m", "minimesh"]
TOML = """\
version = 1
[services.web]
run = ["sleep", "600"]
port = "none"
[services.slow]
run = "trap '' TERM; echo deaf; sleep 600 & wait; wait"
port = "none"
ready = { log = "deaf" }
stop = "1s"
[services.crash]
run = "exit 3"
restart = "no"
port = "none"
profiles = ["bad"]
"""


def run(root: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([*COMMAND, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == code, ran.stderr
    return ran


def begin(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *words], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, told
    return told


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "minimesh.toml").write_text(TOML)
    yield tmp_path
    if (tmp_path / ".minimesh/run.json").exists():
        run(tmp_path, "down", "-t", "0")


def pid_of(root: Path) -> int:
    return int(json.loads((root / ".minimesh/run.json").read_text())["pid"])


def test_up_waits_for_the_mesh_that_stops(shop: Path) -> None:
    (shop / "minimesh.toml").write_text(TOML.replace('stop = "1s"', 'stop = "5s"'))
    run(shop, "up", "-d")
    first = pid_of(shop)
    down = begin(shop, "down", "--verbose")
    assert down.stderr is not None
    assert any("stopping" in line for line in down.stderr)
    assert "waiting for the mesh that ran here to stop" in run(shop, "up", "-d").stderr
    ended(down)
    assert pid_of(shop) != first


def test_two_that_start_a_mesh_at_once_get_the_same_one(shop: Path) -> None:
    for each in [begin(shop, "up", "-d"), begin(shop, "up", "-d")]:
        assert "ready in" in ended(each)
    run(shop, "ps")


def test_a_mesh_whose_socket_was_removed_can_be_stopped(shop: Path) -> None:
    run(shop, "up", "-d")
    pid = pid_of(shop)
    (shop / ".minimesh/control.sock").unlink()
    told = run(shop, "ps", code=3).stderr
    assert told.startswith("error[MM414]: the mesh in ")
    assert f"pid {pid} " in told
    assert told.endswith("help: minimesh down\n")
    assert f"sent SIGTERM to pid {pid}\nstopped\n" in run(shop, "down").stderr
    assert holder(shop) is None
    assert "error[MM401]" in run(shop, "down", code=3).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="who holds a file that is gone is told by /proc")
def test_a_mesh_whose_whole_folder_was_removed_is_found_and_no_second_one_started(shop: Path) -> None:
    run(shop, "up", "-d")
    pid = pid_of(shop)
    shutil.rmtree(shop / ".minimesh")
    try:
        assert f"pid {pid} " in run(shop, "up", "-d", code=3).stderr
    finally:
        assert f"sent SIGTERM to pid {pid}\nstopped\n" in run(shop, "down").stderr
    assert "ready in" in run(shop, "up", "-d").stderr


def test_a_mesh_that_has_only_just_got_its_folder_can_be_stopped(shop: Path) -> None:
    begins = (
        "import sys, time; from pathlib import Path; from minimesh.control.lock import Lock\n"
        "with Lock(Path('.minimesh/lock')): print('held', flush=True); time.sleep(600)"
    )
    (shop / ".minimesh").mkdir(mode=0o700)
    with subprocess.Popen([sys.executable, "-c", begins], cwd=shop, stdout=subprocess.PIPE, text=True) as mesh:
        try:
            assert mesh.stdout is not None
            assert mesh.stdout.readline() == "held\n"
            assert f"sent SIGTERM to pid {mesh.pid}\nstopped\n" in run(shop, "down").stderr
        finally:
            mesh.kill()
    assert "error[MM401]" in run(shop, "down", code=3).stderr


@pytest.mark.parametrize("depth", ["near", "far/" * 20], ids=["near", "with its socket elsewhere"])
def test_the_copy_of_a_folder_leaves_the_services_of_the_original_alone(tmp_path: Path, depth: str) -> None:
    original, copy = tmp_path / depth / "original", tmp_path / depth / "copy"
    original.mkdir(parents=True)
    (original / "minimesh.toml").write_text(TOML)
    run(original, "up", "-d")
    try:
        before = [each["pid"] for each in json.loads(run(original, "ps", "--json").stdout)]
        shutil.copytree(original, copy, ignore=shutil.ignore_patterns("*.sock"))
        run(copy, "up", "-d")
        run(copy, "down", "-t", "0")
        assert [each["pid"] for each in json.loads(run(original, "ps", "--json").stdout)] == before
    finally:
        run(original, "down", "-t", "0")


def test_a_taken_port_is_told_with_its_line_also_from_behind_the_terminal(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (shop / "minimesh.toml").write_text(f"{TOML}[gateway]\nhttp = {port}\n")
        told = run(shop, "up", "-d", code=1).stderr.splitlines()
    line = TOML.count("\n") + 1
    assert told[:2] == [f"error[MM101]: gateway port {port} is already in use", f"  --> minimesh.toml:{line}"]


def test_up_answers_for_those_alone_that_it_was_asked_for(shop: Path) -> None:
    assert "crash did not become ready" in run(shop, "up", "-d", "--profile", "bad", code=1).stderr
    assert "ready in" in run(shop, "up", "-d", "web").stderr
    assert "crash did not become ready" in run(shop, "up", "-d", "crash", code=1).stderr


def test_no_replicas_is_what_stop_is_for(shop: Path) -> None:
    told = run(shop, "scale", "web=0", code=2).stderr
    assert told == "error[MM402]: web cannot have 0 replicas, but it can be stopped\n  help: minimesh stop web\n"
