"""What holds for every command: JSON that parses, no escape byte in a pipe, and no traceback for anybody's mistake."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

from minimesh.cli import app
from minimesh.cli.verbs import VERBS

PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]
SERVER = """\
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

Handler.log_message = lambda *told: None
print("\\x1b[32mlistening\\x1b[0m", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TOML = f"""\
version = 1
[gateway]
routes = [{{ path = "/*", to = "web" }}, {{ host = "a.test", path = "/api/*", to = "back" }}]
[services.web]
run = [{json.dumps(sys.executable)}, "server.py"]
depends_on = ["back"]
ready = "/"
[services.back]
run = [{json.dumps(sys.executable)}, "server.py"]
ready = "/"
[tasks.seed]
run = "echo seeding"
"""

ARRAYS: dict[str, list[str]] = {
    "ps": ["-a"],
    "stat": [],
    "edges": [],
    "routes": [],
    "check": [],
    "wait": ["--timeout", "10s"],
}
"""Commands that list, with what they are given: one array, of 0, 1 or n items."""
STREAMS: dict[str, list[str]] = {
    "logs": ["-n", "5"],
    "events": [],
}
"""Commands that follow: an object a line."""
OBJECTS: dict[str, list[str]] = {
    "version": [],
    "graph": [],
    "explain": ["MM002"],
    "validate": [],
    "config": [],
    "bug-report": ["--to", "{tmp}/report.tar.gz"],
}
"""Commands with one answer, also where there is no service."""
OF_A_SERVICE: dict[str, list[str]] = {
    "env": ["web"],
    "port": ["web"],
    "open": ["web"],
    "route": ["GET", "/x"],
    "describe": ["web"],
}
"""Commands with one answer about a service."""


CHANGING = {"up", "down", "start", "stop", "restart", "scale", "reload", "upgrade", "init", "run", "exec"}
FOLLOWING = {"tap", "top", "ui", "demo", "token", "key", "authz", "recover"}
"""Commands whose JSON other tests look at."""


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Run: TypeAlias = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command line in this process and in a folder, with pipes for streams and a stdin that must not be read."""
    for name, value in {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdin", None)

    def command(root: Path, *words: str) -> Ran:
        monkeypatch.chdir(root)
        capsys.readouterr()
        return Ran(app.run(words), *capsys.readouterr())

    return command


def started(root: Path, toml: str) -> Iterator[Path]:
    (root / "server.py").write_text(SERVER)
    (root / "minimesh.toml").write_text(toml)

    def minimesh(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*MINIMESH, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE)

    up = minimesh("up", "-d")
    assert up.returncode == 0, up.stderr
    try:
        yield root
    finally:
        minimesh("down", "-t", "2")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from started(tmp_path_factory.mktemp("shop"), TOML)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mesh with nothing in it, not even a gateway."""
    yield from started(tmp_path_factory.mktemp("empty"), "version = 1\n")


def placed(words: list[str], tmp_path: Path) -> list[str]:
    return [word.replace("{tmp}", str(tmp_path)) for word in words]


def test_every_command_with_json_is_in_a_table() -> None:
    commands = {verb: import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb] for verb in VERBS}
    with_json = {verb for verb, command in commands.items() if "json" in command.outputs}
    assert with_json - CHANGING - FOLLOWING == {*ARRAYS, *STREAMS, *OBJECTS, *OF_A_SERVICE}


@pytest.mark.parametrize("verb", ARRAYS)
@pytest.mark.parametrize("which", ["shop", "empty"])
def test_a_list_is_one_array(run: Run, request: pytest.FixtureRequest, which: str, verb: str) -> None:
    root: Path = request.getfixturevalue(which)
    ran = run(root, verb, *ARRAYS[verb], "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert isinstance(json.loads(ran.stdout), list)


@pytest.mark.parametrize("verb", STREAMS)
@pytest.mark.parametrize("which", ["shop", "empty"])
def test_a_stream_is_an_object_a_line(run: Run, request: pytest.FixtureRequest, which: str, verb: str) -> None:
    ran = run(request.getfixturevalue(which), verb, *STREAMS[verb], "--json")
    assert ran.returncode == 0, ran.stderr
    assert all(isinstance(json.loads(line), dict) for line in ran.stdout.splitlines())


@pytest.mark.parametrize("verb", [*OBJECTS, *OF_A_SERVICE])
def test_one_answer_is_one_object(run: Run, shop: Path, verb: str, tmp_path: Path) -> None:
    ran = run(shop, verb, *placed((OBJECTS | OF_A_SERVICE)[verb], tmp_path), "--json")
    assert ran.returncode == 0, ran.stderr
    assert isinstance(json.loads(ran.stdout), dict)


@pytest.mark.parametrize("verb", OBJECTS)
def test_one_answer_where_there_is_nothing(run: Run, empty: Path, verb: str, tmp_path: Path) -> None:
    ran = run(empty, verb, *placed(OBJECTS[verb], tmp_path), "--json")
    assert ran.returncode == 0, ran.stderr
    assert isinstance(json.loads(ran.stdout), dict)


@pytest.mark.parametrize("verb", [*ARRAYS, *STREAMS, *OBJECTS, *OF_A_SERVICE])
@pytest.mark.parametrize("options", [[], ["--no-color"]])
def test_no_escape_byte_in_a_pipe(run: Run, shop: Path, verb: str, options: list[str], tmp_path: Path) -> None:
    words = placed((ARRAYS | STREAMS | OBJECTS | OF_A_SERVICE)[verb], tmp_path)
    ran = run(shop, *options, verb, *words)
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "words",
    [
        ["--no-such-option"],
        ["nobody", "nobody", "nobody"],
        ["-t", "x"],
        ["--since", "x"],
        ["-o", "jsno"],
        ["\x1b]0;x\x07"],
    ],
)
def test_a_mistake_is_told_and_never_a_traceback(
    run: Run, shop: Path, verb: str, words: list[str], tmp_path: Path
) -> None:
    folder = tmp_path if verb in ("init", "completion", "up", "demo") else shop
    ran = run(folder, verb, *words)
    assert ran.returncode in (1, 2, 3, 127), ran.stdout
    assert ran.stderr.startswith("error[MM"), ran.stderr
    assert "Traceback" not in ran.stderr
    assert "MM500" not in ran.stderr
    assert "\x1b" not in ran.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_mesh_or_a_file_it_is_said(run: Run, tmp_path: Path, verb: str) -> None:
    ran = run(tmp_path, "--no-input", verb, *NEEDED.get(verb, []))
    assert "Traceback" not in ran.stderr
    assert "MM500" not in ran.stderr
    if verb not in ("init", "explain", "version", "completion", "bug-report", "demo"):
        assert ran.returncode in (1, 2, 3), ran.stderr


NEEDED: dict[str, list[str]] = {
    "exec": ["web", "--", "true"],
    "run": ["seed"],
    "env": ["web"],
    "port": ["web"],
    "call": ["web", "/"],
    "route": ["GET", "/"],
    "explain": ["MM002"],
    "completion": ["bash"],
    "top": ["-t", "1s"],
}


def test_errors_are_json_where_json_is_asked_for(run: Run, shop: Path) -> None:
    for words in (["ps", "--nope", "--json"], ["-o", "json", "env", "wbe"], ["route", "GET", "http://[", "--json"]):
        ran = run(shop, *words)
        assert ran.stdout == ""
        error = json.loads(ran.stderr)["error"]
        assert error["code"].startswith("MM")
        assert error["message"]
