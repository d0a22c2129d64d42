"""Whole lives of meshes from the command line: several at once, tasks, ends, and logs without a gap."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]
ECHO = """\
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = f"{self.command} {self.path} x-mark={self.headers.get('x-mark')} ".encode() + body
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)
    do_GET = do_PUT = do_POST

Handler.log_message = lambda *told: None
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
PYTHON = json.dumps(sys.executable)
SHOP = f"""\
version = 1
[gateway]
routes = [{{ path = "/*", to = "echo" }}]
[services.echo]
run = [{PYTHON}, "echo.py"]
ready = "/"
[services.web]
run = ["sleep", "600"]
port = "none"
calls = ["echo"]
[tasks.greet]
run = "echo hello; echo oops >&2; exit 5"
when = {{ always = true }}
"""


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """A runtime folder of our own, so that no mesh of this machine hears of ours; short, as sockets must be."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINIMESH_")}
    with tempfile.TemporaryDirectory(prefix="mesh-", dir="/tmp") as folder:
        yield {**kept, "XDG_RUNTIME_DIR": folder}


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(environ: dict[str, str]) -> Iterator[Run]:
    """A command line in a folder; what was started with `up` is stopped in the end."""
    used: set[Path] = set()

    def command(root: Path, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        used.add(root)
        ran = subprocess.run(
            [*MINIMESH, *words], cwd=root, env=environ, capture_output=True, text=True, timeout=PATIENCE
        )
        assert code is None or ran.returncode == code, ran.stdout + ran.stderr
        return ran

    yield command
    for root in used:
        command(root, "down", "-t", "1", code=None)


def project(root: Path, toml: str) -> Path:
    root.mkdir()
    (root / "echo.py").write_text(ECHO)
    (root / "minimesh.toml").write_text(toml.replace("when = { always = true }\n", ""))
    return root


def listed(run: Run, root: Path) -> dict[str, dict[str, Any]]:
    """Meshes in this test's folders; those of others may run as well."""
    seen = json.loads(run(root, "ps", "--all-projects", "--json").stdout)
    return {each["folder"]: each for each in seen if Path(each["folder"]).parent == root.parent}


