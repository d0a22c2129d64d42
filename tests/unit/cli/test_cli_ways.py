"""`graph`, `top`, `port`, `open`, `check` and whose folder it is: what they say of what the mesh answers."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesh.cli.findings import about_calls_around
from minimesh.cli.graph import dot, mermaid, text
from minimesh.cli.top import MOST_KEPT, Board
from minimesh.control.client import Client
from minimesh.control.usable import hindrance
from minimesh.control.views import GraphView, LinkView

Command = Callable[..., tuple[int, str, str]]


def link(source: str, destination: str, requests: int = 0, configured: bool = True) -> LinkView:
    seen = requests > 0
    return {
        "source": source,
        "destination": destination,
        "configured": configured,
        "rps": 2.0 if seen else None,
        "success": 0.5 if seen else None,
        "p99_ms": 4.0 if seen else None,
        "requests": requests,
        "active": 0,
    }


def graph(names: str, *links: LinkView) -> GraphView:
    return {
        "project": "shop",
        "nodes": [
            {
                "name": name,
                "kind": "gateway" if name == "gateway" else "service",
                "state": "failed" if name == "d" else None,
            }
            for name in names.split()
        ],
        "links": list(links),
    }


@pytest.mark.parametrize(
    ("view", "lines"),
    [
        (
            graph("gateway a b d", link("gateway", "a", 3), link("a", "b"), link("a", "d"), link("gateway", "d")),
            ["gateway", "├─ a  2.0/s 50.00% 4ms", "│  ├─ b", "│  └─ d", "└─ d"],
        ),
        (graph("a b", link("a", "b"), link("b", "a")), ["a", "└─ b", "   └─ a (a circle)"]),
        (graph("a", link("a", "a")), ["a", "└─ a (itself)"]),
        (graph("a b", link("a", "b", 1, configured=False)), ["a", "└─ b  2.0/s 50.00% 4ms (not in minimesh.toml)"]),
        (
            graph("a b c e", link("a", "b"), link("b", "c"), link("e", "b")),
            ["a", "└─ b", "   └─ c", "e", "└─ b …"],
        ),
        (graph("d"), ["d  (failed)"]),
        (graph(""), []),
    ],
)
def test_a_graph_as_text(view: GraphView, lines: list[str]) -> None:
    assert list(text(view)) == lines


def test_a_graph_for_other_tools() -> None:
    view = graph("gateway a", link("gateway", "a", 3))
    assert list(mermaid(view)) == [
        "flowchart LR",
        '  n0(["gateway"])',
        '  n1["a"]',
        '  n0 -->|"2.0/s 50.00% 4ms"| n1',
    ]
    assert list(dot(view))[-3:] == ['  "a";', '  "gateway" -> "a" [label="2.0/s 50.00% 4ms"];', "}"]


def request(path: str, status: int = 200, took: float = 1.0, grpc: int | None = None) -> Any:
    facts = {"source": "a", "destination": "b", "method": "GET", "path": path}
    return {**facts, "status": status, "duration_ms": took, "grpc_status": grpc}


def test_top_counts_by_path_without_its_query_and_stays_bounded() -> None:
    board = Board()
    for status, took in ((200, 4.0), (503, 9.0), (0, 2.0), (404, 3.0)):
        board.add(request(f"/x?{took}", status, took))
    ((key, tally),) = board.rows(9)
    assert key == ("a", "b", "GET", "/x")
    assert (tally.count, tally.good, tally.best, tally.worst, tally.last) == (4, 2, 2.0, 9.0, 3.0)
    for code in (0, 5, 14):
        board.add(request("/a.B/List", grpc=code))
    assert board.tallies["a", "b", "GET", "/a.B/List"].good == 2
    for number in range(3 * MOST_KEPT):
        board.add(request(f"/{number}"))
    assert len(board.tallies) <= MOST_KEPT
    assert board.rows(1)[0][0][3] == "/x"


def test_routes_are_those_of_the_mesh_that_runs_even_where_it_has_none(mesh: Any, minimesh: Command) -> None:
    (mesh.root / "minimesh.toml").write_text(
        'version = 1\n[gateway]\nroutes = [{ to = "a" }]\n[services.a]\nrun = "x"\n'
    )
    mesh.give("/v1/routes", [])
    assert minimesh("routes", "-o", "name") == (0, "", "")


METHODS = """
version = 1
[gateway]
routes = [
  { grpc = "a.B/List", to = "a", host = "x.test" },
  { grpc = "a.B", to = "a" },
  { path = "/*", to = "b" },
]
[services.a]
run = "a"
protocol = "grpc"
[services.b]
run = "b"
"""


@pytest.fixture
def by_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "minimesh.toml"
    file.write_text(METHODS)
    return file


def test_routes_by_method(by_method: Path, minimesh: Command) -> None:
    assert minimesh("routes", "-o", "name")[1].split() == ["grpc:x.test/a.B/List", "grpc:/a.B/*", "/*"]
    code, out, err = minimesh("route", "POST", "/a.B/List", "-H", "content-type: application/grpc+proto")
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        "POST localhost/a.B/List -> a",
        "  route    grpc:/a.B/*   minimesh.toml:6",
        "  because  path is /a.B or below",
    ]
    _, out, _ = minimesh("route", "POST", "/a.B/List", "-o", "wide")
    assert out.splitlines()[0].endswith(" -> b")
    assert "  no: grpc:/a.B/* -> a   it is no gRPC call: POST with content-type application/grpc" in out


def test_what_is_written_out_of_a_route_by_method_can_be_read_again(by_method: Path, minimesh: Command) -> None:
    code, out, _ = minimesh("config", "--resolved")
    assert code == 0
    by_method.write_text(out)
    assert minimesh("validate")[0] == 0
    assert out.count("path = ") == 1


def reached(caller: str, address: str, url: str, variable: str | None = None, route: str | None = None) -> Any:
    return {"caller": caller, "address": address, "url": url, "variable": variable, "route": route}


PORTS = {
    "name": "web",
    "listens": [{"replica": 1, "address": "127.0.0.1:3000"}],
    "shared": "127.0.0.1:8001",
    "reached": [
        reached("gateway", "127.0.0.1:7080", "http://a.test:7080/", route="a.test/*"),
        reached("gateway", "127.0.0.1:7080", "http://localhost:7080/", route="/*"),
        reached("api", "127.0.0.1:9000", "http://127.0.0.1:9000", variable="WEB_URL"),
    ],
}


def test_port_as_compose_has_it(mesh: Any, minimesh: Command) -> None:
    mesh.give("/v1/services/web/ports", PORTS)
    assert minimesh("port", "web", "3000")[1] == minimesh("port", "web", "3000/tcp")[1] == "127.0.0.1:3000\n"
    assert minimesh("port", "-q", "web")[1] == "127.0.0.1:3000\n"
    assert minimesh("port", "web", "80")[2].startswith(
        "error[MM409]: web does not listen on 80, but on 127.0.0.1:3000\n"
    )
    assert minimesh("port", "web", "x")[0] == 2
    assert minimesh("port", "web")[1].splitlines()[1:] == [
        "web          127.0.0.1:3000          listens",
        "its callers  127.0.0.1:8001          listen",
        "gateway      http://a.test:7080/     route a.test/*",
        "gateway      http://localhost:7080/  route /*",
        "api          http://127.0.0.1:9000   $WEB_URL",
    ]


def test_open_prints_what_any_browser_finds(mesh: Any, minimesh: Command) -> None:
    mesh.give("/v1/services/web/ports", PORTS)
    mesh.give("/v1/mesh", {"gateway": {"address": "127.0.0.1:7080", "url": "http://localhost:7080"}})
    assert minimesh("open", "web")[1] == minimesh("open")[1] == "http://localhost:7080/\n"
    mesh.give("/v1/services/job/ports", {"name": "job", "listens": [], "shared": None, "reached": []})
    assert minimesh("open", "job")[0] == 1


def test_check_without_a_mesh_or_a_file(project: Path, minimesh: Command) -> None:
    code, out, _ = minimesh("check", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert (code, findings["config"]["status"], findings["running"]["status"]) == (1, "fail", "ok")
    assert {name for name, finding in findings.items() if finding["help"]} == {"config"}
    (project / "minimesh.toml").write_text('version = 1\n[services.a]\nrun = "x"\n')
    (project / ".minimesh").mkdir(mode=0o755)
    code, out, _ = minimesh("check")
    assert code == 0
    assert "  warn  owner    .minimesh is open to others (mode 755)\n        help: chmod 700 " in out
    assert out.endswith("\n1 warning; 3 things left open\n")
    (project / "minimesh.toml").write_text("version = 1\n[services.a]\nrunn = 1\n")
    code, out, _ = minimesh("check")
    assert code == 1
    assert "  fail  config   minimesh.toml:3: unknown key `runn`" in out


def test_a_folder_that_is_somebody_elses_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hindrance(tmp_path) is None
    (tmp_path / ".minimesh").mkdir(mode=0o700)
    assert hindrance(tmp_path) is None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    problem = hindrance(tmp_path)
    assert problem is not None
    assert problem.message.endswith(", not to user 12345")
    assert problem.help == f"cp -r {tmp_path} ~/ && minimesh -p ~/{tmp_path.name} up"


def test_a_folder_that_cannot_be_written_says_what_to_do(
    project: Path, minimesh: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "minimesh.toml").write_text('version = 1\n[services.a]\nrun = "x"\n')
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for words in (["up"], ["up", "-d"]):
        code, _, err = minimesh(*words)
        assert code == 1
        assert err.startswith(f"error[MM105]: .minimesh cannot be made in {project}, which this user may not write\n")
        assert err.endswith(f"  help: chmod u+wx {project}\n")


def test_a_mesh_of_another_user_is_not_called_missing(
    mesh: Any, minimesh: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    code, _, err = minimesh("ps")
    assert code == 1
    assert "is another user's project: a mesh there answers to its owner alone\n" in err


def test_check_names_each_caller_around_the_mesh() -> None:
    said = ["web (pid 1) calls orders at 2 directly", "curl (pid 3) calls orders at 2 directly"]

    class Mesh(Client):
        def stream(self, path: str, *_: object, **__: object) -> Iterator[dict[str, Any]]:
            assert path == "/v1/events"
            yield {"service": "orders", "kind": "ready", "message": "ready"}
            yield from ({"service": "orders", "kind": "bypass", "message": text} for text in said)

    found = list(about_calls_around(Mesh(Path("/"))))
    assert [(each.status, each.text, each.help) for each in found] == [
        ("warn", text, "minimesh port orders") for text in said
    ]
