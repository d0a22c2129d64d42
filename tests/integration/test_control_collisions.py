"""Two people at one mesh: what they ask for at the same moment, and what the second one finds."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from minimesh.control.client import Client, RefusedError
from minimesh.control.daemon import run
from minimesh.control.report import Event, Ready, UpOptions
from tests.processes import until

PATIENCE = 20.0
DEAF = r"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", os.environ.get("GREETING", ""), flush=True)
time.sleep(600)
"""
STEADY = """
version = 1
[services.web]
run = ["sleep", "600"]
port = "none"
"""
FILE = f"""{STEADY}
[services.deaf]
run = [{sys.executable!r}, "-S", "deaf.py"]
port = "none"
ready = {{ log = "deaf" }}
stop = "1s"
[tasks.long]
run = ["sleep", "600"]
"""


class Running:
    """A mesh in a thread, whose file can be edited."""

    def __init__(self, root: Path, text: str) -> None:
        self.root = root
        (root / "deaf.py").write_text(DEAF)
        self.write(text)
        self.client = Client(root, timeout=PATIENCE)
        self.ready = threading.Event()
        options = UpOptions(root, only=("web", "deaf"))
        self.thread = threading.Thread(target=run, args=(options, self._report), daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE)

    def _report(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.ready.set()

    def write(self, text: str) -> None:
        (self.root / "minimesh.toml").write_text(text)

    def state(self, name: str) -> str:
        found = (view["state"] for view in self.client.get("/v1/services") if view["name"] == name)
        return str(next(found, "gone"))

    def change(self, verb: str, *names: str, within_ms: float | None = None) -> None:
        self.client.post("/v1/change", {"verb": verb, "services": list(names), "within_ms": within_ms})

    def stop(self) -> None:
        if self.thread.is_alive():
            self.client.post("/v1/down", {"within_ms": 0})
            self.thread.join(PATIENCE)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path, FILE)
    yield running
    running.stop()


def apart(call: Callable[[], Any]) -> threading.Thread:
    """Begins the call beside what follows."""

    def quietly() -> None:
        with suppress(RefusedError):  # who comes too late is told so
            call()

    thread = threading.Thread(target=quietly)
    thread.start()
    return thread


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_start_in_the_midst_of_a_reload_starts_what_the_file_says_now(mesh: Running, verb: str) -> None:
    mesh.write(FILE.replace("[services.deaf]", '[services.deaf]\nenv = { GREETING = "hello" }'))
    reloading = apart(lambda: mesh.client.post("/v1/reload"))
    assert until(lambda: mesh.state("deaf") == "stopping")
    starting = apart(lambda: mesh.client.post(f"/v1/services/deaf/{verb}"))
    for thread in (reloading, starting):
        thread.join(PATIENCE)
    assert until(lambda: mesh.state("deaf") == "running")
    lines = [
        line["line"] for line in mesh.client.stream("/v1/logs", {"service": ["deaf"]}) if line["stream"] == "stdout"
    ]
    assert lines[0] == "deaf "
    assert set(lines[1:]) == {"deaf hello"}


def test_a_start_of_what_a_reload_removes_leaves_nobody_behind(mesh: Running) -> None:
    mesh.write(STEADY)
    reloading = apart(lambda: mesh.client.post("/v1/reload"))
    assert until(lambda: mesh.state("deaf") == "stopping")
    starting = apart(lambda: mesh.change("restart", "deaf"))
    for thread in (reloading, starting):
        thread.join(PATIENCE)
    assert mesh.state("deaf") == "gone"
    kinds = [event["kind"] for event in mesh.client.stream("/v1/events") if event["service"] == "deaf"]
    assert kinds[kinds.index("stopping") :] == ["stopping", "stopped", "removed"]


def test_a_name_that_was_asked_for_may_leave_the_file_unless_it_is_the_last(mesh: Running) -> None:
    mesh.write(STEADY)
    assert mesh.client.post("/v1/reload")["removed"] == ["deaf", "long"]
    mesh.write(STEADY.replace("web", "site"))
    with pytest.raises(RefusedError, match="web") as refused:
        mesh.client.post("/v1/reload")
    assert (refused.value.code, refused.value.help) == ("MM107", "minimesh up -d")
    assert mesh.client.post("/v1/reload", {"only": []})["added"] == ["site"]
    assert until(lambda: mesh.state("site") == "running")


def test_a_task_that_is_removed_while_somebody_watches_it_ends_for_him_too(mesh: Running) -> None:
    views = mesh.client.stream("/v1/tasks/long/run", method="POST")
    seen: list[Any] = []
    watching = apart(lambda: seen.extend(views))
    assert until(lambda: mesh.state("long") == "running")
    mesh.write(FILE.partition("[tasks.long]")[0])
    mesh.client.post("/v1/reload")
    watching.join(PATIENCE)
    assert seen[-1]["ended"] == "stopped"
    assert mesh.state("long") == "gone"


def test_who_has_less_patience_does_not_wait_behind_who_has_more(mesh: Running) -> None:
    mesh.write(FILE.replace('"1s"', '"600s"'))
    mesh.client.post("/v1/reload")
    patient = apart(lambda: mesh.change("stop", "deaf"))
    assert until(lambda: mesh.state("deaf") == "stopping")
    mesh.change("stop", "deaf", within_ms=0)
    patient.join(PATIENCE)
    assert mesh.state("deaf") == "stopped"


def test_a_mesh_that_is_to_stop_soon_does_not_wait_for_a_restart(mesh: Running) -> None:
    mesh.write(FILE.replace('"1s"', '"600s"'))
    mesh.client.post("/v1/reload")
    restarting = apart(lambda: mesh.change("restart", "deaf"))
    assert until(lambda: mesh.state("deaf") == "stopping")
    mesh.client.post("/v1/down", {"within_ms": 100})
    mesh.thread.join(PATIENCE)
    assert not mesh.thread.is_alive()
    restarting.join(PATIENCE)
