"""The mesh as a process: signals, a second one, a killed one, a taken port, a terminal that went away."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minimesh.control.client import Client, NotRunningError
from tests.processes import is_gone, until

PATIENCE = 20.0
REPOSITORY = Path(__file__).parents[2]

FILE = """
version = 1
[mesh]
name = "shop"
[gateway]
{gateway}
[services.worker]
run = {run}
port = {port}
"""
SLEEPS = '["sleep", "1000"]'
STUBBORN = "\"trap '' TERM; echo here; while true; do sleep 0.1; done\""


class Daemon:
    """`python -m minimesh.control.daemon` on a folder; its output as text."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self.client = Client(root)
        self.output: str | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minimesh.control.daemon", "--root", str(root), *options],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_ready(self) -> None:
        assert until(self.is_ready), self.finish()

    def is_ready(self) -> bool:
        try:
            return bool(self.client.get("/v1/mesh")["state"] == "ready")
        except NotRunningError:
            return False

    def worker(self) -> int:
        """The pid of the one service."""
        services = self.client.get("/v1/services")
        return int(next(view["pid"] for view in services if view["name"] == "worker"))

    def finish(self) -> str:
        """What it wrote; ends it where it did not end by itself."""
        if self.output is None:
            killer = threading.Timer(PATIENCE, self.process.kill)
            killer.start()
            self.output = self.process.communicate()[0]
            killer.cancel()
        return self.output


