"""A page in a real browser calls a service of gRPC through the gateway, with nothing but fetch."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minimesh.model.address import Address
from minimesh.model.identity import Identity
from minimesh.model.route import PathKind, PathMatch, Route
from minimesh.model.service import Protocol
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind, Snapshot, Upstream
from tests.integration.dataplane.grpcshop import Shop
from tests.integration.dataplane.stage import ANY_PORT, FASTEST, GATEWAY, TRUST_DOMAIN, Stage

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 40.0
PAGE = Path(__file__).with_name("grpcweb.html").read_bytes()

pytestmark = [
    pytest.mark.anyio,
    FASTEST,
    pytest.mark.skipif(BROWSER is None, reason="there is no browser"),
]


class Pages:
    """Serves the page, and takes what it says."""

    def __init__(self, shop: Shop) -> None:
        pages = self
        self.said: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(PAGE if self.path == "/" else b"", "text/html")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/said":
                    pages.take(json.loads(body))
                else:
                    shop.more.set()
                self._answer(b"", "text/plain")

            def _answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *told: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def take(self, said: dict[str, object]) -> None:
        self._loop.call_soon_threadsafe(self.said.set_result, said)

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
async def pages(bare: Stage) -> AsyncIterator[Pages]:
    shop = Shop()
    pages = Pages(shop)
    with shop.serving() as port:
        routes = (Route("api", PathMatch(PathKind.PREFIX, "/shop.Orders")), Route("web"))
        gateway = Listener(ListenerKind.GATEWAY, ANY_PORT, Identity(TRUST_DOMAIN, GATEWAY), routes)
        upstreams = {
            "api": Upstream(Identity(TRUST_DOMAIN, "api"), (_at("api", port),), protocol=Protocol.GRPC),
            "web": Upstream(Identity(TRUST_DOMAIN, "web"), (_at("web", pages.port),)),
        }
        bare.apply(Snapshot(1, listeners={GATEWAY: gateway}, upstreams=upstreams))
        yield pages
    pages.close()


def _at(name: str, port: int) -> Endpoint:
    return Endpoint(name, (Address("127.0.0.1", port),))


async def end(browser: asyncio.subprocess.Process) -> None:
    """A browser that does not heed being asked must not hold the loop open for ever."""
    browser.terminate()
    try:
        async with asyncio.timeout(PATIENCE):
            await browser.wait()
    except TimeoutError:
        browser.kill()
        await browser.wait()


async def test_a_page_calls_a_service_of_grpc(bare: Stage, pages: Pages, tmp_path: Path) -> None:
    host, port = bare.plane.address(GATEWAY)
    assert BROWSER is not None
    browser = await asyncio.create_subprocess_exec(
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={tmp_path}",
        f"http://{host}:{port}/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            said = await pages.said
    finally:
        await end(browser)
    assert said == {
        "binary": {"messages": ["hello"], "status": "0"},
        "text": {"messages": ["hello"], "status": "0"},
        "failure": {"messages": [], "status": "5", "message": "no such order: ü"},
        "stream": {"messages": ["one", "two"], "status": "0"},
        "nobody": {"messages": [], "status": "12"},
    }
