"""`describe`: settings with their lines, callers and callees, with a mesh and without one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import FakeMesh

Command = Callable[..., tuple[int, str, str]]

FILE = """\
version = 1
[mesh]
name = "shop"
[defaults]
timeout = "15s"
[gateway]
routes = [{ path = "/api/*", to = "orders", strip_prefix = "/api", timeout = "3s" }, { path = "/*", to = "web" }]
[services.web]
run = "web"
depends_on = ["orders", "seed"]
[services.orders]
run = "orders"
calls = ["pay"]
ready = { http = "/healthz", every = "1s" }
[services.pay]
address = "127.0.0.1:9000"
[services.worker]
run = "worker"
port = "none"
[tasks.seed]
run = "seed"
"""
ORDERS = """\
orders   service   minimesh.toml:11   (no mesh runs here)

SETTING          VALUE                 FROM
run              "orders"              minimesh.toml:12
cwd              "."                   default
env_file         []                    default
depends_on       []                    default
calls            ["pay"]               minimesh.toml:13
stop.signal      "TERM"                default
stop.within      "10s"                 default
port             (a free one as $PORT) default
"""


def squeezed(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def file(project: Path) -> Path:
    at = project / "minimesh.toml"
    at.write_text(FILE)
    return at


def edge(source: str, destination: str) -> dict[str, object]:
    return {"source": source, "destination": destination, "rps": 27.0, "success": 0.9934, "requests": 10}


@pytest.fixture
def running(file: Path, mesh: FakeMesh) -> FakeMesh:
    mesh.give(
        "/v1/services",
        [
            {
                "name": "orders",
                "kind": "service",
                "state": "crash-loop",
                "ready": 0,
                "replicas": 1,
                "restarts": 4,
                "up_ms": 720_000.0,
                "pid": 4312,
                "listen": "127.0.0.1:20001",
                "meshed": "memory",
                "reason": "exit 1",
                "instances": [{"last_stderr": "KeyError: 'STRIPE_KEY'"}],
            },
            {"name": "web"},
        ],
    )
    mesh.give("/v1/edges", [edge("web", "orders"), edge("gateway", "orders")])
    mesh.give("/v1/services/web/env", {"mesh_env": {"ORDERS_URL": "http://127.0.0.1:20003"}})
    mesh.give("/v1/services/orders/env", {"mesh_env": {"PAY_URL": "http://127.0.0.1:20004"}})
    return mesh


def test_without_a_mesh_it_is_what_the_file_says(minimesh: Command, file: Path) -> None:
    code, out, err = minimesh("describe", "orders")
    assert (code, err) == (0, "")
    assert squeezed(out)[: ORDERS.count("\n")] == squeezed(ORDERS)
    rows = squeezed(out)
    assert ["timeout.request", '"15s"', "[defaults]", "minimesh.toml:5"] in rows
    assert ["ready.every", '"1s"', "minimesh.toml:14"] in rows
    assert ["gateway", "/api/*", "-", "-", "route", "minimesh.toml:7"] in rows
    assert ["web", "$ORDERS_URL", "-", "-", "depends_on", "minimesh.toml:10"] in rows
    assert ["pay", "$PAY_URL", "-", "-", "calls", "minimesh.toml:13"] in rows


def test_with_a_mesh_it_says_how_it_goes(minimesh: Command, running: FakeMesh) -> None:
    code, out, _ = minimesh("describe", "orders")
    title, rows = out.splitlines()[0], squeezed(out)
    assert code == 0
    for part in ("crash-loop", "ready 0/1", "restarts 4", "pid 4312", "127.0.0.1:20001", "up 12m", "exit 1: KeyError"):
        assert part in title
    assert ["web", "$ORDERS_URL", "http://127.0.0.1:20003", "27.0", "99.34%", "depends_on", "minimesh.toml:10"] in rows
    assert ["gateway", "/api/*", "27.0", "99.34%", "route", "minimesh.toml:7"] in rows
    whole = json.loads(minimesh("describe", "orders", "--json")[1])
    assert whole["state"]["pid"] == 4312
    assert whole["callers"][0]["url"] == "http://127.0.0.1:20003"
    assert whole["callers"][0]["edge"]["rps"] == 27.0
    assert whole["routes"][0]["timeout_ms"] == 3000.0
    assert "not in the running mesh" in minimesh("describe", "worker")[1]


def test_how_one_reaches_the_other(minimesh: Command, running: FakeMesh) -> None:
    code, out, _ = minimesh("describe", "orders", "--from", "web")
    assert code == 0
    assert out.startswith("web -> orders   27.0rps   99.34%\n")
    assert ["address", "$ORDERS_URL", "http://127.0.0.1:20003", "the", "mesh"] in squeezed(out)
    assert ["timeout.request", '"15s"', "[defaults]", "minimesh.toml:5"] in squeezed(out)
    rows = squeezed(minimesh("describe", "orders", "--from", "gateway")[1])
    assert ["timeout", '"3s"', "minimesh.toml:7"] in rows
    assert not any(row[:1] == ["timeout.request"] for row in rows), "the route replaces it"
    way = json.loads(minimesh("describe", "orders", "--from", "web", "-o", "json")[1])
    assert {"key": "timeout.connect", "value": "1s", "where": "default"} in way["settings"]


def test_tasks_workers_addresses_and_the_gateway(minimesh: Command, file: Path) -> None:
    task = squeezed(minimesh("describe", "seed")[1])
    assert ["NEEDED", "BY", "AT", "RPS", "SUCCESS", "BY", "FROM"] in task
    assert ["web", "-", "-", "-", "depends_on", "minimesh.toml:10"] in task
    assert ["port", '"none"', "minimesh.toml:19"] in squeezed(minimesh("describe", "worker")[1])
    assert ["address", '"127.0.0.1:9000"', "minimesh.toml:16"] in squeezed(minimesh("describe", "pay")[1])
    gateway = squeezed(minimesh("describe", "gateway")[1])
    assert ["limits.head", '"5s"', "default"] in gateway
    assert ["web", "/*", "-", "-", "route", "minimesh.toml:7"] in gateway


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["oders"], "error[MM403]: there is no service 'oders'; did you mean orders?"),
        (["orders", "--from", "gatway"], "error[MM403]: there is no service 'gatway'; did you mean gateway?"),
        (["pay", "--from", "web"], "error[MM413]: web does not call pay: it has it neither in depends_on nor in calls"),
        (["gateway", "--from", "web"], "error[MM413]: the gateway is called from outside, not by services"),
        (["pay", "--from", "gateway"], "error[MM413]: no route of the gateway leads to pay"),
    ],
)
def test_mistakes(minimesh: Command, file: Path, words: list[str], message: str) -> None:
    code, out, err = minimesh("describe", *words)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == message