Start = Callable[..., Daemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    daemons: list[Daemon] = []

    def make(gateway: str = "", run: str = SLEEPS, port: str = '"none"', options: tuple[str, ...] = ()) -> Daemon:
        (tmp_path / "minimesh.toml").write_text(FILE.format(gateway=gateway, run=run, port=port))
        daemons.append(Daemon(tmp_path, *options))
        return daemons[-1]

    yield make
    for daemon in daemons:
        if daemon.process.poll() is None:
            daemon.process.send_signal(signal.SIGTERM)
        daemon.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_services_then_the_mesh(start: Start, number: signal.Signals) -> None:
    daemon = start()
    daemon.wait_ready()
    worker = daemon.worker()
    daemon.process.send_signal(number)
    output = daemon.finish()
    assert daemon.process.returncode == 0, output
    assert is_gone(worker)
    assert not (daemon.root / ".minimesh/control.sock").exists()
    assert not (daemon.root / ".minimesh/run.json").exists()
    assert not (daemon.root / ".minimesh/leaders").exists()
    assert "Traceback" not in output


def test_a_second_interrupt_waits_for_nobody(start: Start) -> None:
    daemon = start(run=STUBBORN)
    daemon.wait_ready()
    worker = daemon.worker()
    daemon.process.send_signal(signal.SIGINT)
    assert until(lambda: daemon.client.get("/v1/mesh")["state"] == "stopping")
    began = time.monotonic()
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.finish()
    assert time.monotonic() - began < 5, "the service has ten seconds to stop by itself"
    assert is_gone(worker)


@pytest.mark.parametrize("run", [SLEEPS, '"exec env -i sleep 1000"'], ids=["plain", "without its environment"])
def test_a_killed_mesh_is_cleaned_up_after(start: Start, run: str) -> None:
    killed = start(run=run)
    killed.wait_ready()
    worker = killed.worker()
    killed.process.kill()
    killed.finish()
    assert not is_gone(worker)
    next_one = start()
    next_one.wait_ready()
    assert until(lambda: is_gone(worker))
    assert len((next_one.root / ".minimesh/leaders").read_text().splitlines()) == 1
    assert next_one.worker() != worker
    next_one.process.send_signal(signal.SIGTERM)
    output = next_one.finish()
    assert f"previous run (pid {killed.process.pid}) did not stop cleanly" in output
    assert str(worker) in output


def test_one_mesh_to_a_folder(start: Start) -> None:
    first = start()
    first.wait_ready()
    second = start()
    output = second.finish()
    assert second.process.returncode == 1
    assert "error[MM104]" in output
    assert f"pid {first.process.pid}" in output
    assert first.is_ready()


def test_a_written_gateway_port_that_is_taken_names_its_holder(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start(gateway=f"http = {port}")
        output = daemon.finish()
    assert daemon.process.returncode == 1
    assert f"error[MM101]: gateway port {port} is already in use" in output
    assert f"help: minimesh up --set gateway.http={port + 1}" in output
    assert f"pid {os.getpid()}" in output
    assert not (daemon.root / ".minimesh/run.json").exists()


def test_a_written_service_port_that_is_taken_is_an_error_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = start(port=str(port))
        output = daemon.finish()
    assert daemon.process.returncode == 1
    assert f"error[MM102]: port {port} of worker is already in use" in output


def test_mistakes_in_the_file_are_told_with_their_lines(start: Start) -> None:
    daemon = start(run="17")
    output = daemon.finish()
    assert daemon.process.returncode == 2
    assert "minimesh.toml:" in output
    assert "Traceback" not in output


def test_ports_stay_the_same(tmp_path: Path) -> None:
    """That of a service, since the gateway's depends on who else has 7080 just then."""
    (tmp_path / "minimesh.toml").write_text(FILE.replace("port = {port}\n", "").format(gateway="", run=SLEEPS))

    def address() -> str:
        daemon = Daemon(tmp_path)
        try:
            daemon.wait_ready()
            return str(next(view["listen"] for view in daemon.client.get("/v1/services") if view["name"] == "worker"))
        finally:
            daemon.process.send_signal(signal.SIGTERM)
            daemon.finish()

    first = address()
    assert first.startswith("127.0.0.1:")
    assert address() == first


def test_detached_it_writes_to_its_log(start: Start) -> None:
    daemon = start(options=("--detached",))
    daemon.wait_ready()
    daemon.client.post("/v1/down")
    assert daemon.finish() == ""
    assert daemon.process.returncode == 0
    log = daemon.root / ".minimesh/logs/mesh.log"
    assert "ready in" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_only_what_is_named_and_what_it_needs(start: Start) -> None:
    daemon = start(options=("--only", "nobody"))
    assert "error[MM107]: there is no service or task nobody" in daemon.finish()
    one = start(options=("--only", "worker"))
    one.wait_ready()
    assert one.worker()


def test_a_path_that_is_too_long_for_a_socket(start: Start, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["deep" * 8] * 4)
    deep.mkdir(parents=True)
    (deep / "minimesh.toml").write_text(FILE.format(gateway="", run=SLEEPS, port='"none"'))
    daemon = Daemon(deep)
    try:
        daemon.wait_ready()
        hint, whose = (deep / ".minimesh/control.path").read_text().splitlines()
        assert whose == str(deep)
        assert len(hint) <= 100
        assert Path(hint).stat().st_mode & 0o777 == 0o600
        assert Path(hint).parent.stat().st_mode & 0o777 == 0o700
    finally:
        daemon.process.send_signal(signal.SIGTERM)
        daemon.finish()
    assert not Path(hint).exists()


def test_the_chosen_codec_must_be_known(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMESH_CODEC", "telepathy")
    daemon = start()
    assert "error[MM108]" in daemon.finish()
    assert daemon.process.returncode == 1


def test_callers_that_have_to_wait_are_an_event(start: Start) -> None:
    """The gateway is at its limit: said when it begins, said when it is over, and not once a second between."""
    daemon = start(gateway="limits = { connections = 1 }")
    daemon.wait_ready()
    host, _, port = daemon.client.get("/v1/mesh")["gateway"]["address"].rpartition(":")

    def kinds() -> list[str]:
        return [event["kind"] for event in daemon.client.stream("/v1/events")]

    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))):
        assert until(lambda: "full" in kinds())
    assert until(lambda: kinds()[-1] == "accepting")
    assert kinds().count("full") == 1


def test_run_json_names_the_run(start: Start) -> None:
    daemon = start()
    daemon.wait_ready()
    run = json.loads((daemon.root / ".minimesh/run.json").read_text())
    assert run["pid"] == daemon.process.pid
    environ = Path(f"/proc/{daemon.worker()}/environ")
    if environ.exists():
        assert run["run_id"].encode() in environ.read_bytes()
