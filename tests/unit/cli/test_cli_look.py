"""Commands that show what a running mesh answers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from minimesh.cli.ps import STATES, in_short
from minimesh.control.views import ServiceView
from minimesh.supervise.status import State

Command = Callable[..., tuple[int, str, str]]


def service(name: str, state: str = "ready", **facts: object) -> dict[str, Any]:
    known: dict[str, Any] = {
        "name": name,
        "kind": "service",
        "state": state,
        "ready": 1,
        "replicas": 1,
        "restarts": 0,
        "up_ms": 720_000.0,
        "pid": 5120,
        "listen": "127.0.0.1:8101",
        "url": f"http://{name}.shop.localhost:7080",
        "meshed": "memory",
        "connections": 4,
        "reason": None,
        "instances": [],
    }
    return known | facts


def instance(**facts: object) -> dict[str, Any]:
    known: dict[str, Any] = {
        "replica": 1,
        "state": "crash-loop",
        "pid": None,
        "port": 8103,
        "restarts": 4,
        "up_ms": None,
        "reason": None,
        "exit_code": 1,
        "last_stderr": None,
        "outlook": None,
    }
    return known | facts


SERVICES = [
    service("gateway", "running", kind="gateway", listen="127.0.0.1:7443"),
    service(
        "payments",
        "crash-loop",
        ready=0,
        restarts=4,
        up_ms=None,
        pid=None,
        listen="127.0.0.1:8103",
        reason="exit 1",
        instances=[instance(last_stderr="KeyError: 'STRIPE_KEY'\x1b[2J", outlook="5 times in 62 s, not started again")],
    ),
    service("seed", "completed", kind="task", ready=0, up_ms=None, pid=None, listen=None, meshed=None),
    service("worker", "pending", ready=0, up_ms=None, pid=None, listen=None),
]


def stat_row(name: str, requests: int, **facts: object) -> dict[str, Any]:
    seen = requests > 0
    known: dict[str, Any] = {
        "name": name,
        "kind": "service",
        "ready": 1,
        "replicas": 1,
        "success": 0.961 if seen else None,
        "rps": 27.0 if seen else None,
        "p50_ms": 31.2 if seen else None,
        "p95_ms": 180.0 if seen else None,
        "p99_ms": 240.0 if seen else None,
        "retries": 41 if seen else 0,
        "connections": 6 if seen else 0,
        "requests": requests,
        "bytes_in": 1200,
        "bytes_out": 5_000_000,
        "reasons": {"upstream_refused": 17, "timeout": 4} if seen else {},
        "grpc": {},
        "messages_in": 0,
        "messages_out": 0,
    }
    return known | facts


STAT = [stat_row("orders", 1620), stat_row("worker", 0, connections=0)]
EDGES: list[dict[str, Any]] = [
    {
        "source": "orders",
        "destination": "payments",
        "rps": 9.1,
        "success": 0.813,
        "p50_ms": 38.0,
        "p99_ms": 410.0,
        "secured": "memory",
        "client_id": "spiffe://shop.mesh/svc/orders",
        "requests": 546,
        "active": 1,
        "reasons": {"upstream_refused": 102},
        "grpc": {},
        "messages_in": 0,
        "messages_out": 0,
    },
    {
        "source": "web",
        "destination": "orders",
        "rps": None,
        "success": None,
        "p50_ms": None,
        "p99_ms": None,
        "secured": "memory",
        "client_id": "spiffe://shop.mesh/svc/web",
        "requests": 0,
        "active": 0,
        "reasons": {},
        "grpc": {},
        "messages_in": 0,
        "messages_out": 0,
    },
]
TAP = {
    "id": "7f3a",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "request_id": "r1",
    "time": "2026-11-23T14:02:10.412Z",
    "source": "orders",
    "destination": "payments",
    "route": "/*",
    "method": "POST",
    "host": "payments",
    "path": "/charge\x1b[2J",
    "status": 503,
    "reason": "upstream_refused",
    "cut": None,
    "detail": None,
    "duration_ms": 404.2,
    "first_byte_ms": None,
    "bytes_in": 52,
    "bytes_out": 91,
    "tries": 3,
    "max_tries": 3,
    "endpoint": "payments-1",
    "secured": "memory",
    "fault": "app",
    "client": "127.0.0.1:5000",
    "protocol": "http/1.1",
    "grpc_status": None,
    "grpc": None,
    "messages_in": None,
    "messages_out": None,
}
MESH = {"project": "shop", "state": "ready", "gateway": {"address": "127.0.0.1:7080", "url": "http://localhost:7080"}}
GOLDEN = Path(__file__).parents[2] / "golden" / "cli"


@pytest.fixture
def shop(mesh: Any) -> Any:
    mesh.give("/v1/mesh", MESH)
    mesh.give("/v1/services", SERVICES)
    mesh.give("/v1/stat", STAT)
    mesh.give("/v1/edges", EDGES)
    bytes_ = {"protocol": "tcp", "method": "", "path": "", "status": 0, "bytes_in": 3072, "duration_ms": 1200.0}
    mesh.give(
        "/v1/tap",
        [
            TAP,
            {"dropped": 12},
            {**TAP, "status": 0, "reason": None, "cut": "client_gone"},
            {**TAP, **bytes_, "reason": None, "fault": None},
            {**TAP, **bytes_, "host": "", "protocol": "udp", "reason": None, "fault": None},
            {**TAP, **bytes_, "host": "db.test", "reason": "no_endpoint", "endpoint": None, "fault": "app"},
        ],
    )
    return mesh


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        ("ps", ["ps"]),
        ("ps-all", ["ps", "-a"]),
        ("ps-wide", ["ps", "-o", "wide"]),
        ("stat", ["stat"]),
        ("stat-wide", ["stat", "-o", "wide"]),
        ("edges", ["edges"]),
        ("edges-wide", ["edges", "-o", "wide"]),
        ("tap", ["tap"]),
        ("tap-wide", ["tap", "-o", "wide"]),
    ],
)
def test_tables_are_what_they_were(shop: Any, minimesh: Command, golden: str, words: list[str]) -> None:
    code, out, _ = minimesh(*words)
    assert code == 0
    assert "\x1b" not in out
    file = GOLDEN / f"{golden}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(out)
    assert out == file.read_text()


@pytest.mark.parametrize("path", ["services", "stat", "edges"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_lists_are_one_json_array(shop: Any, minimesh: Command, path: str, count: int) -> None:
    lists: dict[str, list[dict[str, Any]]] = {"services": SERVICES, "stat": STAT, "edges": EDGES}
    verb = {"services": "ps"}.get(path, path)
    items = lists[path][:count]
    shop.give(f"/v1/{path}", items)
    for words in (["-o", "json", verb], [verb, "--json"]):
        code, out, err = minimesh(*words)
        assert (code, json.loads(out), err) == (0, items, "")


def test_names_alone(shop: Any, minimesh: Command) -> None:
    assert minimesh("ps", "-q").out == "gateway\npayments\n"  # type: ignore[attr-defined]
    assert minimesh("ps", "-a", "-o", "name")[1] == "gateway\npayments\nseed\nworker\n"
    assert minimesh("stat", "-o", "name")[1] == "orders\nworker\n"
    assert minimesh("edges", "-o", "name")[1] == "orders->payments\nweb->orders\n"


def test_many_rows_are_counted_by_state() -> None:
    def of(*states: str) -> list[ServiceView]:
        return [cast("ServiceView", service(f"s{number}", state)) for number, state in enumerate(states)]

    rows = of("ready", "ready", "running", "waiting")
    assert in_short(rows) == "4 rows: 2 ready, 1 running, 1 waiting; minimesh ps --status waiting"
    rows += of("crash-loop", "failed")
    assert in_short(rows).endswith("; minimesh ps --status crash-loop --status failed")
    assert in_short(rows[:3]) == "3 rows: 2 ready, 1 running"


def test_ps_by_status(shop: Any, minimesh: Command) -> None:
    assert {*STATES} == {state.value for state in State if state is not State.READY}
    code, _, err = minimesh("ps", "--status", "runing")
    assert (code, err.rpartition("; ")[2]) == (2, "did you mean running?\n")
    assert minimesh("ps", "--all-projects", "--status", "running")[0] == 2
    assert minimesh("ps", "-q", "--status", "completed", "--status", "crash-loop")[1] == "payments\nseed\n"


def test_stat_asks_for_what_was_said(shop: Any, minimesh: Command) -> None:
    minimesh("stat", "orders", "web", "--from", "web", "--to", "orders", "--by", "route", "-t", "10s")
    asked = shop.asked[-1][2]
    assert asked == {
        "window_ms": ["10000.0"],
        "service": ["orders", "web"],
        "from": ["web"],
        "to": ["orders"],
        "by": ["route"],
    }


def test_stat_fails_below_a_share_and_leaves_out_what_has_no_traffic(shop: Any, minimesh: Command) -> None:
    assert minimesh("stat", "--fail-below", "96%")[0] == 0
    code, out, err = minimesh("stat", "--fail-below", "99")
    assert code == 1
    assert out.startswith("NAME")
    assert err.startswith("error[MM408]: success is below 99.00%: orders 96.10%\n")


def test_tap_passes_its_filters_and_writes_json_lines(shop: Any, minimesh: Command) -> None:
    code, out, _ = minimesh(
        "tap", "payments", "--to", "b", "--path", "/x", "--method", "get", "--status", "5XX", "--max", "3", "--json"
    )
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()][1] == {"dropped": 12}
    assert shop.asked[-1][2] == {
        "service": ["payments"],
        "to": ["b"],
        "path": ["/x"],
        "method": ["GET"],
        "status": ["5xx"],
        "max": ["3"],
    }


def test_logs_prefix_and_escape(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/services", [service("api", replicas=2), service("db")])
    line = {
        "time": "2026-11-23T14:02:10.412Z",
        "service": "api",
        "replica": 2,
        "stream": "stdout",
        "line": "a\x1b[31mb\x07",
    }
    shop.give("/v1/logs", [line, {**line, "service": "db", "replica": 1, "line": "x"}])
    assert minimesh("logs")[1] == "api/2 | ab\\x07\ndb    | x\n"
    assert minimesh("logs", "-t")[1].splitlines()[1].startswith("db    | ")
    assert minimesh("logs", "api", "-n", "5", "-f", "--json")[0] == 0
    assert shop.asked[-2][2] == {"service": ["api"], "tail": ["5"], "follow": ["1"]}


def test_events(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/events", [{"time": "x\n", "service": "db", "kind": "ready", "message": "ready: \x1bc"}])
    assert minimesh("events")[1] == "x\\n  db        ready       ready: \\x1bc\n"


def test_events_of_the_mesh_itself_stand_in_the_same_columns(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/services", [service("db")])
    events = [{"time": "t", "service": name, "kind": "ready", "message": "m"} for name in ("minimesh", "db")]
    shop.give("/v1/events", events)
    assert minimesh("events")[1] == "t  minimesh  ready       m\nt  db        ready       m\n"


def test_an_event_says_its_word_once(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/services", [service("db")])
    shop.give("/v1/events", [{"time": "t", "service": "db", "kind": "waiting", "message": "waiting"}])
    assert minimesh("events")[1] == "t  db        waiting\n"


ENV = {"PORT": "8101", "ORDERS_URL": "http://127.0.0.1:9102", "GREETING": 'it\'s $5\n"x"'}


@pytest.fixture
def web(shop: Any) -> Any:
    view = {
        "env": {**ENV, "PATH": os.environ["PATH"]},
        "mesh_env": ENV,
        "cwd": str(shop.root),
        "argv": [],
        "shell": False,
    }
    shop.give("/v1/services/web/env", view)
    shop.give("/v1/services/web/vouch", None, 204)
    return shop


def test_env_is_something_that_a_shell_can_read(web: Any, minimesh: Command) -> None:
    code, out, err = minimesh("env", "web")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["export PORT=8101", "export ORDERS_URL=http://127.0.0.1:9102"]
    told = subprocess.run(["sh", "-c", out + 'printf %s "$GREETING"'], capture_output=True, text=True, check=True)
    assert told.stdout == ENV["GREETING"]


def test_env_in_other_formats(web: Any, minimesh: Command) -> None:
    assert json.loads(minimesh("env", "web", "--json")[1]) == ENV
    assert json.loads(minimesh("env", "web", "--format", "json")[1]) == ENV
    assert minimesh("env", "web", "--format", "dotenv")[1].splitlines()[2] == 'GREETING="it\'s \\$5\\n\\"x\\""'


def test_an_unknown_service_is_a_usage_error(web: Any, minimesh: Command) -> None:
    web.refuse("/v1/services/wbe/env", 404, "there is no service 'wbe'")
    code, _, err = minimesh("env", "wbe")
    assert (code, err) == (2, "error[MM403]: there is no service 'wbe'\n  help: minimesh ps\n")


def test_what_the_mesh_refuses_is_told_in_its_words(web: Any, minimesh: Command) -> None:
    web.refuse("/v1/edges", 409, "not now\x1b")
    assert minimesh("edges")[::2] == (1, "error[MM409]: not now\\x1b\n")


def _exec(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minimesh", *words], cwd=root, capture_output=True, text=True, input="typed"
    )


def test_exec_becomes_the_program(web: Any, project: Path) -> None:
    ran = _exec(project, "exec", "web", "--", "sh", "-c", 'echo "$ORDERS_URL $(pwd)"; cat; exit 7')
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, f"http://127.0.0.1:9102 {project}\ntyped", "")


def test_exec_without_input_reads_nothing(web: Any, project: Path) -> None:
    assert _exec(project, "--no-input", "exec", "web", "--", "cat").stdout == ""


def test_exec_says_like_a_shell_what_it_cannot_run(web: Any, project: Path) -> None:
    (project / "plain").write_text("x")
    missing, refused = _exec(project, "exec", "web", "--", "nope"), _exec(project, "exec", "web", "--", "./plain")
    assert (missing.returncode, refused.returncode) == (127, 126)
    assert missing.stderr == "error[MM407]: there is no program 'nope'\n"
    assert refused.stderr == "error[MM407]: cannot run './plain': Permission denied\n"


def test_down_asks_and_waits_for_the_end(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/events", [])
    shop.give("/v1/down", {"stopping": True}, 202)
    code, _, err = minimesh("down", "-t", "3")
    assert code == 0
    assert err == "stopped\n"
    assert ("POST", "/v1/down", {}, {"within_ms": 3000.0}) in shop.asked


def test_restart_one_or_all(shop: Any, minimesh: Command) -> None:
    shop.give("/v1/change", None, 204)
    code, _, err = minimesh("restart", "payments")
    assert (code, err.splitlines()[0]) == (1, "error[MM405]: payments did not come up: exit 1")
    shop.asked.clear()
    shop.give("/v1/services", [service(name, "running") for name in ("payments", "seed", "worker")])
    assert minimesh("restart", "payments")[2] == "restarted payments\n"
    assert minimesh("restart", "-q")[2] == ""
    minimesh("stop", "-t", "2", "worker")
    shop.give("/v1/services", [service("payments", "running"), service("unasked", "pending", kind="service")])
    minimesh("start")
    minimesh("stop")
    posted = [body for method, _, _, body in shop.asked if method == "POST"]
    assert posted == [
        {"verb": "restart", "services": ["payments"], "within_ms": None},
        {"verb": "restart", "services": ["payments", "seed", "worker"], "within_ms": None},
        {"verb": "stop", "services": ["worker"], "within_ms": 2000.0},
        {"verb": "start", "services": ["payments"], "within_ms": None},
        {"verb": "stop", "services": ["payments", "unasked"], "within_ms": None},
    ]


def test_mesh_of_another_folder(shop: Any, minimesh: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert minimesh("ps", "-q")[0] == 3
    assert minimesh("-p", str(shop.root), "ps", "-q")[0] == 0
    assert minimesh("ps", "-q", "-f", str(shop.root / "minimesh.toml"))[0] == 0
    monkeypatch.setenv("MINIMESH_PROJECT", str(shop.root))
    assert minimesh("ps", "-q")[0] == 0
    assert minimesh("ps", "-q", "-p", "/nowhere")[0] == 2


def test_a_folder_below_belongs_to_the_project(shop: Any, minimesh: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    below = shop.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert minimesh("ps", "-q")[0] == 0


def test_verbose_says_what_is_asked(shop: Any, minimesh: Command) -> None:
    assert "GET /v1/services {}" in minimesh("ps", "--verbose")[2]
