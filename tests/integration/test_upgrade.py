"""The program is replaced under a running mesh: what stays, what goes on, and what happens when it cannot."""

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import minimesh
from minimesh.control.client import RefusedError
from tests.integration.installed import PATIENCE, TOML, Installed, until
from tests.processes import is_gone


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Installed]:
    installed = Installed(tmp_path)
    installed.environment["PYTHONDONTWRITEBYTECODE"] = "1"  # two edits in one second would else be one
    yield installed
    installed.stop()


def test_everything_stays_but_the_program(shop: Installed) -> None:
    shop.start()
    kept = http.client.HTTPConnection(shop.gateway, timeout=PATIENCE)
    kept.request("GET", "/")
    kept.getresponse().read()
    before, gateway, pids = shop.mesh(), shop.gateway, shop.pids()
    until(lambda: len(shop.lines("tick")) >= 2)
    shop.new_version()
    assert "9.9.9 is installed" in shop.run("upgrade", "--check")
    said = shop.run("upgrade")
    assert f"pid {before['pid']} kept, 2 programs untouched, 0 requests cut" in said
    after = shop.mesh()
    assert (after["version"], after["image"], after["pid"]) == ("9.9.9", 2, before["pid"])
    assert after["started_at"] == before["started_at"]
    assert (shop.gateway, shop.pids()) == (gateway, pids)
    connection = kept.sock
    kept.request("GET", "/")
    assert kept.getresponse().read() == str(pids["web"]).encode()
    assert kept.sock is connection, "an idle connection is not closed"
    kept.close()
    count = len(shop.lines("tick"))
    until(lambda: len(shop.lines("tick")) > count + 2)
    assert set(shop.lines("tick")) == {"one half"}, "no line is lost, doubled or torn"
    (web,) = [row for row in shop.client.get("/v1/stat") if row["name"] == "web"]
    assert web["requests"] == 2
    kinds = [event["kind"] for event in shop.client.stream("/v1/events")]
    assert kinds.count("ready") == 2
    assert kinds[-1] == "upgraded"
    assert len((shop.root / "access.log").read_text().splitlines()) == 2


def test_services_are_looked_after_as_before(shop: Installed) -> None:
    process = shop.start()
    pids = shop.pids()
    shop.upgrade()
    os.kill(pids["web"], signal.SIGKILL)
    until(lambda: shop.services()["web"]["restarts"] == 1 and shop.services()["web"]["state"] == "running")
    assert shop.pids()["web"] != pids["web"]
    assert shop.services()["web"]["instances"][0]["exit_code"] == -9
    assert shop.pids()["tick"] == pids["tick"]
    shop.upgrade()
    assert shop.services()["web"]["restarts"] == 1
    assert shop.call() == str(shop.pids()["web"])
    shop.run("down", "-t", "2")
    assert process.wait(PATIENCE) == 0


def test_what_failed_before_is_not_forgotten(shop: Installed) -> None:
    """A service that was given up stays so, one that waits for its next try is tried, a task is not run twice."""
    with (shop.root / "minimesh.toml").open("a") as file:
        file.write("""\
[services.broken]
run = "echo why >&2; exit 3"
port = "none"
restart = { policy = "always", max = 1, backoff = "10ms..10ms" }
[services.waiting]
run = "echo x >> tries; test $(wc -l < tries) -gt 1 && exec sleep 1000"
port = "none"
restart = { policy = "always", max = 3, backoff = "4s..4s" }
[tasks.once]
run = "echo x >> ran"
""")
    shop.start("starting")
    until(lambda: shop.services()["broken"]["state"] == "crash-loop" and shop.services()["waiting"]["restarts"] == 0)
    assert shop.services()["waiting"]["state"] == "backoff"
    shop.upgrade()
    broken = shop.services()["broken"]
    assert (broken["state"], broken["restarts"]) == ("crash-loop", 1)
    assert broken["instances"][0]["last_stderr"] == "why"
    until(lambda: shop.services()["waiting"]["state"] == "running")
    assert (shop.root / "tries").read_text() == "x\nx\n"
    assert (shop.root / "ran").read_text() == "x\n"
    assert shop.services()["once"]["state"] == "completed"


