"""The control API over its real socket, of a real mesh; every answer is held to the OpenAPI document."""

import json
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest

from minimesh import __version__
from minimesh.control import openapi
from minimesh.control.client import NotRunningError, RefusedError
from minimesh.control.report import Note, Stopped
from tests.integration.apistage import FILE, PATIENCE, PROGRAM, Running


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("shop")
    (root / "app.py").write_text(textwrap.dedent(PROGRAM))
    (root / "minimesh.toml").write_text(FILE)
    running = Running(root)
    yield running
    if running.thread.is_alive():
        running.api.client.post("/v1/down", {"within_ms": 0})
        running.thread.join(PATIENCE)


def test_the_mesh(mesh: Running) -> None:
    view = mesh.api.get("/v1/mesh")
    assert (view["project"], view["state"], view["services"]) == ("shop", "ready", 4)
    assert view["root"] == str(mesh.root)
    assert view["gateway"]["url"].startswith("http://localhost:")


def test_services_in_the_order_of_the_file(mesh: Running) -> None:
    views = mesh.api.get("/v1/services")
    assert [(view["name"], view["kind"], view["state"], view["ready"], view["replicas"]) for view in views] == [
        ("gateway", "gateway", "running", 1, 1),
        ("web", "service", "running", 1, 1),
        ("orders", "service", "running", 2, 2),
        ("worker", "service", "running", 1, 1),
        ("partner", "address", "failed", 0, 1),
        ("seed", "task", "completed", 1, 1),
    ]
    by_name = {view["name"]: view for view in views}
    assert [instance["replica"] for instance in by_name["orders"]["instances"]] == [1, 2]
    assert "refused" in by_name["partner"]["reason"]
    assert by_name["worker"]["listen"] is None
    assert by_name["web"]["listen"].startswith("127.0.0.1:")


def test_environments(mesh: Running) -> None:
    template = "/v1/services/{name}/env"
    web = mesh.api.get("/v1/services/web/env", template)
    assert web["mesh_env"].keys() == {"PORT", "ORDERS_URL", "PYTHONUNBUFFERED", "GREETING"}
    assert web["mesh_env"]["GREETING"] == f"hello from {web['mesh_env']['PORT']}"
    assert web["env"].items() >= web["mesh_env"].items()
    assert "PATH" in web["env"]
    assert (web["cwd"], web["argv"], web["shell"]) == (str(mesh.root), [sys.executable, "app.py"], False)
    orders = mesh.api.get("/v1/services/orders/env", template)
    assert (orders["argv"], orders["shell"]) == ([f"exec {sys.executable} app.py"], True)
    assert mesh.api.get("/v1/services/gateway/env", template)["mesh_env"].keys() == {"GATEWAY_URL"}
    assert mesh.api.get("/v1/services/partner/env", template)["argv"] == []
    assert mesh.api.get("/v1/services/seed/env", template)["argv"] == ["true"]


def test_who_asks_may_be_let_in_as_a_service(mesh: Running) -> None:
    template = "/v1/services/{name}/vouch"
    assert mesh.api.post("/v1/services/web/vouch", template, status=204) is None
    with pytest.raises(RefusedError, match="there is no service wbe"):
        mesh.api.post("/v1/services/wbe/vouch", template)


def test_traffic_is_counted_by_edge_and_by_route(mesh: Running) -> None:
    assert [mesh.ask(path) for path in ("/orders", "/orders", "/status/503")] == [200, 200, 503]
    rows = {row["name"]: row for row in mesh.api.get("/v1/stat")}
    assert list(rows) == ["gateway", "web", "orders", "worker", "partner", "seed"]
    assert rows["web"]["requests"] >= 3
    assert rows["web"]["success"] < 1
    assert rows["orders"]["requests"] == 2
    assert rows["orders"]["success"] == 1.0
    assert rows["orders"]["p99_ms"] > 0
    assert (rows["worker"]["success"], rows["worker"]["rps"], rows["worker"]["connections"]) == (None, None, None)
    assert [row["name"] for row in mesh.api.get("/v1/stat", service=["web", "orders"])] == ["web", "orders"]
    (calls,) = mesh.api.get("/v1/stat", **{"from": "web"})
    assert (calls["name"], calls["requests"]) == ("orders", 2)
    (callers,) = mesh.api.get("/v1/stat", to="orders")
    assert callers["name"] == "web"
    routes = mesh.api.get("/v1/stat", by="route", service="web")
    assert [(row["name"], row["route"]) for row in routes] == [("web", "/*")]
    edges = mesh.api.get("/v1/edges")
    assert [(edge["source"], edge["destination"]) for edge in edges] == [("gateway", "web"), ("web", "orders")]
    assert edges[1]["client_id"] == "spiffe://shop.mesh/svc/web"


