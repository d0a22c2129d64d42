"""Another file for a mesh that runs: what is touched, what lives on, and what a refusal leaves as it was."""

import http.client
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minimesh.control.client import Client, RefusedError
from minimesh.control.daemon import run
from minimesh.control.report import Event, Note, Ready, UpOptions
from minimesh.control.views import ProblemView
from minimesh.model.service import Scale
from minimesh.spec.load import load
from tests.processes import free_port, until

PATIENCE = 20.0

PROGRAM = r"""
import asyncio, os

async def serve(reader, writer):
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            break
        path = head.split()[1]
        if path == b"/socket":
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            while data := await reader.read(1000):
                writer.write(data)
            break
        if path == b"/slow":
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while not os.path.exists("enough"):
                writer.write(b"1\r\nx\r\n")
                await asyncio.sleep(0.02)
            writer.write(b"0\r\n\r\n")
            continue
        text = b"%d %s" % (os.getpid(), os.environ.get("GREETING", "").encode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text))
    writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()

asyncio.run(main())
"""

FILE = f"""
version = 1
[mesh]
name = "shop"
[gateway]
routes = [{{ path = "/*", to = "web" }}, {{ path = "/orders/*", to = "orders", strip_prefix = "/orders" }}]
[services.web]
run = ["{sys.executable}", "-S", "app.py"]
ready = "/healthz"
[services.orders]
run = ["{sys.executable}", "-S", "app.py"]
ready = "/healthz"
"""
CACHE = f"""
[services.cache]
run = ["{sys.executable}", "-S", "app.py"]
ready = "/healthz"
"""


class Running:
    """A mesh in a thread, with its file to edit."""

    def __init__(self, root: Path, text: str = FILE, options: UpOptions | None = None) -> None:
        self.root = root
        (root / "app.py").write_text(PROGRAM)
        self.write(text)
        self.text = text
        self.client = Client(root, timeout=PATIENCE)
        self.events: list[Event] = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=run, args=(options or UpOptions(root), self._report), daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE), self.events

    def _report(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Ready):
            self.ready.set()

    def write(self, text: str) -> None:
        self.text = text
        (self.root / "minimesh.toml").write_text(text)

    def edit(self, old: str, new: str) -> Any:
        """Edits the file and reloads; the view."""
        assert self.text.count(old) >= 1
        self.write(self.text.replace(old, new))
        return self.reload()

    def reload(self, **asked: Any) -> Any:
        return self.client.post("/v1/reload", asked)

    def services(self) -> dict[str, Any]:
        return {view["name"]: view for view in self.client.get("/v1/services")}

    def pids(self, *names: str) -> list[int]:
        services = self.services()
        return [services[name]["pid"] for name in names]

    def is_up(self, *names: str) -> bool:
        services = self.services()
        return all(services[name]["ready"] == services[name]["replicas"] for name in names)

    def gateway(self) -> tuple[str, int]:
        host, _, port = self.client.get("/v1/mesh")["gateway"]["address"].rpartition(":")
        return host, int(port)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.gateway(), timeout=PATIENCE)

    def ask(self, path: str = "/", **headers: str) -> tuple[int, str]:
        connection = self.connect()
        try:
            return say(connection, path, **headers)
        finally:
            connection.close()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.client.post("/v1/down", {"within_ms": 0})
            self.thread.join(PATIENCE)