def test_what_was_changed_since_the_start_stays(shop: Installed) -> None:
    """Numbers of replicas, and a file that was reloaded; and reloading goes on to be a difference."""
    shop.start()
    shop.run("scale", "web=2")
    until(lambda: shop.services()["web"]["ready"] == 2)
    with (shop.root / "minimesh.toml").open("a") as file:
        file.write('[services.late]\nrun = "sleep 1000"\nport = "none"\n')
    with pytest.raises(RefusedError, match="reload it first"):
        shop.begin()
    shop.run("reload")
    until(lambda: shop.services()["late"]["state"] == "running")
    pids = [[each["pid"] for each in service["instances"]] for service in shop.services().values()]
    shop.upgrade()
    assert [[each["pid"] for each in service["instances"]] for service in shop.services().values()] == pids
    assert "reload: 3 unchanged" in shop.run("reload")
    assert {shop.call() for _ in range(4)} == {str(each["pid"]) for each in shop.services()["web"]["instances"]}
    shop.run("scale", "web=1")
    assert [[each["pid"] for each in service["instances"]] for service in shop.services().values()] == [
        pids_of[:1] for pids_of in pids
    ]


ECHO = """\
import os, socket
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("127.0.0.1", int(os.environ["PORT"])))
print("listening", flush=True)
while True:
    data, caller = service.recvfrom(65535)
    service.sendto(data, caller)
"""


def test_no_datagram_is_lost(shop: Installed) -> None:
    """Neither in an upgrade, nor where the caller's flow ends because other replicas are there."""
    (shop.root / "echo.py").write_text(ECHO)
    echo = '[services.echo]\nrun = ["python3", "echo.py"]\nprotocol = "udp"\nready = { log = "listening" }\n'
    file = shop.root / "minimesh.toml"
    file.write_text(TOML.replace("[services.web]\n", f'{echo}[services.web]\ncalls = ["echo"]\n'))
    shop.start()
    variables = dict(line.removeprefix("export ").split("=", 1) for line in shop.run("env", "web").splitlines())
    over, lost, count = threading.Event(), list[int](), [0]

    def call() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.settimeout(PATIENCE)
            caller.connect((variables["ECHO_HOST"], int(variables["ECHO_PORT"])))
            while not over.is_set():
                count[0] += 1
                caller.send(b"%d" % count[0])
                try:
                    while caller.recv(100) != b"%d" % count[0]:
                        pass
                except TimeoutError:
                    lost.append(count[0])

    caller = threading.Thread(target=call)
    caller.start()
    try:
        for change in (shop.upgrade, partial(shop.run, "scale", "echo=2"), shop.upgrade):
            before = count[0]
            until(lambda: count[0] > before + 10)  # noqa: B023 - asked at once
            change()
        shop.run("scale", "echo=1")
        before = count[0]
        until(lambda: count[0] > before + 10)
    finally:
        over.set()
        caller.join(PATIENCE)
    assert lost == []


def test_files_are_watched_as_before(shop: Installed) -> None:
    """Under an option that came after the start; and what changes while callers wait is seen afterwards."""
    watched = TOML.replace("[services.tick]", '[services.tick]\nwatch = ["*.txt"]')
    (shop.root / "minimesh.toml").write_text(watched)
    shop.start()
    shop.run("up", "-d", "--watch")
    pids = shop.pids()
    answers: list[str] = []
    caller = threading.Thread(target=lambda: answers.append(shop.call("/wait")))
    caller.start()
    until((shop.root / "asked").exists)
    image = shop.begin(PATIENCE)
    (shop.root / "a.txt").write_text("new")
    (shop.root / "go").touch()
    caller.join(PATIENCE)
    until(lambda: shop.mesh()["image"] == image and shop.pids()["tick"] not in (None, pids["tick"]))
    assert shop.pids()["web"] == pids["web"]
    (shop.root / "minimesh.toml").write_text(f'{watched}[services.late]\nrun = "sleep 1000"\nport = "none"\n')
    until(lambda: "late" in shop.services())


def test_a_mesh_that_is_stopped_meanwhile_is_not_waited_for(shop: Installed) -> None:
    process = shop.start()
    connection = http.client.HTTPConnection(shop.gateway, timeout=PATIENCE)
    connection.request("GET", "/wait")
    until((shop.root / "asked").exists)
    said: list[str] = []
    upgrade = threading.Thread(
        target=lambda: said.append(shop.run("upgrade", "--force", "--within", f"{PATIENCE}s", code=1))
    )
    upgrade.start()

    def is_under_way() -> bool:
        try:
            shop.client.get("/v1/upgrade")
        except RefusedError:
            return True
        return False

    until(is_under_way)
    shop.run("down")
    upgrade.join(PATIENCE)
    process.wait(PATIENCE)
    assert re.search(r"not upgraded: the mesh (is being|was) stopped|the mesh is being stopped", said[0]), said
    connection.close()


