"""Calls to the outside in a real mesh: what programs are told of their proxy, and what becomes of their calls."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread

import pytest

from tests.certificates import Certificates
from tests.integration.test_cli_mesh import MINIMESH, run
from tests.processes import until

PATIENCE = 40.0
TOML = """\
version = 1
[mesh]
name = "shop"
intercept = "proxy"
egress = "registered"
[gateway]
routes = []
[services.web]
run = {server}
calls = ["orders", "pay"]
egress = ["localhost:{plain}", "localhost:{secured}"]
[services.orders]
run = {server}
[services.pay]
address = {{ at = "https://localhost:{secured}", ca = "root.pem" }}
ready = "/healthz"
[services.stranger]
address = "https://localhost:{secured}"
[tasks.ask]
run = "true"
"""
SERVER = """\
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.headers['x-forwarded-client-cert']}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message = lambda *told: None

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Outside(BaseHTTPRequestHandler):
    """A host of the world: says what it was asked, and sends who asks for /away to where nobody should go."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        away = self.path == "/away"
        body = f"outside {self.headers['host']} {self.path}".encode()
        self.send_response(302 if away else 200)
        if away:
            self.send_header("location", "http://169.254.169.254/latest/meta-data/")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: object) -> None: ...


@contextmanager
def served(context: SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Mesh:
    """A mesh that runs, and two hosts outside of it: `plain` and `secured` are their ports."""

    def __init__(self, root: Path, plain: int, secured: int) -> None:
        self.root, self.plain, self.secured = root, plain, secured

    def as_web(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A program with the environment of web, which must not leave out localhost here: it stands for the world."""
        given = [
            word
            for name, value in {"NO_PROXY": "", "no_proxy": "", **more}.items()
            for word in ("-e", f"{name}={value}")
        ]
        return subprocess.run(
            [*MINIMESH, "exec", *given, "web", "--", *command],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, "NO_COLOR": "1"},
        )

    def json(self, *arguments: str) -> object:
        return json.loads(run(self.root, *arguments, "--json").stdout)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    root = tmp_path_factory.mktemp("shop")
    maker = Certificates(root)
    authority = maker.root("root")
    leaf = maker.leaf("localhost", authority, "DNS:localhost")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    (root / "server.py").write_text(SERVER)
    server = json.dumps([sys.executable, "server.py"])
    with served() as plain, served(context) as secured, pytest.MonkeyPatch.context() as here:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
            here.delenv(name, raising=False)
            here.delenv(name.lower(), raising=False)
        (root / "minimesh.toml").write_text(TOML.format(server=server, plain=plain, secured=secured))
        assert run(root, "up", "-d").returncode == 0
        try:
            yield Mesh(root, plain, secured)
        finally:
            run(root, "down")


def test_what_a_program_is_told(mesh: Mesh) -> None:
    told = mesh.json("env", "web")
    assert isinstance(told, dict)
    proxy = told["HTTP_PROXY"]
    assert proxy.startswith("http://127.0.0.1:")
    assert {told[name] for name in ("http_proxy", "HTTPS_PROXY", "https_proxy")} == {proxy}
    assert "ALL_PROXY" not in told
    assert told["NO_PROXY"] == told["no_proxy"]
    assert {"localhost", "127.0.0.1", "::1", "127.0.0.0/8"} <= set(told["NO_PROXY"].split(","))
    assert told["NODE_USE_ENV_PROXY"] == "1"
    other = mesh.json("env", "orders")
    assert isinstance(other, dict)
    assert other["HTTP_PROXY"] != proxy, "each caller has its own"