def test_an_answer_of_the_mesh_names_its_reason(mesh: Running) -> None:
    assert mesh.ask("/partner/x") == 503
    (row,) = mesh.api.get("/v1/stat", to="partner")
    assert row["reasons"] == {"no_endpoint": 1}
    assert row["success"] == 0.0


def test_tap_shows_what_matches(mesh: Running) -> None:
    seen: list[dict[str, Any]] = []

    def watch() -> None:
        seen.extend(mesh.api.stream("/v1/tap", status="5xx", **{"from": "gateway"}, max=2))

    watcher = threading.Thread(target=watch)
    watcher.start()
    until = time.monotonic() + PATIENCE
    while watcher.is_alive() and time.monotonic() < until:
        mesh.ask("/status/500?q=%1b")
        mesh.ask("/orders")
        watcher.join(0.05)
    assert [(view["destination"], view["path"], view["status"], view["fault"]) for view in seen] == [
        ("web", "/status/500?q=%1b", 500, "app")
    ] * 2


def test_logs_keep_what_was_written(mesh: Running) -> None:
    lines = list(mesh.api.stream("/v1/logs", service=["web"], tail=50))
    assert [line["line"] for line in lines if line["stream"] == "stdout"] == ["café \x1b[1mlistening"]
    assert {line["service"] for line in lines} == {"web"}
    assert list(mesh.api.stream("/v1/logs", tail=0)) == []
    assert list(mesh.api.stream("/v1/logs", since="2100-01-01T00:00:00Z")) == []
    assert len(list(mesh.api.stream("/v1/logs", tail=1))) == 1


def test_restart_is_seen_in_events_and_logs(mesh: Running) -> None:
    before = next(view for view in mesh.api.get("/v1/services") if view["name"] == "worker")["pid"]
    followed = mesh.api.stream("/v1/events", follow=1)
    next(followed)
    live = mesh.api.stream("/v1/live", every_ms=60_000)
    next(live)
    mesh.api.post("/v1/services/worker/restart", "/v1/services/{name}/{verb}")
    kinds: list[str] = []
    for event in followed:
        kinds += [event["kind"]] if event["service"] == "worker" else []
        if kinds[-2:] == ["starting", "running"] and "stopped" in kinds:
            break
    followed.close()  # type: ignore[attr-defined]  # it is a generator
    after = next(view for view in mesh.api.get("/v1/services") if view["name"] == "worker")["pid"]
    assert before != after


def test_several_are_changed_as_one_and_a_start_brings_what_it_needs(mesh: Running) -> None:
    def states() -> dict[str, str]:
        return {view["name"]: view["state"] for view in mesh.api.get("/v1/services")}

    mesh.api.post("/v1/change", body={"verb": "stop", "services": ["web", "orders"], "within_ms": 3000})
    assert (states()["web"], states()["orders"]) == ("stopped", "stopped")
    mesh.api.post("/v1/change", body={"verb": "start", "services": ["web"]})
    until = time.monotonic() + PATIENCE
    while states()["web"] != "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert (states()["web"], states()["orders"]) == ("running", "running")


def test_a_task_is_run_again_and_says_how_it_ended(mesh: Running) -> None:
    *_, end = mesh.api.stream("/v1/tasks/seed/run", "/v1/tasks/{name}/run", "post")
    assert end == {"ended": "completed", "exit_code": 0, "reason": None}


def test_where_a_service_is_reached(mesh: Running) -> None:
    template = "/v1/services/{name}/ports"
    orders = mesh.api.get("/v1/services/orders/ports", template)
    assert [each["replica"] for each in orders["listens"]] == [1, 2]
    own, by_web = orders["reached"]
    assert (own["caller"], own["route"], own["url"].partition(".")[0]) == ("gateway", None, "http://orders")
    assert (by_web["caller"], by_web["variable"]) == ("web", "ORDERS_URL")
    env = mesh.api.get("/v1/services/web/env", "/v1/services/{name}/env")["mesh_env"]
    assert by_web["url"] == env["ORDERS_URL"]
    assert mesh.api.get("/v1/services/gateway/ports", template)["listens"]
    assert mesh.api.get("/v1/services/seed/ports", template) == {
        "name": "seed",
        "listens": [],
        "shared": None,
        "reached": [],
    }
    partner = mesh.api.get("/v1/services/partner/ports", template)
    assert partner["listens"] == [{"replica": 0, "address": "127.0.0.1:9"}]
    assert [each["route"] for each in partner["reached"]] == [None, "/partner/*"]