def test_two_copies_of_a_project_run_at_once_without_a_port_to_choose(tmp_path: Path, run: Run) -> None:
    toml = SHOP.replace("exit 5", "exit 0")
    one, two = project(tmp_path / "one", toml), project(tmp_path / "two", toml)
    assert listed(run, one) == {}
    for root in (one, two):
        run(root, "up", "-d")
    seen = listed(run, one)
    assert list(seen) == [str(one), str(two)]
    assert len({each["gateway"] for each in seen.values()}) == 2
    assert {each["state"] for each in seen.values()} == {"ready"}
    for root in (one, two):
        assert run(root, "call", "echo", "/hi").stdout == "GET /hi x-mark=None "
    os.kill(seen[str(two)]["pid"], signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    while str(two) in listed(run, one) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(listed(run, one)) == [str(one)]
    run(two, "up", "-d")
    assert len(listed(run, one)) == 2
    run(one, "down", "-t", "1", "-v")
    assert {each.name for each in (one / ".minimesh").iterdir()} == {".gitignore", "ca"}
    assert list(listed(run, two)) == [str(two)]


def test_a_request_as_a_service_and_a_task_now(tmp_path: Path, run: Run) -> None:
    root = project(tmp_path / "shop", SHOP)
    run(root, "up", "-d", "web", "echo")
    asked = run(root, "call", "echo", "/a?b=c", "--as", "web", "-X", "put", "-H", "X-Mark: 7", "-d", '{"n": 1}')
    assert asked.stdout == 'PUT /a?b=c x-mark=7 {"n": 1}'
    assert asked.stderr.startswith("200 OK from echo   as web, ")
    assert "HTTP/1.1 404 " in run(root, "call", "echo", "/missing", "-i", "--fail", code=1).stdout
    assert "may not call echo" in run(root, "call", "echo", "/", "--as", "greet", code=2).stderr
    ran = run(root, "run", "greet", code=5)
    assert (ran.stdout, ran.stderr) == ("hello\n", "oops\n")
    assert run(root, "run", "greet", code=5).stdout == "hello\n"
    *_, end = map(json.loads, run(root, "run", "greet", "--json", code=5).stdout.splitlines())
    assert (end["ended"], end["exit_code"]) == ("failed", 5)
    assert run(root, "run", "web", code=1).stderr.startswith("error[MM409]: web is a service, not a task\n")
    edge = json.loads(run(root, "edges", "web", "--json").stdout)[0]
    assert (edge["source"], edge["destination"]) == ("web", "echo")
    assert (
        run(root, "exec", "-T", "-e", "A=1", "-w", "..", "web", "sh", "-c", "echo $A; pwd").stdout == f"1\n{tmp_path}\n"
    )


ENDS = """\
version = 1
[services.talker]
run = "while :; do echo talk; sleep 0.05; done"
port = "none"
[services.tests]
run = "echo testing; sleep 0.3; exit 3"
port = "none"
depends_on = ["talker"]
[tasks.job]
run = "echo job"
depends_on = ["talker"]
"""


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["--exit-code-from", "tests", "--no-attach", "talker", "--no-attach", "job"], 3, {"tests | testing"}),
        (["--exit-code-from", "job", "--attach", "job", "job"], 0, {"job | job"}),
        (["--abort-on-failure", "--attach", "tests"], 3, {"tests | testing"}),
        (["--no-deps", "tests", "--exit-code-from", "tests"], 3, {"tests | testing"}),
    ],
)
def test_up_ends_with_a_service_and_its_exit_code(
    tmp_path: Path, run: Run, words: list[str], code: int, shown: set[str]
) -> None:
    root = project(tmp_path / "ends", ENDS)
    ran = run(root, "up", *words, code=code)
    assert {" ".join(line.split()) for line in ran.stdout.splitlines()} == shown
    assert " 0 processes left" in ran.stderr.splitlines()[-1]


def test_up_beside_a_running_mesh_shows_what_was_asked_for_and_ends_nothing(
    tmp_path: Path, run: Run, environ: dict[str, str]
) -> None:
    root = project(tmp_path / "ends", ENDS)
    run(root, "up", "-d", "talker")
    refused = run(root, "up", "--exit-code-from", "tests", code=2).stderr
    assert "--exit-code-from ends a mesh that this command has started" in refused
    states = {each["name"]: each["state"] for each in json.loads(run(root, "ps", "-a", "--json").stdout)}
    assert states == {"talker": "running", "tests": "pending", "job": "pending", "gateway": "running"}
    words = ["up", "--no-attach", "talker", "--no-log-prefix", "tests", "job"]
    with subprocess.Popen([*MINIMESH, *words], cwd=root, env=environ, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        awaited = {"testing\n", "job\n"}
        while awaited:
            line = up.stdout.readline()
            assert "talk" not in line
            awaited.discard(line)
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE) == 130


def test_up_apart_without_what_is_needed(tmp_path: Path, run: Run) -> None:
    root = project(tmp_path / "ends", ENDS)
    run(root, "up", "-d", "--no-deps", "job")
    states = {each["name"]: each["state"] for each in json.loads(run(root, "ps", "-a", "--json").stdout)}
    assert (states["job"], states["talker"]) == ("completed", "pending")
    run(root, "start", "tests", code=None)
    states = {each["name"]: each["state"] for each in json.loads(run(root, "ps", "-a", "--json").stdout)}
    assert states["talker"] == "running"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["up", "-d", "--attach", "job"], "--attach is about a mesh in this terminal, and with -d it is not"),
        (["up", "--attach", "jbo"], "there is no service 'jbo'"),
        (["up", "--exit-code-from", "tets"], "did you mean tests?"),
        (["up", "--exit-code-from", "tests", "talker"], "help: minimesh up --exit-code-from tests talker tests\n"),
        (["up", "--attach", "job", "talker"], "--attach job: job would not be started"),
        (["up", "--wait-timeout", "3"], "--wait-timeout goes with -d or --wait"),
    ],
)
def test_flags_that_do_not_go_together(tmp_path: Path, run: Run, words: list[str], told: str) -> None:
    assert told in run(project(tmp_path / "ends", ENDS), *words, code=2).stderr