URLLIB = """
import ssl, urllib.request
context = ssl.create_default_context(cafile="root.pem")
print(urllib.request.urlopen("{url}", context=context).read().decode())
"""
CLIENTS = {
    "curl": ["curl", "-s", "--cacert", "root.pem", "{url}"],
    "curl by a tunnel": ["curl", "-s", "-p", "--cacert", "root.pem", "{url}"],
    "httpx": [
        sys.executable,
        "-c",
        "import httpx, ssl; print(httpx.get('{url}', verify=ssl.create_default_context(cafile='root.pem')).text)",
    ],
    "urllib": [sys.executable, "-c", URLLIB],
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("client", CLIENTS)
def test_clients_reach_what_is_listed(mesh: Mesh, client: str, scheme: str) -> None:
    port = mesh.plain if scheme == "http" else mesh.secured
    asked = mesh.as_web(*(word.format(url=f"{scheme}://localhost:{port}/x") for word in CLIENTS[client]))
    assert asked.stdout.strip() == f"outside localhost:{port} /x", asked.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_node_reaches_what_is_listed_by_a_tunnel(mesh: Mesh) -> None:
    program = """
        const http = require('http'), tls = require('tls');
        const proxy = new URL(process.env.HTTPS_PROXY), [host, port] = ['localhost', process.argv[1]];
        http.request({host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: `${host}:${port}`})
            .on('connect', (answer, socket) => {
                const ca = require('fs').readFileSync('root.pem');
                require('https').get({host, port, path: '/node', ca, agent: false, createConnection:
                    () => tls.connect({socket, servername: host, ca})}, (got) => got.pipe(process.stdout));
            }).end();
    """
    asked = mesh.as_web("node", "-e", program, str(mesh.secured))
    assert asked.stdout == f"outside localhost:{mesh.secured} /node", asked.stderr


def test_a_host_that_is_not_listed_is_refused_with_the_line_to_add(mesh: Mesh) -> None:
    asked = mesh.as_web("curl", "-s", "http://api.stripe.com/")
    told = json.loads(asked.stdout)
    assert (told["reason"], told["where"]) == ("egress_refused", "minimesh.toml:8")
    assert 'egress = ["api.stripe.com:80"] in web' in told["detail"]
    assert mesh.as_web("curl", "-s", "https://api.stripe.com/").returncode == 56, "no tunnel"


def test_a_redirect_does_not_lead_inside(mesh: Mesh) -> None:
    asked = mesh.as_web(
        "curl", "-s", "-L", "-w", "%{http_code} %{num_redirects}", f"http://localhost:{mesh.plain}/away"
    )
    assert asked.stdout.endswith("403 1")
    assert "169.254.169.254:80 is not listed" in asked.stdout


def test_the_meshs_own_ports_are_not_reached_by_the_proxy(mesh: Mesh) -> None:
    url = json.loads(run(mesh.root, "env", "web", "--json").stdout)["ORDERS_URL"]
    told = json.loads(mesh.as_web("curl", "-s", url).stdout)
    assert told["reason"] == "egress_refused"
    assert "services are called by their names" in told["detail"]


def test_a_service_is_called_by_its_name_as_web(mesh: Mesh) -> None:
    for host in ("orders", "orders.shop.localhost"):
        asked = mesh.as_web("curl", "-s", f"http://{host}/")
        assert asked.stdout == "By=spiffe://shop.mesh/svc/orders;URI=spiffe://shop.mesh/svc/web"
    told = json.loads(mesh.as_web("curl", "-s", "http://stranger/").stdout)
    assert told["reason"] == "not_called"
    assert 'calls = ["stranger"] in web' in told["detail"]


def test_a_service_at_https_is_waited_for_and_called(mesh: Mesh) -> None:
    assert run(mesh.root, "wait", "pay").returncode == 0
    asked = mesh.as_web("sh", "-c", "curl -s --noproxy '*' $PAY_URL/v1")
    assert asked.stdout == f"outside localhost:{mesh.secured} /v1"


def test_a_certificate_that_will_not_do_is_told_of(mesh: Mesh) -> None:
    asked = mesh.as_web("sh", "-c", "curl -s http://stranger/; true")
    assert "not_called" in asked.stdout
    found = json.loads(run(mesh.root, "check", "--json", code=1).stdout)
    (bad,) = [each for each in found if each["name"] == "stranger"]
    assert bad["status"] == "fail"
    assert "is not accepted: unable to get local issuer certificate" in bad["text"]
    (good,) = [each for each in found if each["name"] == "pay"]
    assert good["status"] == "ok"


def test_what_was_called_is_told(mesh: Mesh) -> None:
    mesh.as_web("curl", "-s", f"http://localhost:{mesh.plain}/")
    mesh.as_web("curl", "-s", "http://evil.test/")

    def events() -> str:
        return run(mesh.root, "events", "web").stdout

    assert until(lambda: "evil.test:80" in events() and f"calls localhost:{mesh.plain}" in events())
    assert 'was refused evil.test:80, which it does not list: egress = ["evil.test:80"]' in events()
    edges = mesh.json("edges")
    assert isinstance(edges, list)
    assert ("web", "egress") in {(edge["source"], edge["destination"]) for edge in edges}
    found = json.loads(run(mesh.root, "check", "--json", code=1).stdout)
    (web,) = [each for each in found if (each["group"], each["name"]) == ("egress", "web")]
    assert web["status"] == "warn"
    assert "evil.test:80" in web["text"]
    assert '"evil.test:80"' in web["help"]
    graph = mesh.json("graph")
    assert isinstance(graph, dict)
    assert "egress" in {node["name"] for node in graph["nodes"]}


def test_a_proxy_that_is_set_is_kept_and_told_of(tmp_path: Path) -> None:
    toml = '[mesh]\nname = "kept"\nintercept = "proxy"\n[services.web]\nrun = "sleep 100"\nport = "none"\n'
    (tmp_path / "minimesh.toml").write_text(f"version = 1\n{toml}")
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**plain, "https_proxy": "http://corp.test:3128", "NO_PROXY": "intra.test"}
    started = subprocess.run(
        [*MINIMESH, "up", "-d"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    try:
        assert started.returncode == 0
        told = json.loads(run(tmp_path, "env", "web", "--json").stdout)
        assert "HTTPS_PROXY" not in told
        assert told["http_proxy"].startswith("http://127.0.0.1:")
        assert told["no_proxy"].startswith("intra.test,localhost,")
        noted = run(tmp_path, "events").stdout
        assert "$HTTPS_PROXY of web was set before and is kept" in noted
    finally:
        run(tmp_path, "down")