def test_routes_and_which_is_taken(mesh: Running) -> None:
    mesh.ask("/orders")
    routes = mesh.api.get("/v1/routes")
    assert [(route["path"], route["to"], Path(route["where"]).name) for route in routes] == [
        ("/partner/*", "partner", "minimesh.toml:6"),
        ("/*", "web", "minimesh.toml:6"),
    ]
    assert routes[1]["requests"] > 0
    decision = mesh.api.get("/v1/route", path="/partner/x?y=1", host="LOCALHOST:1")
    assert (decision["taken"]["to"], decision["forwarded"], decision["reason"]) == ("partner", "/partner/x", None)
    assert [verdict["matches"] for verdict in decision["considered"]] == [True, True]
    named = mesh.api.get("/v1/route", path="/partner/x", host="orders.shop.localhost:1")
    assert (named["taken"]["to"], named["taken"]["host"]) == ("orders", "orders.shop.localhost")
    assert mesh.api.get("/v1/route", path="/", method="TRACE")["reason"] == "method_not_allowed"
    assert mesh.api.get("/v1/route", path="/%00")["reason"] == "bad_request"


def test_the_graph_has_what_may_be_and_what_is(mesh: Running) -> None:
    mesh.ask("/orders")
    graph = mesh.api.get("/v1/graph")
    assert [node["name"] for node in graph["nodes"]] == ["gateway", "web", "orders", "worker", "partner", "seed"]
    links = {(link["source"], link["destination"]): link for link in graph["links"]}
    assert links["web", "orders"]["requests"] > 0
    assert all(link["configured"] for link in links.values())


def test_rules_are_suggested_for_the_calls_that_there_were(mesh: Running) -> None:
    mesh.ask("/orders")
    (orders,) = mesh.api.get("/v1/authz/suggest", service=["orders"])
    assert (orders["service"], orders["callers"]) == ("orders", ["web"])
    assert orders["requests"] > 0
    assert all('from = ["web"]' in rule for rule in orders["allow"])
    assert mesh.api.get("/v1/authz/suggest", since="2100-01-01T00:00:00Z") == []


def test_nobody_has_called_a_host_outside(mesh: Running) -> None:
    assert mesh.api.get("/v1/egress") == []


def test_the_condition(mesh: Running) -> None:
    condition = mesh.api.get("/v1/condition")
    assert 0 < condition["descriptors"] < condition["descriptors_limit"]
    assert condition["log_lines_lost"] == {}


def test_events_of_one_service_since(mesh: Running) -> None:
    assert {event["service"] for event in mesh.api.stream("/v1/events", service=["worker"])} == {"worker"}
    assert list(mesh.api.stream("/v1/events", since="2100-01-01T00:00:00Z")) == []
    assert "minimesh" in {event["service"] for event in mesh.api.stream("/v1/events", service=["minimesh"])}


def test_traffic_by_caller(mesh: Running) -> None:
    mesh.ask("/orders")
    rows = mesh.api.get("/v1/stat", by="caller", service="orders")
    assert [(row["name"], row["caller"]) for row in rows] == [("orders", "web")]


def test_what_was_written_is_in_the_files(mesh: Running) -> None:
    until = mesh.api.post("/v1/logs/write", status=200)["until"]
    (last,) = mesh.api.stream("/v1/logs", service=["web"], tail=1)
    assert last["time"] < until
    assert last["line"] in (mesh.root / ".minimesh/logs/web.log").read_text()


