"""Ten thousand exchanges over real sockets leave nothing for the collector."""

import asyncio
import gc
from typing import cast

import pytest

from minimesh.dataplane import Codec, DataPlane
from minimesh.dataplane.reference import CODECS
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.clock import SystemClock
from minimesh.model.identity import Identity
from minimesh.model.route import Route
from minimesh.telemetry import Telemetry

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WINDOW = 50


class Service(asyncio.Protocol):
    """Answers each head that comes; there are no bodies."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


class Caller(asyncio.Protocol):
    """Sends so many requests, no two alike, some ahead of the answers."""

    def __init__(self, count: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._left_to_send = self._left_to_hear = count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send(WINDOW)

    def data_received(self, data: bytes) -> None:
        heard = data.count(b"HTTP/1.1 200 OK")
        assert heard == data.count(b"HTTP/1.1"), data
        self._left_to_hear -= heard
        self._send(heard)
        if not self._left_to_hear:
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"{self._left_to_hear} answers are missing"))

    def _send(self, count: int) -> None:
        count = min(count, self._left_to_send)
        numbers = range(self._left_to_send, self._left_to_send - count, -1)
        self._left_to_send -= count
        self.transport.writelines([b"GET /%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % number for number in numbers])


def one_edge(port: int) -> snapshot.Snapshot:
    web, orders = Identity("test.local", "web"), Identity("test.local", "orders")
    endpoint = snapshot.Endpoint("orders/1", (Address("127.0.0.1", port),))
    listener = snapshot.Listener(
        snapshot.ListenerKind.OUTBOUND, Address("127.0.0.1", 0), web, (Route("orders", timeout=30.0),)
    )
    return snapshot.Snapshot(
        1, listeners={listener.name: listener}, upstreams={"orders": snapshot.Upstream(orders, (endpoint,))}
    )


async def carry(codec: Codec, count: int) -> int:
    """How many objects the collector finds after so many exchanges."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0)
    telemetry = Telemetry(SystemClock())
    plane = DataPlane(loop, SystemClock(), telemetry, codec=codec)
    try:
        plane.apply(one_edge(server.sockets[0].getsockname()[1]))
        transport, caller = await loop.create_connection(lambda: Caller(count), *plane.address("web->orders"))
        gc.collect()
        gc.disable()
        async with asyncio.timeout(60):
            await caller.done
        found = gc.collect()
        transport.close()
        assert telemetry.ring.total == count
        assert plane.statistics().upstreams["orders"]["orders/1"].active == 0
    finally:
        gc.enable()
        plane.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)
    return found


@pytest.mark.parametrize(("name", "count"), [("fast", 10_000), ("reference", 1_000)])
def test_nothing_is_left(name: str, count: int) -> None:
    assert asyncio.run(carry(CODECS[name], count)) == 0