def test_up_on_a_mesh_that_runs_shows_what_was_asked_for(tmp_path: Path, run: Run, environ: dict[str, str]) -> None:
    root = project(tmp_path / "ends", ENDS)
    run(root, "up", "-d", "talker")
    refused = run(root, "up", "--exit-code-from", "tests", code=2).stderr
    assert "--exit-code-from ends a mesh that this command has started" in refused
    words = [*MINIMESH, "up", "talker", "--no-log-prefix", "--attach", "talker", "--timestamps"]
    with subprocess.Popen(
        words, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        while not (told := up.stderr.readline()).startswith("runs already"):
            assert told
        line = up.stdout.readline()
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE) == 130
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d talk\n", line)


COUNTER = f"""\
version = 1
[mesh]
name = "counter"
[services.counter]
run = [{PYTHON}, "-uc", '''
import time
n = 0
while True:
    print("INFO n=%d" % n if n % 10 else "ERROR n=%d" % n)
    n += 1
    time.sleep(0.002)
''']
port = "none"
[services.deaf]
run = "trap '' TERM; while :; do sleep 1; done"
port = "none"
"""


def test_followed_logs_that_begin_in_the_files_have_no_gap_and_nothing_twice(
    tmp_path: Path, run: Run, environ: dict[str, str]
) -> None:
    root = project(tmp_path / "counter", COUNTER)
    run(root, "up", "-d")
    followed = [*MINIMESH, "logs", "-f", "--since", "1m", "--grep", "n=", "--no-log-prefix", "counter"]
    with subprocess.Popen(followed, cwd=root, env=environ, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout is not None
        numbers = [int(logs.stdout.readline().rpartition("=")[2]) for _ in range(1_500)]
        logs.send_signal(signal.SIGINT)
        assert logs.wait(PATIENCE) == 130
    assert numbers == list(range(1_500))
    errors = run(root, "logs", "--level", "error", "--no-log-prefix", "-n", "20", "counter").stdout.splitlines()
    assert len(errors) == 20
    assert all(line.startswith("ERROR n=") for line in errors)
    assert len(run(root, "logs", "-n", "7", "--until", "0s", "counter").stdout.splitlines()) == 7


def test_stop_with_a_time_kills_who_does_not_listen_and_says_what_it_waits_for(tmp_path: Path, run: Run) -> None:
    root = project(tmp_path / "counter", COUNTER)
    run(root, "up", "-d")
    began = time.monotonic()
    stopped = run(root, "stop", "-t", "2500ms", "deaf")
    assert time.monotonic() - began < 8
    assert stopped.stderr == "waiting for deaf to stop\nstopped deaf\n"
    assert run(root, "ps", "-q", "--status", "stopped").stdout == "deaf\n"
    assert run(root, "wait", "deaf", "--for", "stopped").stderr == "deaf stopped\n"
    assert run(root, "wait", "deaf", code=1).stderr.startswith("error[MM405]: deaf is stopped\n")
    assert run(root, "restart", "-t", "1", "counter").stderr == "restarted counter\n"


def test_the_logs_stay_when_the_mesh_has_gone(tmp_path: Path, run: Run) -> None:
    root = project(tmp_path / "ends", ENDS)
    run(root, "up", "--exit-code-from", "tests", code=3)
    left = run(root, "logs", "--grep", "testing")
    assert left.stdout == "tests  | testing\n"
    assert left.stderr.startswith("no mesh is running here")