def test_stop_takes_the_endpoint_away_and_start_brings_it_back(mesh: Running) -> None:
    template = "/v1/services/{name}/{verb}"
    mesh.api.post("/v1/services/orders/stop", template)
    generation = mesh.api.get("/v1/mesh")["generation"]
    assert mesh.ask("/orders") >= 500
    mesh.api.post("/v1/services/orders/start", template)
    until = time.monotonic() + PATIENCE
    while mesh.ask("/orders") != 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert mesh.ask("/orders") == 200
    assert mesh.api.get("/v1/mesh")["generation"] > generation


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status", "code"),
    [
        ("get", "/v1/nothing", {}, 404, "no_such_path"),
        ("get", "/v1/services/nobody/env", {}, 404, "no_such_service"),
        ("get", "/v1/stat", {"service": "nobody"}, 404, "no_such_service"),
        ("get", "/v1/stat", {"windows": "1"}, 400, "unknown_parameter"),
        ("get", "/v1/stat", {"window_ms": "1m"}, 400, "bad_parameter"),
        ("get", "/v1/stat", {"window_ms": "nan"}, 400, "bad_parameter"),
        ("get", "/v1/stat", {"window_ms": "999"}, 400, "bad_parameter"),
        ("get", "/v1/stat", {"by": "version"}, 400, "bad_parameter"),
        ("get", "/v1/tap", {"status": "9xx"}, 400, "bad_parameter"),
        ("get", "/v1/tap", {"max": "0"}, 400, "bad_parameter"),
        ("get", "/v1/tap", {"to": "nobody"}, 404, "no_such_service"),
        ("get", "/v1/logs", {"since": "yesterday"}, 400, "bad_parameter"),
        ("get", "/v1/logs", {"since": "2026-01-01T00:00:00"}, 400, "bad_parameter"),
        ("get", "/v1/logs", {"tail": "-1"}, 400, "bad_parameter"),
        ("get", "/v1/logs", {"tail": "0" * 12 + "9" * 5000}, 400, "bad_parameter"),
        ("get", "/v1/events", {"follow": "yes"}, 400, "bad_parameter"),
        ("post", "/v1/mesh", {}, 405, "no_such_path"),
        ("post", "/v1/services/nobody/stop", {}, 404, "no_such_service"),
        ("post", "/v1/services/web/explode", {}, 404, "no_such_path"),
        ("get", "/v1/live", {"every_ms": "99"}, 400, "bad_parameter"),
        ("post", "/v1/services/gateway/stop", {}, 409, "not_a_program"),
        ("post", "/v1/change", {}, 400, "bad_body"),
        ("post", "/v1/tasks/web/run", {}, 409, "not_a_task"),
        ("post", "/v1/tasks/sede/run", {}, 404, "no_such_service"),
        ("get", "/v1/services/nobody/ports", {}, 404, "no_such_service"),
        ("get", "/v1/events", {"service": "nobody"}, 404, "no_such_service"),
    ],
)
def test_mistakes(mesh: Running, method: str, path: str, parameters: dict[str, str], status: int, code: str) -> None:
    client = mesh.api.client
    with pytest.raises(RefusedError) as refused:
        client.get(path, parameters) if method == "get" else client.post(path)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.message


def test_a_path_that_cannot_be_one_is_the_callers_mistake(mesh: Running) -> None:
    with pytest.raises(RefusedError, match="without NUL") as refused:
        mesh.api.client.post("/v1/reload", {"further": ["\0"], "dry_run": True})
    assert refused.value.status == 400


