"""The six programs of examples/shop by themselves, wired by hand: what they do without any mesh."""

import importlib.util
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import httpx
import pytest

SHOP = Path(__file__).parents[2] / "examples" / "shop"
LISTENING = "listening on port "
CALLEES_FIRST = {
    "catalog": (),
    "stock": (),
    "payments": (),
    "notifications": (),
    "orders": ("catalog", "stock", "payments", "notifications"),
    "web": ("catalog", "stock", "orders"),
}
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-request-id": "r-17"}

get, post = partial(httpx.get, verify=False), partial(httpx.post, verify=False)  # reading CAs is slow


# ---- running a program -----------------------------------------------------------------------------------


@dataclass
class Program:
    process: "subprocess.Popen[str]"
    url: str

    def stop(self) -> str:
        """End it with SIGTERM, check that it ended well, and return the rest of what it printed."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> str:
        """Wait for an end that was asked for. Once: a second SIGTERM would kill."""
        output, _ = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, output
        return output


def line_from(stream: IO[str]) -> str:
    assert select.select([stream], [], [], 10)[0], "nothing printed within 10 s"
    return stream.readline()


@contextmanager
def running(folder: Path, name: str, **environment: str) -> Iterator[Program]:
    """On a port that the system chooses; killed at the end unless it has been stopped."""
    with subprocess.Popen(
        [sys.executable, f"{name}.py"],
        cwd=folder,
        env=os.environ | {"PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    ) as process:
        try:
            assert process.stdout is not None
            line = line_from(process.stdout)
            assert line.startswith(LISTENING), line
            yield Program(process, f"http://127.0.0.1:{line.removeprefix(LISTENING).strip()}")
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shop, its warehouse filled by the task."""
    copy = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(SHOP, copy, ignore=shutil.ignore_patterns("data", ".minimesh", "__pycache__"))
    result = subprocess.run([sys.executable, "seed.py"], cwd=copy, capture_output=True, text=True, timeout=10)
    assert (result.returncode, result.stderr) == (0, "")
    assert "8 teas" in result.stdout
    return copy


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[dict[str, str]]:
    """Where each of the six is; at the end all of them have to leave cleanly."""
    with ExitStack() as stack:
        programs: dict[str, Program] = {}
        for name, callees in CALLEES_FIRST.items():
            urls = {f"{callee.upper()}_URL": programs[callee].url for callee in callees}
            programs[name] = stack.enter_context(running(folder, name, **urls))
        yield {name: program.url for name, program in programs.items()}
        for program in programs.values():
            program.process.terminate()
        for program in programs.values():
            assert program.ended().endswith("stopped\n")


def packs(shop: dict[str, str], sku: str) -> int:
    return int(get(f"{shop['stock']}/stock").json()[sku])


def order(shop: dict[str, str], sku: object, quantity: object) -> httpx.Response:
    return post(f"{shop['orders']}/orders", json={"sku": sku, "quantity": quantity})


# ---- the shop --------------------------------------------------------------------------------------------


def test_seed_fills_the_warehouse(folder: Path) -> None:
    catalog = json.loads((folder / "data" / "catalog.json").read_text())
    stock = json.loads((folder / "data" / "stock.json").read_text())
    assert {product["sku"] for product in catalog} == set(stock)


def test_everybody_is_healthy(shop: dict[str, str]) -> None:
    assert {name: get(f"{url}/healthz").status_code for name, url in shop.items()} == dict.fromkeys(CALLEES_FIRST, 200)


