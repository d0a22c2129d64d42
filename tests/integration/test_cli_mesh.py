"""The commands against real meshes, as a person types them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import until

SERVER = """\
import http.server, os, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        below = os.environ.get("BACK_URL")
        body = urllib.request.urlopen(below + self.path).read() if below else b"from back"
        self.send_response(500 if self.path == "/fail" and not below else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

Handler.log_message = lambda *told: None
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TOML = f"""\
version = 1
[gateway]
routes = [{{ path = "/*", to = "front" }}]
[services.front]
run = [{json.dumps(sys.executable)}, "server.py"]
depends_on = ["back"]
ready = "/"
[services.back]
run = [{json.dumps(sys.executable)}, "server.py"]
ready = "/"
[services.idle]
run = ["sleep", "600"]
port = "none"
"""
PATIENCE = 20.0
MINIMESH = [sys.executable, "-m", "minimesh"]


def run(root: Path, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run([*MINIMESH, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert code is None or ran.returncode == code, ran.stderr
    return ran


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mesh behind the terminal."""
    root = tmp_path_factory.mktemp("shop")
    (root / "server.py").write_text(SERVER)
    (root / "minimesh.toml").write_text(TOML)
    run(root, "up", "-d")
    yield root
    run(root, "down", "-t", "2")
    assert run(root, "ps", code=3).stdout == ""


def calls(root: Path, path: str = "/", service: str = "gateway") -> None:
    """Through the gateway, or as a service, with the addresses that `exec` gives."""
    name = "GATEWAY_URL" if service == "gateway" else "BACK_URL"
    program = (
        f"import os, urllib.request; print(urllib.request.urlopen(os.environ['{name}'] + '{path}').read().decode())"
    )
    assert run(root, "exec", service, "--", sys.executable, "-c", program).stdout == "from back\n"


def test_ps_shows_what_runs(shop: Path) -> None:
    services = {service["name"]: service for service in json.loads(run(shop, "ps", "-o", "json").stdout)}
    assert list(services) == ["gateway", "front", "back", "idle"]
    assert all(service["ready"] == 1 for service in services.values())


def test_up_again_is_no_mistake(shop: Path) -> None:
    assert run(shop, "up", "-d").stderr.startswith("reload: 3 unchanged, ")


def test_calls_are_counted_for_who_made_them(shop: Path) -> None:
    calls(shop)
    calls(shop, service="front")

    def requests(*words: str) -> dict[str, Any]:
        return {row["name"]: row["requests"] for row in json.loads(run(shop, "stat", "--json", *words).stdout)}

    assert until(lambda: requests("back")["back"] >= 2)
    assert requests("--from", "front")["back"] >= 2
    edges = {(edge["source"], edge["destination"]) for edge in json.loads(run(shop, "edges", "--json").stdout)}
    assert {("gateway", "front"), ("front", "back")} <= edges
    run(shop, "stat", "front", "--fail-below", "1%")


def test_tap_shows_the_next_request(shop: Path) -> None:
    with subprocess.Popen(
        [*MINIMESH, "tap", "back", "--max", "1", "--json"],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tap:

        def called_until_seen() -> bool:
            calls(shop)
            return tap.poll() is not None

        assert until(called_until_seen)
        out, _ = tap.communicate(timeout=PATIENCE)
    assert tap.returncode == 0
    assert [(item["source"], item["destination"]) for item in map(json.loads, out.splitlines())] == [("front", "back")]


def test_tap_says_what_it_waits_for(shop: Path) -> None:
    with subprocess.Popen(
        [*MINIMESH, "tap", "--to", "idle"], cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tap:
        assert tap.stderr is not None
        assert tap.stderr.readline() == "waiting for requests to idle\n"
        tap.send_signal(signal.SIGINT)
        assert tap.wait(PATIENCE) == 130


def test_logs_and_events(shop: Path) -> None:
    assert "back | listening\n" in run(shop, "logs", "back").stdout
    kinds = {
        (event["service"], event["kind"])
        for event in map(json.loads, run(shop, "events", "--json").stdout.splitlines())
    }
    assert {("back", "ready"), ("front", "ready"), ("idle", "running")} <= kinds


def test_env_gives_a_shell_the_addresses(shop: Path) -> None:
    out = run(shop, "env", "front").stdout
    assert all(line.startswith("export ") for line in out.splitlines())
    assert "export BACK_URL=http://127.0.0.1:" in out


def test_a_service_is_stopped_and_started(shop: Path) -> None:
    def state() -> str:
        return str({each["name"]: each["state"] for each in json.loads(run(shop, "ps", "--json").stdout)}["idle"])

    run(shop, "stop", "idle")
    assert state() == "stopped"
    run(shop, "start", "idle")
    assert until(lambda: state() == "running")


@pytest.mark.parametrize(
    "words",
    [
        ["env", "bakc"],
        ["exec", "bakc", "--", "true"],
        ["logs", "bakc"],
        ["stat", "bakc"],
        ["tap", "bakc"],
        ["restart", "bakc"],
    ],
)
def test_an_unknown_service_is_named(shop: Path, words: list[str]) -> None:
    ran = run(shop, *words, code=2)
    assert ran.stderr.startswith("error[MM403]: ")
    assert "bakc" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_in_the_foreground_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "minimesh.toml").write_text(TOML)
    err = tmp_path / "err"
    with (
        err.open("w") as target,
        subprocess.Popen(
            [*MINIMESH, "up", "--no-log-prefix"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=target, text=True
        ) as up,
    ):
        assert until(lambda: "\nready in " in err.read_text() or up.poll() is not None)
        pids = [each["pid"] for each in json.loads(run(tmp_path, "ps", "--json").stdout) if each["kind"] == "service"]
        up.send_signal(signal.SIGINT)
        out, _ = up.communicate(timeout=PATIENCE)
    lines = err.read_text().splitlines()
    assert up.returncode == 0
    assert out == "listening\n" * 2
    assert {line.split()[1] for line in lines if line.startswith("  ok")} == {
        "config",
        "identity",
        "front",
        "back",
        "idle",
    }
    assert lines[-2].startswith("stopping ")
    assert lines[-1].startswith("stopped 3 in ")
    assert lines[-1].endswith(", 0 processes left")
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110


def test_a_subset_brings_what_it_needs_and_no_deps_does_not(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "minimesh.toml").write_text(TOML)
    run(tmp_path, "up", "-d", "front")
    try:
        assert run(tmp_path, "ps", "-q").stdout == "gateway\nfront\nback\n"
    finally:
        run(tmp_path, "down", "-t", "2")
    names = [each["name"] for each in json.loads(run(tmp_path, "up", "--dry-run", "front", "--json").stdout)]
    assert names == ["back", "front"]
    names = [
        each["name"] for each in json.loads(run(tmp_path, "up", "--dry-run", "--no-deps", "front", "--json").stdout)
    ]
    assert names == ["front"]


def test_what_does_not_become_ready_is_shown_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "minimesh.toml").write_text(
        'version = 1\n[services.bad]\nrun = "echo KeyError: X >&2; exit 3"\nrestart = "no"\n'
        '[services.slow]\nrun = "sleep 600"\nready = "/"\n'
    )
    try:
        late = run(tmp_path, "up", "-d", "slow", "--wait-timeout", "4s", code=4)
        assert late.stderr.startswith("error[MM404]: not ready after 4.0s; it goes on\n  slow  starting: ")
    finally:
        run(tmp_path, "down", "-t", "1")
    try:
        failed = run(tmp_path, "up", "-d", "bad", code=1)
        assert failed.stderr.startswith("error[MM405]: bad did not become ready; the rest runs\n")
        assert "bad | KeyError: X\n" in failed.stderr
    finally:
        run(tmp_path, "down", "-t", "1")


def test_up_without_a_file_or_with_mistakes_in_it(tmp_path: Path) -> None:
    for words in (["up"], ["up", "-d"]):
        assert run(tmp_path, *words, code=2).stderr == (
            "error[MM412]: no minimesh.toml here or above\n  help: minimesh init\n"
        )
    (tmp_path / "minimesh.toml").write_text("version = 1\n[services.a]\nrunn = 1\n[services.b]\nrun = 3\n[x]\n")
    for words in (["up"], ["up", "-d"], ["validate"]):
        assert run(tmp_path, *words, code=2).stderr.count("\n  --> minimesh.toml:") == 4


def test_run_needs_no_file_and_returns_the_exit_code_of_its_program(tmp_path: Path) -> None:
    ran = run(tmp_path, "run", "--", "sh", "-c", "echo on $PORT; exit 7", code=7)
    assert ran.stdout.startswith("on ")
    assert run(tmp_path, "-q", "run", "--", "no-such-program", code=127).stderr == ""
    assert not (tmp_path / "minimesh.toml").exists()


def test_run_puts_a_gateway_before_the_program(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    err = tmp_path / "err"
    with (
        err.open("w") as target,
        subprocess.Popen(
            [*MINIMESH, "run", "--", sys.executable, "server.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=target
        ) as mesh,
    ):
        assert until(lambda: "\nready in " in err.read_text() or mesh.poll() is not None)
        assert until(lambda: _answers(tmp_path))
        mesh.send_signal(signal.SIGINT)
        mesh.communicate(timeout=PATIENCE)
    assert mesh.returncode == 0


def _answers(root: Path) -> bool:
    program = "import os, urllib.request; print(urllib.request.urlopen(os.environ['GATEWAY_URL']).read().decode())"
    return run(root, "exec", "gateway", "--", sys.executable, "-c", program, code=None).stdout == "from back\n"
