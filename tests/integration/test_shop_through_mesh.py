"""The example shop through a real mesh, with real clients: what the README and `make demo` promise."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from tests.processes import until

ROOT = Path(__file__).parents[2]
MINIMESH = [sys.executable, "-m", "minimesh"]
PATIENCE = 60.0
EDGES = {
    ("gateway", "web"),
    ("web", "catalog"),
    ("web", "stock"),
    ("gateway", "orders"),
    ("orders", "catalog"),
    ("orders", "stock"),
    ("orders", "payments"),
    ("orders", "notifications"),
}


def minimesh(root: Path, *words: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [*MINIMESH, *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def gateway(root: Path) -> str:
    first = json.loads(minimesh(root, "ps", "-o", "json"))[0]
    assert first["name"] == "gateway"
    return f"http://{first['listen']}"


@pytest.fixture(scope="module", params=["fast", "reference"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(ROOT / "examples/shop", root, ignore=shutil.ignore_patterns(".minimesh", "data", "__pycache__"))
    minimesh(root, "up", "-d", MINIMESH_CODEC=request.param)
    yield root
    minimesh(root, "down", "-t", "5")
    minimesh(root, "ps", code=3)


def test_the_page_and_an_order_come_through_the_gateway(shop: Path) -> None:
    with httpx.Client(base_url=gateway(shop)) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "<html" in page.text
        placed = client.post("/api/orders", json={"sku": "chamomile", "quantity": 1})
        assert placed.status_code == 201
        assert "x-minimesh-reason" not in placed.headers


def test_both_replicas_take_their_turn(shop: Path) -> None:
    with httpx.Client(base_url=gateway(shop)) as client:
        ports = [client.get("/api/products").json()["port"] for _ in range(6)]
    assert len(set(ports)) == 2
    assert all(one != other for one, other in itertools.pairwise(ports)), "round robin"


def test_every_edge_is_seen_with_its_caller(shop: Path) -> None:
    with httpx.Client(base_url=gateway(shop)) as client:
        client.get("/")
        client.post("/api/orders", json={"sku": "chamomile", "quantity": 1})
    edges = {(edge["source"], edge["destination"]): edge for edge in json.loads(minimesh(shop, "edges", "-o", "json"))}
    assert set(edges) >= EDGES
    for (source, _), edge in edges.items():
        assert edge["client_id"] == f"spiffe://shop.mesh/svc/{source}"
        assert edge["secured"] == "memory"


def test_one_trace_runs_through_all_services(shop: Path) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    tap = subprocess.Popen(
        [*MINIMESH, "tap", "--max", "5", "-o", "json"], cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + PATIENCE
    try:
        with httpx.Client(base_url=gateway(shop)) as client:
            # A tap begins when it has connected, and that may be in the middle of an order: so there are several.
            while tap.poll() is None and time.monotonic() < until:
                client.post(
                    "/api/orders",
                    json={"sku": "chamomile", "quantity": 1},
                    headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
                )
    finally:
        tap.kill()
        out, _ = tap.communicate()
    seen = [json.loads(line) for line in out.splitlines()]
    assert len(seen) == 5
    assert {row["trace_id"] for row in seen} == {trace}
    assert len({row["id"] for row in seen}) == len(seen)
    assert {row["source"] for row in seen} == {"gateway", "orders"}


def test_exec_is_the_service_with_its_addresses(shop: Path) -> None:
    said = minimesh(
        shop, "exec", "web", "--", "sh", "-c", "curl -s -o /dev/null -w '%{http_code}' $CATALOG_URL/products"
    )
    assert said == "200"
    assert minimesh(shop, "exec", "payments", "--", "sh", "-c", "echo ${CATALOG_URL:-nothing}") == "nothing\n"
    minimesh(shop, "exec", "web", "--", "sh", "-c", "exit 7", code=7)


def test_a_stopped_service_is_explained_and_comes_back(shop: Path) -> None:
    minimesh(shop, "stop", "payments")
    call = ["exec", "orders", "--", "sh", "-c", "curl -si $PAYMENTS_URL/charges"]
    answer = minimesh(shop, *call)
    head, _, body = answer.partition("\n\n")
    assert head.startswith("HTTP/1.1 503")
    assert "x-minimesh-reason: no_endpoint; service=payments" in head
    assert json.loads(body)["fault"] == "app"
    minimesh(shop, "start", "payments")
    assert minimesh(shop, *call).startswith("HTTP/1.1 4"), "the service's own answer to a GET"


def test_the_load_script_is_content(shop: Path) -> None:
    done = subprocess.run(
        [sys.executable, "load.py", "--seconds", "2", "--rate", "50", gateway(shop)],
        cwd=shop,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_tour(tmp_path: Path) -> None:
    """The commands of README.md, in a copy of the shop, as they stand there."""
    _, _, rest = (ROOT / "README.md").read_text().partition("<!-- tour -->\n```sh\n")
    tour, _, _ = rest.partition("```")
    assert tour
    root = tmp_path / "shop"
    shutil.copytree(ROOT / "examples/shop", root, ignore=shutil.ignore_patterns(".minimesh", "data", "__pycache__"))
    command = f'minimesh() {{ "{sys.executable}" -m minimesh "$@"; }}\nset -eu -o pipefail\n{tour}'
    try:
        done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "gateway" in done.stdout
    finally:
        subprocess.run([*MINIMESH, "down", "-t", "2"], cwd=root, capture_output=True, check=False, timeout=PATIENCE)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_two_languages(tmp_path: Path) -> None:
    root = tmp_path / "polyglot"
    shutil.copytree(ROOT / "examples/polyglot", root, ignore=shutil.ignore_patterns(".minimesh", "__pycache__"))
    minimesh(root, "up", "-d")
    try:
        assert httpx.get(gateway(root)).status_code == 200
        edges = {(edge["source"], edge["destination"]) for edge in json.loads(minimesh(root, "edges", "-o", "json"))}
        assert edges == {("gateway", "web"), ("web", "api")}
    finally:
        minimesh(root, "down", "-t", "5")


ECHO = """\
import asyncio, os, websockets

async def echo(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"])):
        await asyncio.Future()

asyncio.run(main())
"""


def test_websockets_and_an_access_log(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "minimesh.toml").write_text(
        f"""\
version = 1
[telemetry]
access_log = {{ path = "access.log", format = "json" }}
[services.echo]
run = [{json.dumps(sys.executable)}, "echo.py"]
ready = {{ tcp = true }}
"""
    )
    minimesh(tmp_path, "up", "-d")
    try:
        asyncio.run(talk(gateway(tmp_path).replace("http://", "ws://")))
    finally:
        minimesh(tmp_path, "down", "-t", "2")
    log = tmp_path / "access.log"
    assert until(lambda: log.exists() and log.read_text().endswith("\n")), "the mesh's last moments are after `down`"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (tunnel,) = [line for line in lines if line["status"] == 101]
    assert tunnel["destination"] == "echo"
    assert tunnel["bytes_in"] > 100_000
    assert log.stat().st_mode & 0o777 == 0o600


async def talk(url: str) -> None:
    async with websockets.connect(url, proxy=None, compression=None) as connection:
        for message in ("hello", "x" * 100_000, b"\0\1\2"):
            await connection.send(message)
            assert await asyncio.wait_for(connection.recv(), PATIENCE) == message