def test_page_shows_teas_with_their_stock(shop: dict[str, str]) -> None:
    page = get(f"{shop['web']}/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.count("<article") == 8
    assert "Kettle &amp; Leaf" in page.text
    assert f"{packs(shop, 'butterfly-pea')} packs left" in page.text
    assert "http" not in page.text, "it loads nothing from elsewhere"


def test_head_has_no_body(shop: dict[str, str]) -> None:
    answer = httpx.head(f"{shop['catalog']}/products")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_an_order_takes_packs_and_charges(shop: dict[str, str]) -> None:
    before = packs(shop, "rooibos")
    answer = order(shop, "rooibos", 3)
    assert answer.status_code == 201
    assert (answer.json()["sku"], answer.json()["amount"]) == ("rooibos", 3 * 790)
    assert packs(shop, "rooibos") == before - 3
    assert get(f"{shop['orders']}/orders").json()["orders"][0] == answer.json()


def test_a_declined_card_puts_the_packs_back(shop: dict[str, str]) -> None:
    before = packs(shop, "da-hong-pao")
    answer = order(shop, "da-hong-pao", 1)
    assert answer.status_code == 402
    assert "declined" in answer.json()["error"]
    assert packs(shop, "da-hong-pao") == before


def test_sold_out_orders_a_delivery(shop: dict[str, str]) -> None:
    assert order(shop, "genmaicha", 2).status_code == 201
    assert order(shop, "genmaicha", 2).status_code == 409
    assert packs(shop, "genmaicha") == 3


@pytest.mark.parametrize(
    ("sku", "quantity", "status"),
    [
        ("sencha", 0, 400),
        ("sencha", 21, 400),
        ("sencha", True, 400),
        ("sencha", "1", 400),
        ("coffee", 1, 404),
        ("../stock", 1, 404),
        (None, 1, 404),
    ],
)
def test_a_wrong_order_is_refused(shop: dict[str, str], sku: object, quantity: object, status: int) -> None:
    assert order(shop, sku, quantity).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", "/orders", {}, b"{", 400),
        ("POST", "/orders", {}, b"[]", 400),
        ("POST", "/orders", {}, b"\xff", 400),
        ("POST", "/orders", {"content-length": "x"}, b"", 411),
        ("POST", "/orders", {"content-length": "65537"}, b"", 413),
        ("POST", "/orders", {"transfer-encoding": "chunked"}, b"2\r\n{}\r\n0\r\n\r\n", 411),
        ("POST", "/nowhere", {}, b"{}", 404),
        ("POST", "/healthz", {}, b"", 200),
        ("DELETE", "/orders", {}, b"", 501),
    ],
)
def test_a_wrong_request_is_refused(
    shop: dict[str, str], method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    lines = {"host": "shop", "connection": "close", "content-length": str(len(body))} | headers
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    url = httpx.URL(shop["orders"])
    with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())


def test_method_that_is_not_for_a_path(shop: dict[str, str]) -> None:
    assert post(f"{shop['catalog']}/products").status_code == 405