def say(connection: http.client.HTTPConnection, path: str = "/", **headers: str) -> tuple[int, str]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def websocket(running: Running) -> socket.socket:
    link = socket.create_connection(running.gateway(), timeout=PATIENCE)
    link.sendall(b"GET /socket HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert link.recv(4096).startswith(b"HTTP/1.1 101")
    return link


def echoes(link: socket.socket) -> bool:
    link.sendall(b"still there?")
    return link.recv(100) == b"still there?"


def test_only_what_changed_is_touched(mesh: Running) -> None:
    web, orders = mesh.pids("web", "orders")
    with closing(mesh.connect()) as kept, websocket(mesh) as link:
        assert say(kept)[1].split() == [str(web)]
        port = link.getsockname()[1]
        changed = mesh.edit("[services.orders]\n", '[services.orders]\nenv = { GREETING = "hello" }\n')
        assert changed["restarted"] == {"orders": "env changed: GREETING"}
        assert (changed["changed"], changed["unchanged"]) == ({}, 1)
        assert until(lambda: mesh.is_up("orders"))
        assert mesh.pids("web") == [web]
        assert mesh.pids("orders") != [orders]
        assert mesh.ask("/orders/")[1].endswith(" hello")
        assert echoes(link)
        assert say(kept)[1].split() == [str(web)]
        moved = mesh.edit('path = "/*"', 'path = "/web/*"')
        assert (moved["changed"], moved["restarted"]) == ({"gateway": "routes changed"}, {})
        assert echoes(link), "its route is gone, and it lives on"
        assert say(kept)[0] == 404
        assert say(kept, "/web/")[1].split() == [str(web)]
        assert link.getsockname()[1] == port
    rows = {row["name"]: row["requests"] for row in mesh.client.get("/v1/stat")}
    assert rows["web"] >= 3, "what was counted is still there"


def test_services_come_and_go(mesh: Running) -> None:
    web = mesh.pids("web")
    added = mesh.edit(FILE, FILE.replace("[services.orders]", "[services.orders]\ncalls = ['cache']") + CACHE)
    assert (added["added"], added["restarted"]) == (["cache"], {"orders": "env changed: CACHE_URL, calls changed"})
    assert until(lambda: mesh.is_up("web", "orders", "cache"))
    removed = mesh.edit(mesh.text, FILE)
    assert removed["removed"] == ["cache"]
    assert "cache" not in mesh.services()
    assert until(lambda: mesh.is_up("web", "orders"))
    assert mesh.pids("web") == web
    assert any(event["message"] == "not in the file any more" for event in mesh.client.stream("/v1/events"))


def test_a_disk_that_takes_no_ports_keeps_nobody_from_running(mesh: Running) -> None:
    (mesh.root / ".minimesh" / "ports.json.new").mkdir()
    assert mesh.edit("[services.orders]", CACHE + "[services.orders]")["added"] == ["cache"]
    assert until(lambda: mesh.is_up("web", "orders", "cache"))
    mesh.edit("-S", "-u")
    assert until(lambda: mesh.is_up("web", "orders", "cache")), "what was to start anew is called again"
    assert mesh.ask("/")[0] == 200
    assert any(isinstance(each, Note) and "cannot be written down" in each.message for each in mesh.events)


def test_a_stream_of_a_service_that_is_removed_ends_in_peace(mesh: Running) -> None:
    connection = mesh.connect()
    connection.request("GET", "/orders/slow")
    answer = connection.getresponse()
    assert answer.read(3) == b"xxx"
    done: list[Any] = []
    without = FILE[: FILE.index("[services.orders]")].replace(
        ', { path = "/orders/*", to = "orders", strip_prefix = "/orders" }', ""
    )
    reloading = threading.Thread(target=lambda: done.append(mesh.edit(FILE, without)))
    reloading.start()
    assert until(lambda: mesh.ask("/orders/")[1].split() == [str(mesh.pids("web")[0])])
    assert answer.read(3) == b"xxx"
    assert reloading.is_alive()
    (mesh.root / "enough").touch()
    assert set(answer.read().decode()) == {"x"}
    reloading.join(PATIENCE)
    assert done[0]["removed"] == ["orders"]
    connection.close()


def test_a_mistake_changes_nothing_and_is_told_as_validate_tells_it(mesh: Running) -> None:
    pids, generation = mesh.pids("web", "orders"), mesh.client.get("/v1/mesh")["generation"]
    with pytest.raises(RefusedError) as refused:
        mesh.edit('ready = "/healthz"', 'retrys = 3\nready = "healthz"')
    assert refused.value.status == 422
    problems = refused.value.body["problems"]
    assert len(problems) == 4
    assert problems[0].keys() == ProblemView.__annotations__.keys()
    assert "did you mean" in problems[0]["text"]
    assert "^^^^^^" in problems[0]["text"]
    assert (mesh.pids("web", "orders"), mesh.client.get("/v1/mesh")["generation"]) == (pids, generation)
    assert mesh.ask()[0] == 200
    mesh.write(FILE)
    assert mesh.reload()["unchanged"] == 2


def test_a_port_of_somebody_else_changes_nothing_and_its_holder_is_named(mesh: Running) -> None:
    pids, old = mesh.pids("web", "orders"), mesh.gateway()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for edited, code in (
            (FILE.replace("[gateway]", f"[gateway]\nhttp = {port}"), "MM101"),
            (FILE.replace("[services.orders]", f"[services.orders]\nport = {port}"), "MM102"),
        ):
            mesh.write(edited)
            with pytest.raises(RefusedError, match=str(port)) as refused:
                mesh.reload()
            assert (refused.value.status, refused.value.code) == (409, code)
            if sys.platform == "linux":
                assert "pid" in refused.value.body["evidence"][0]
    assert (mesh.pids("web", "orders"), mesh.gateway()) == (pids, old)
    assert mesh.ask("/orders/")[0] == 200


def test_the_gateway_moves_and_its_connections_end_by_themselves(mesh: Running) -> None:
    old = mesh.gateway()
    with websocket(mesh) as link:
        port = free_port()
        view = mesh.edit("[gateway]", f"[gateway]\nhttp = {port}")
        assert view["changed"] == {"gateway": f"listens on 127.0.0.1:{port}, not on 127.0.0.1:{old[1]}"}
        assert mesh.gateway() == ("127.0.0.1", port)
        assert mesh.ask()[0] == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(old, timeout=PATIENCE)
        assert echoes(link)
    wide = mesh.edit(f"http = {port}", f'http = "0.0.0.0:{port}"')
    assert "0.0.0.0" in wide["changed"]["gateway"]
    assert mesh.ask()[0] == 200


def test_a_service_that_was_stopped_stays_so_until_up(mesh: Running) -> None:
    mesh.client.post("/v1/services/orders/stop")
    view = mesh.edit("[services.orders]\n", '[services.orders]\nenv = { GREETING = "hello" }\n')
    assert view["restarted"] == {"orders": "env changed: GREETING"}
    assert mesh.services()["orders"]["state"] == "stopped"
    assert mesh.reload(only=["orders"])["started"] == ["orders"]
    assert until(lambda: mesh.is_up("orders"))
    assert mesh.ask("/orders/")[1].endswith(" hello")
    assert mesh.reload(only=[])["started"] == []


def test_a_dry_run_only_tells(mesh: Running) -> None:
    pids, generation = mesh.pids("web", "orders"), mesh.client.get("/v1/mesh")["generation"]
    mesh.write(FILE.replace("/healthz", "/ready") + CACHE)
    view = mesh.reload(dry_run=True)
    assert (view["added"], sorted(view["changed"])) == (["cache"], ["orders", "web"])
    assert "cache" not in mesh.services()
    assert (mesh.pids("web", "orders"), mesh.client.get("/v1/mesh")["generation"]) == (pids, generation)


def test_scaling_keeps_what_runs_and_drains_what_goes(mesh: Running) -> None:
    (pid,) = mesh.pids("orders")
    view = mesh.client.post("/v1/services/orders/scale", {"replicas": 3})
    assert view["changed"] == {"orders": "replicas 1 → 3"}
    assert until(lambda: mesh.is_up("orders"))
    assert mesh.pids("orders") == [pid]
    assert until(lambda: len({mesh.ask("/orders/")[1] for _ in range(9)}) == 3)
    assert mesh.reload()["unchanged"] == 2, "the number stays while the file says what it said"
    assert mesh.services()["orders"]["replicas"] == 3
    assert mesh.client.post("/v1/services/orders/scale", {"replicas": 1})["changed"] == {"orders": "replicas 3 → 1"}
    assert mesh.services()["orders"]["replicas"] == 1
    assert mesh.pids("orders") == [pid]
    assert {mesh.ask("/orders/")[1].split()[0] for _ in range(5)} == {str(pid)}


@pytest.mark.parametrize(
    ("name", "replicas", "status"), [("gateway", 2, 409), ("nobody", 2, 404), ("web", 0, 400), ("web", True, 400)]
)
def test_what_cannot_be_scaled(mesh: Running, name: str, replicas: object, status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        mesh.client.post(f"/v1/services/{name}/scale", {"replicas": replicas})
    assert refused.value.status == status


def test_a_written_port_is_for_one(tmp_path: Path) -> None:
    running = Running(tmp_path, FILE.replace("[services.orders]", f"[services.orders]\nport = {free_port()}"))
    try:
        with pytest.raises(RefusedError) as refused:
            running.client.post("/v1/services/orders/scale", {"replicas": 2})
        assert (refused.value.code, refused.value.body["where"][-3:]) == ("MM109", ":10")
    finally:
        running.stop()


def test_the_access_log_and_its_limits_change_while_it_runs(mesh: Running) -> None:
    mesh.ask("/none")
    mesh.edit("[services.web]", '[telemetry]\naccess_log = { path = "a.log", format = "text" }\n[services.web]')
    mesh.ask("/first")
    mesh.edit("a.log", "b.log")
    mesh.ask("/second")
    assert until(lambda: "/second" in read(mesh.root / "b.log"))
    assert "/first" in read(mesh.root / "a.log")
    assert "/second" not in read(mesh.root / "a.log")
    assert "/none" not in read(mesh.root / "a.log")


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_mesh_without_a_file_has_none_to_read_again_and_scales_by_load(tmp_path: Path) -> None:
    (tmp_path / "minimesh.toml").write_text(FILE)
    project = load(tmp_path / "minimesh.toml", os.environ).project
    orders = replace(project.services["orders"], scale=Scale(1, 3, rps=5.0))
    project = replace(project, services={**project.services, "orders": orders})
    running = Running(tmp_path, options=UpOptions(tmp_path, project=project))
    try:
        with pytest.raises(RefusedError) as refused:
            running.reload()
        assert (refused.value.status, refused.value.code) == (409, "MM111")
        with pytest.raises(RefusedError, match="1 to 3"):
            running.client.post("/v1/services/orders/scale", {"replicas": 4})

        def grows() -> bool:
            for _ in range(20):
                assert running.ask("/orders/")[0] == 200
            return bool(running.services()["orders"]["replicas"] == 3)

        assert until(grows)
        assert until(lambda: running.is_up("orders"))
        told = [event["message"] for event in running.client.stream("/v1/events") if event["kind"] == "scaled"]
        assert "3 replicas: " in told[-1]
        assert "each, wanted 5/s" in told[-1]
    finally:
        running.stop()


def test_a_profile_that_is_turned_on_starts_its_services(tmp_path: Path) -> None:
    running = Running(tmp_path, FILE + CACHE + 'profiles = ["full"]\n')
    try:
        pids = running.pids("web", "orders")
        assert running.services()["cache"]["state"] == "pending"
        assert running.reload()["started"] == []
        with pytest.raises(RefusedError, match="no service has the profile fool"):
            running.reload(profiles=["fool"])
        assert running.reload(profiles=["full"])["started"] == ["cache"]
        assert until(lambda: running.is_up("cache"))
        assert running.pids("web", "orders") == pids
        assert running.edit("[services.web]", "[services.web]\ntimeout = '5s'")["started"] == []
        assert running.services()["cache"]["ready"] == 1, "it stays on"
    finally:
        running.stop()


def test_values_that_are_set_stay_until_others_are(mesh: Running) -> None:
    port = free_port()
    assert "gateway" in mesh.reload(overrides=[f"gateway.http={port}"])["changed"]
    assert mesh.reload()["changed"] == {}
    assert mesh.gateway()[1] == port


def test_alone_stays_alone(tmp_path: Path) -> None:
    text = FILE.replace("[services.web]", '[services.web]\ndepends_on = ["orders"]')
    running = Running(tmp_path, text, UpOptions(tmp_path, only=("web",), alone=True))
    try:
        running.edit("[services.web]", "[services.web]\ntimeout = '5s'")
        assert running.services()["orders"]["state"] == "pending"
        assert running.reload(only=["orders"])["started"] == ["orders"]
        assert until(lambda: running.is_up("orders"))
    finally:
        running.stop()


def test_each_service_answers_at_its_own_name(mesh: Running) -> None:
    web, orders = mesh.pids("web", "orders")
    port = mesh.gateway()[1]
    assert mesh.services()["orders"]["url"] == f"http://orders.shop.localhost:{port}"
    named = {"host": f"orders.shop.localhost:{port}"}
    assert mesh.ask("/", **named)[1].split() == [str(orders)]
    assert mesh.ask("/", host="shop.localhost")[1].split() == [str(web)]
    status, text = mesh.ask("/", host="nobody.shop.localhost")
    assert (status, "no service nobody in shop.localhost; there are orders, web" in text) == (404, True)
    status, text = mesh.ask("/", **named, **{"sec-fetch-site": "cross-site"})
    assert (status, "cross_site" in text) == (403, True)
    assert mesh.ask("/", host="web.other.localhost")[0] == 200, "another name is the routes' to decide"
    mesh.edit('[mesh]\nname = "shop"', '[mesh]\nname = "store"')
    assert mesh.ask("/", host="orders.store.localhost")[1].split() == [str(orders)]
    assert mesh.ask("/", host="orders.shop.localhost")[1].split() == [str(web)]


@pytest.mark.slow
@pytest.mark.alone
def test_fifty_reloads_under_load_fail_no_request(mesh: Running) -> None:
    statuses: list[int] = []
    failures: list[Exception] = []
    over = threading.Event()

    def call() -> None:
        connection = mesh.connect()
        try:
            while not over.is_set():
                statuses.append(say(connection)[0])
        except (OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    web = mesh.pids("web")
    for turn in range(50):
        mesh.edit(mesh.text, FILE.replace('to = "web"', f'to = "web", timeout = "{20 + turn}s"') + CACHE * (turn % 2))
    over.set()
    for caller in callers:
        caller.join(PATIENCE)
    assert not failures
    assert set(statuses) == {200}
    assert len(statuses) > 1000
    assert mesh.pids("web") == web