def test_of_two_upgrades_at_once_one_is_refused(shop: Installed) -> None:
    shop.start()
    waiting = threading.Thread(target=shop.call, args=("/wait",))
    waiting.start()
    until((shop.root / "asked").exists)  # so that none can be over before the other begins
    images: list[int] = []
    refused: list[str] = []

    def begin() -> None:
        try:
            images.append(shop.begin(PATIENCE))
        except RefusedError as error:
            refused.append(str(error))

    callers = [threading.Thread(target=begin) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    (shop.root / "go").touch()
    waiting.join(PATIENCE)
    assert (images, refused) == ([2], ["the mesh is being upgraded"])
    until(lambda: shop.mesh()["image"] == 2)


def test_a_request_under_way_is_answered_first(shop: Installed) -> None:
    shop.start()
    answers: list[str] = []
    caller = threading.Thread(target=lambda: answers.append(shop.call("/wait")))
    caller.start()
    until((shop.root / "asked").exists)
    image = shop.begin(PATIENCE)
    assert shop.mesh()["image"] == image - 1, "it waits"
    (shop.root / "go").touch()
    caller.join(PATIENCE)
    assert answers == [str(shop.pids()["web"])]
    until(lambda: shop.mesh()["image"] == image)
    assert shop.mesh()["upgraded"]["cut"] == 0


def test_lines_that_a_disk_has_not_taken_yet_are_not_left_behind(shop: Installed) -> None:
    logs = shop.root / ".minimesh/logs"
    logs.mkdir(mode=0o700, parents=True)
    os.mkfifo(logs / "tick.log", 0o600)  # whoever opens it waits
    shop.start()
    pids = shop.pids()
    shop.begin()
    until(lambda: shop.mesh()["upgraded"])
    assert "the disk does not keep up" in shop.mesh()["upgraded"]["problem"]
    assert (shop.mesh()["image"], shop.pids()) == (1, pids)
    disk = os.open(logs / "tick.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert shop.upgrade()["problem"] is None
    finally:
        os.close(disk)


def test_what_changes_at_the_last_moment_is_not_taken_for_what_runs(shop: Installed) -> None:
    """Neither a variable of an env file, of which only a new process would learn, nor a service that nobody starts."""
    (shop.root / "minimesh.toml").write_text(TOML.replace("[services.tick]", '[services.tick]\nenv_file = "tick.env"'))
    (shop.root / "tick.env").write_text("A=1\n")
    shop.start()
    pids = shop.pids()
    (shop.root / "tick.env").write_text("A=2\n")
    with pytest.raises(RefusedError, match="an env_file is not what this mesh runs any more"):
        shop.begin()
    (shop.root / "tick.env").write_text("A=1\n")
    caller = threading.Thread(target=shop.call, args=("/wait",))
    caller.start()
    until((shop.root / "asked").exists)
    shop.begin(PATIENCE)
    with (shop.root / "minimesh.toml").open("a") as file:
        file.write('[services.late]\nrun = "sleep 1000"\nport = "none"\ndepends_on = ["web"]\n')
    (shop.root / "go").touch()
    caller.join(PATIENCE)
    until(lambda: shop.mesh()["upgraded"])
    assert "changed meanwhile" in shop.mesh()["upgraded"]["problem"]
    assert (shop.mesh()["image"], shop.pids()) == (1, pids)
    shop.run("reload")
    assert shop.upgrade()["problem"] is None
    assert (shop.pids()["web"], shop.pids()["tick"]) == (pids["web"], pids["tick"])


def test_a_request_that_lasts_too_long_is_cut_and_counted(shop: Installed) -> None:
    shop.start()
    connection = http.client.HTTPConnection(shop.gateway, timeout=PATIENCE)
    connection.request("GET", "/wait")
    until((shop.root / "asked").exists)
    image = shop.begin(0.1)
    with pytest.raises(ConnectionResetError):
        connection.getresponse()
    until(lambda: shop.mesh()["image"] == image)
    assert shop.mesh()["upgraded"]["cut"] == 1
    assert json.loads((shop.root / "access.log").read_text().splitlines()[-1])["cut"] == "stopped"
    (shop.root / "go").touch()


def test_a_program_that_does_not_start_is_not_taken(shop: Installed) -> None:
    shop.start()
    pids = shop.pids()
    shop.edit("control/daemon.py", "TELL_PATIENCE = 2.0", "TELL_PATIENCE = = 2.0")
    with pytest.raises(RefusedError, match=r"the program that is installed does not start: .*SyntaxError"):
        shop.begin()
    shop.edit("control/daemon.py", "TELL_PATIENCE = = 2.0", "TELL_PATIENCE = 2.0")
    shop.edit("control/handover.py", "READABLE = frozenset({FORMAT})", "READABLE = frozenset({FORMAT + 1})")
    with pytest.raises(RefusedError, match="it reads formats"):
        shop.begin()
    shop.edit("control/handover.py", "READABLE = frozenset({FORMAT + 1})", "READABLE = frozenset({FORMAT})")
    (shop.root / "minimesh.toml").write_text(TOML.replace('name = "shop"', 'name = "other"'))
    with pytest.raises(RefusedError, match="not what this mesh runs any more"):
        shop.begin()
    assert "reload it first" in shop.run("upgrade", code=1)
    (shop.root / "minimesh.toml").write_text(TOML)
    assert shop.mesh()["image"] == 1
    assert shop.pids() == pids
    assert shop.call() == str(pids["web"])


def test_an_interpreter_that_vanished_leaves_the_old_one_running(shop: Installed, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    (packages / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    shop.python = str(tmp_path / "venv/bin/python")
    shop.start()
    caller = threading.Thread(target=shop.call, args=("/wait",))
    caller.start()
    until((shop.root / "asked").exists)
    shop.begin(PATIENCE)
    for python in (tmp_path / "venv/bin").glob("python*"):
        python.unlink()
    (shop.root / "go").touch()
    caller.join(PATIENCE)
    until(lambda: shop.mesh()["upgraded"])
    assert "cannot start" in shop.mesh()["upgraded"]["problem"]
    assert shop.mesh()["image"] == 1
    assert shop.call() == str(shop.pids()["web"])
    count = len(shop.lines("tick"))
    until(lambda: len(shop.lines("tick")) > count)


def test_an_image_that_cannot_go_on_starts_anew(shop: Installed) -> None:
    """Loudly, and without a stray: neither a process nor a descriptor of what was."""
    shop.start()
    pids = shop.pids()
    shop.new_version()
    shop.edit("control/inherit.py", "    return Layout(\n", "    raise RuntimeError('a bug')\n    return Layout(\n")
    said = shop.run("upgrade", code=1)
    assert f"could not go on where minimesh {minimesh.__version__} was, so everything starts anew: a bug" in said
    until(lambda: shop.mesh()["state"] == "ready")
    assert (shop.mesh()["version"], shop.mesh()["pid"]) == ("9.9.9", pids["gateway"])
    assert is_gone(pids["web"])
    assert is_gone(pids["tick"])
    assert shop.call() == str(shop.pids()["web"])
    assert list((shop.root / ".minimesh").glob("crash-*.txt"))
    assert shop.process is not None
    children = Path(f"/proc/{shop.process.pid}/task/{shop.process.pid}/children")
    # What reads minimesh.toml for the mesh may still be there for a moment.
    until(lambda: {int(pid) for pid in children.read_text().split()} == {shop.pids()["web"], shop.pids()["tick"]})


def test_a_terminal_has_its_output_and_its_interrupt_afterwards(shop: Installed) -> None:
    leader, terminal = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(leader, 4096):
                shown.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    process = shop.start(stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    shop.new_version()
    shop.upgrade()
    until(lambda: b"untouched" in b"".join(shown))
    text = b"".join(shown).decode()
    assert f"upgraded {minimesh.__version__} → 9.9.9 in " in text
    assert text.count("ready in") == 1
    count = text.count("one half")
    until(lambda: b"".join(shown).count(b"one half") > count)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    reader.join(PATIENCE)
    os.close(leader)
    text = b"".join(shown).decode()
    assert "stopped 2 in" in text
    assert "0 processes left" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_between_stops_whoever_hears_it(shop: Installed, number: signal.Signals) -> None:
    process = shop.start()
    pids = shop.pids()
    shop.begin()
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    until(lambda: all(is_gone(pid) for pid in pids.values()))


@pytest.mark.slow
@pytest.mark.alone
def test_no_request_fails_under_load(shop: Installed) -> None:
    """And nothing is left open: the same connections, the same descriptors, after many upgrades."""
    shop.start()
    host = shop.gateway
    failures: list[Exception] = []
    served = [0] * 8
    over = threading.Event()

    def call(number: int) -> None:
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        try:
            connection.connect()
            socket = connection.sock
            while not over.is_set():
                connection.request("POST" if number % 2 else "GET", "/")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == (501 if number % 2 else 200)
                served[number] += 1
                if number < 4:
                    assert connection.sock is socket, "it was closed"
                else:
                    connection.close()
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)
        finally:
            connection.close()

    def moved(before: list[int]) -> bool:
        return all(now > then + 10 for now, then in zip(served, before, strict=True))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(len(served))]
    for caller in callers:
        caller.start()
    until(lambda: min(served) > 10)
    shop.upgrade()
    for _ in range(4):
        before = list(served)
        assert shop.upgrade()["cut"] == 0
        until(lambda: moved(before))  # noqa: B023 - asked at once
    over.set()
    for caller in callers:
        caller.join(PATIENCE)
    assert failures == []
    shop.upgrade()
    first = shop.descriptors()
    for _ in range(15):
        shop.upgrade()
    until(lambda: shop.descriptors() == first)