@pytest.mark.parametrize(("sku", "status", "notice"), [("sencha", 201, "on its way"), ("da-hong-pao", 402, "declined")])
def test_the_form_orders_and_comes_back_to_the_page(shop: dict[str, str], sku: str, status: int, notice: str) -> None:
    answer = post(f"{shop['web']}/order", data={"sku": sku, "quantity": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?order={status}")
    assert notice in get(f"{shop['web']}/?order={status}").text


def test_what_the_query_says_is_not_put_on_the_page(shop: dict[str, str]) -> None:
    assert "<script>" not in get(f"{shop['web']}/", params={"order": "<script>"}).text


# ---- one program among stand-ins -------------------------------------------------------------------------


@dataclass
class StandIn:
    """Answers every request with what `reply(method, path)` says, and remembers the heads."""

    reply: Callable[[str, str], tuple[int, object]]
    url: str = ""
    heads: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def stand_in(reply: Callable[[str, str], tuple[int, object]]) -> Iterator[StandIn]:
    double = StandIn(reply)

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.rfile.read(int(headers.get("content-length", "0")))
            double.heads.append((f"{self.command} {self.path}", headers))
            status, content = double.reply(self.command, self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        double.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()


def empty_shop(method: str, path: str) -> tuple[int, object]:
    return 200, {"products": [], "port": 1}


def test_calls_carry_the_trace_along(folder: Path) -> None:
    with stand_in(empty_shop) as others, running(folder, "web", CATALOG_URL=others.url, STOCK_URL=others.url) as web:
        assert get(f"{web.url}/", headers=TRACE | {"cookie": "secret=1"}).status_code == 200
        assert [line for line, _ in others.heads] == ["GET /products", "GET /stock"]
        for _, headers in others.heads:
            assert {name: headers.get(name) for name in TRACE} == TRACE
            assert "cookie" not in headers
        assert " 200 " in (output := web.stop())
        assert "r-17" in output


def test_page_without_stock(folder: Path) -> None:
    tea = {"sku": "t", "name": "<Tea>", "origin": "here", "colour": "#fff", "price": 123456}

    def reply(method: str, path: str) -> tuple[int, object]:
        return (503, {}) if path == "/stock" else (200, {"products": [tea], "port": 1})

    with stand_in(reply) as others, running(folder, "web", CATALOG_URL=others.url, STOCK_URL=others.url) as web:
        page = get(f"{web.url}/")
    assert page.status_code == 200
    assert "stock not known" in page.text
    assert "&lt;Tea&gt;" in page.text
    assert "1,234.56" in page.text


def test_a_callee_that_is_not_there(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with running(folder, "web", CATALOG_URL=nobody) as web:
        answer = get(f"{web.url}/")
    assert answer.status_code == 502
    assert "catalog gave no answer" in answer.json()["error"]


def test_sigterm_lets_a_request_finish(folder: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def reply(method: str, path: str) -> tuple[int, object]:
        asked.set()
        assert go_on.wait(10)
        return empty_shop(method, path)

    answers: list[httpx.Response] = []
    with stand_in(reply) as others, running(folder, "web", CATALOG_URL=others.url, STOCK_URL=others.url) as web:
        caller = threading.Thread(target=lambda: answers.append(get(f"{web.url}/")))
        caller.start()
        assert asked.wait(10)
        web.process.send_signal(signal.SIGTERM)
        assert web.process.stdout is not None
        assert line_from(web.process.stdout) == "stopping\n"
        with pytest.raises(subprocess.TimeoutExpired):  # stays for the request, whatever else has ended
            web.process.wait(0.8)
        go_on.set()
        caller.join(10)
        assert web.process.wait(10) == 0
    assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(200, "close")]


# ---- the shared client -----------------------------------------------------------------------------------


@pytest.fixture
def shoplib(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shoplib", SHOP / "shoplib.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "shoplib", module)
    spec.loader.exec_module(module)
    return module


@contextmanager
def forgetful_server(ending: bytes = b"\r\n\r\n") -> Iterator[str]:
    """Answers the first request of a connection, and closes when the second arrives; two connections.
    A request is whole with its `ending`: head and body may come apart."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10)
                request = b""
                while not request.endswith(ending):
                    read = connection.recv(4096)
                    if not read:
                        break
                    request += read
                else:
                    connection.sendall(answer)
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        with socket.socket() as last:  # so that `serve` ends where the second connection was never made
            last.connect_ex(listener.getsockname())
        thread.join(10)


def test_a_get_is_sent_again_when_its_idle_connection_was_closed(shoplib: ModuleType) -> None:
    with forgetful_server() as url:
        client = shoplib.Client(url)
        assert [client.request("GET", "/").body for _ in range(2)] == [b"ok", b"ok"]
        client.close()


def test_a_post_is_not_sent_again(shoplib: ModuleType) -> None:
    with forgetful_server(b"{}") as url:
        client = shoplib.Client(url)
        assert client.request("POST", "/", {}).body == b"ok"
        with pytest.raises(ConnectionError):
            client.request("POST", "/", {})
        client.close()


# ---- the load script -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "code", "failures"),
    [
        ({"GET": 200, "POST": 201}, 0, "0 failures"),
        ({"GET": 200, "POST": 409}, 0, "0 failures"),
        ({"GET": 200, "POST": 503}, 1, "2 failures"),
    ],
)
def test_load_counts_failures(statuses: dict[str, int], code: int, failures: str) -> None:
    with stand_in(lambda method, path: (statuses[method], {})) as gateway:
        result = subprocess.run(
            [sys.executable, "load.py", "--seconds", "0.2", "--rate", "100", gateway.url],
            cwd=SHOP,
            capture_output=True,
            text=True,
            timeout=10,
        )
    assert result.returncode == code, result.stderr
    assert result.stdout.startswith(f"20 requests in 0.2 s, {failures}, p50 ")
    assert {line for line, _ in gateway.heads} == {"GET /", "GET /api/products", "POST /api/orders"}