def test_a_reload_of_the_same_file_touches_nothing(mesh: Running) -> None:
    view = mesh.api.post("/v1/reload", body={"dry_run": True}, status=200)
    assert (view["unchanged"], view["dry_run"]) == (5, True)
    view = mesh.api.post("/v1/services/orders/scale", "/v1/services/{name}/scale", {"replicas": 2}, 200)
    assert (view["unchanged"], view["changed"]) == (5, {})
    with pytest.raises(RefusedError, match="from 1 to 100"):
        mesh.api.client.post("/v1/services/orders/scale", {"replicas": 101})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"verb": "explode"}, 400),
        ({"verb": "stop", "services": "web"}, 400),
        ({"verb": "stop", "services": ["wbe"]}, 404),
        ({"verb": "stop", "services": ["gateway"]}, 409),
        ({"verb": "stop", "services": ["\ud800"]}, 400),
        ({"verb": "stop", "within_ms": -1}, 400),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(mesh: Running, body: object, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        mesh.api.client.post("/v1/change", body)
    assert refused.value.status == status
    assert all(view["state"] != "stopped" for view in mesh.api.get("/v1/services"))


@pytest.mark.parametrize("body", [[], {"within": 1}, {"within_ms": "1"}, {"within_ms": -1}, {"within_ms": True}])
def test_down_refuses_what_it_does_not_understand(mesh: Running, body: object) -> None:
    with pytest.raises(RefusedError, match="expected"):
        mesh.api.client.post("/v1/down", body)


def test_the_socket_is_the_owners_alone(mesh: Running) -> None:
    assert (mesh.root / ".minimesh/control.sock").stat().st_mode & 0o777 == 0o600


def test_the_access_log_has_what_the_gateway_answered(mesh: Running) -> None:
    mesh.ask("/?marked")
    log = mesh.root / "access.log"
    until = time.monotonic() + PATIENCE
    while (not log.exists() or "marked" not in log.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    schema = {**mesh.api.document["components"]["schemas"]["AccessLine"]}
    for line in lines:
        jsonschema.validate(line, schema, cls=jsonschema.Draft202012Validator)
    assert any(line["path"] == "/?marked" for line in lines)
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_live_view_says_the_same_as_its_parts(mesh: Running) -> None:
    before = {tick["seconds"] for tick in next(mesh.api.stream("/v1/live"))["ticks"]}
    assert all(0 < seconds < 5 for seconds in before)
    assert mesh.ask("/status/503") == 503
    seen = 0
    for view in mesh.api.stream("/v1/live", every_ms=100, window_ms=900_000):
        seen += sum(tick["requests"].get("web", 0) for tick in view["ticks"])
        (web,) = [row for row in view["stat"] if row["name"] == "web"]
        edges = [row for row in view["edges"] if (row["source"], row["destination"]) == ("gateway", "web")]
        if seen and seen == web["requests"] == mesh.api.get("/v1/stat", service="web")[0]["requests"]:
            break
    assert [edge["requests"] for edge in edges] == [web["requests"]]
    assert [each["name"] for each in view["services"]] == [row["name"] for row in view["stat"]]
    assert view["mesh"]["project"] == "shop"


def test_a_mesh_in_another_program_is_not_replaced(mesh: Running) -> None:
    problem = "this mesh is a part of another program"
    assert mesh.api.get("/v1/upgrade") == {"running": __version__, "installed": None, "problem": problem}
    for body, status, code in (({"within_ms": 10}, 409, "not_upgradable"), ({"within_ms": -1}, 400, "bad_body")):
        with pytest.raises(RefusedError) as refused:
            mesh.api.client.post("/v1/upgrade", body)
        assert (refused.value.status, refused.value.code) == (status, code)
    mesh.api.seen.add("upgrade")  # the good answer is seen by the tests of upgrades
    assert mesh.api.get("/v1/mesh")["image"] == 1


def test_keys_are_shown_once(mesh: Running) -> None:
    made = mesh.api.post("/v1/keys", body={"name": "acme", "claims": {"plan": "paid"}, "within_ms": 1e6}, status=201)
    assert made["key"].startswith(f"mmk_{made['id']}_")
    (listed,) = mesh.api.get("/v1/keys")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    revoked = mesh.api.post(f"/v1/keys/{made['id']}/revoke", "/v1/keys/{name}/revoke", status=200)
    assert revoked == {**listed, "state": "revoked"}
    for path, body, status in (("/v1/keys/nobody/revoke", None, 404), ("/v1/keys", {"name": "a b"}, 400)):
        with pytest.raises(RefusedError) as refused:
            mesh.api.client.post(path, body)
        assert refused.value.status == status


def test_down_ends_with_the_last_event_and_leaves_nothing(mesh: Running) -> None:
    """The last test of the file: it ends the mesh."""
    followed = mesh.api.stream("/v1/events", follow=1)
    next(followed)
    live = mesh.api.stream("/v1/live", every_ms=60_000)
    next(live)
    assert mesh.api.post("/v1/down", body={"within_ms": 5000}, status=202) == {"stopping": True}
    *_, last = followed
    assert (last["service"], last["kind"]) == ("minimesh", "stopped")
    assert [view["mesh"]["state"] for view in live] == ["stopping"]
    mesh.thread.join(PATIENCE)
    assert mesh.code == 0
    assert isinstance(mesh.events[-1], Stopped)
    assert mesh.events[-1].left == 0
    assert not any(isinstance(event, Note) for event in mesh.events), mesh.events
    left = {".gitignore", "ca", "lock", "logs", "ports.json", "state.db", "state.db.copy"}
    assert {path.name for path in (mesh.root / ".minimesh").iterdir()} == left
    assert mesh.api.seen == {operation.id for operation in openapi.OPERATIONS}
    with pytest.raises(NotRunningError):
        mesh.api.client.get("/v1/mesh")
