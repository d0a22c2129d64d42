"""An ended exchange leaves no cycle for the collector: with fake streams, and through a codec in memory."""

import gc
from collections.abc import Callable, Iterator

import pytest

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, RequestHead, ResponseHead
from minimesh.dataplane.reference import CODECS
from minimesh.dataplane.streams import Fate
from minimesh.model.reason import UPSTREAM_RESET, Cut
from minimesh.testing import FakeServerStream, VirtualClock
from minimesh.testing.conformance import ClientHarness, ServerHarness
from minimesh.testing.upstreams import FakeOrigin, FakePool, FakeUpstream

EXCHANGES = 10_000


def quiet(line: str) -> None:
    """Nobody reads the conversation."""


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def whole(exchange: Exchange) -> None:
    exchange.response_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"hello", False)
    exchange.response_end(None)


def cut(exchange: Exchange) -> None:
    exchange.response_head(ResponseHead(200, NO_FIELDS, UNKNOWN), b"hello", False)
    exchange.response_cut(UPSTREAM_RESET, "it went away", Fate.UNKNOWN)


def abandoned(exchange: Exchange) -> None:
    exchange.request_cut(Cut.CLIENT_GONE, "it left")


def refused(exchange: Exchange) -> None:
    exchange.response_cut(UPSTREAM_RESET, "it went away", Fate.UNKNOWN)


def late(exchange: Exchange) -> None:
    exchange.deadline_passed()


@pytest.mark.parametrize("end", [whole, cut, abandoned, refused, late], ids=lambda end: end.__name__)
def test_with_fakes(end: Callable[[Exchange], None]) -> None:
    pool = FakePool("a", quiet, kept=EXCHANGES)
    origin = FakeOrigin(VirtualClock(), FakeUpstream("orders", [pool]), timeout=1.0)
    for _ in range(EXCHANGES):
        server = FakeServerStream("caller", quiet)
        server.exchange = exchange = Exchange(origin, server, RequestHead(b"GET", b"/", b"orders"))
        exchange.start(b"", True)
        end(exchange)
        server.exchange = pool.streams.pop().exchange = None
    assert origin.ring.total == EXCHANGES
    del server, exchange
    assert gc.collect() == 0


REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_connection_from_a_caller(codec: Codec) -> None:
    harness = ServerHarness(codec)
    for _ in range(500):
        harness.transport.feed(REQUEST)
        harness.seen.clear()
    gc.collect()  # the harness's own last exchange
    for _ in range(500):
        harness.transport.feed(REQUEST)
        harness.seen.clear()
    assert gc.collect() == 0


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_connection_to_an_endpoint(codec: Codec) -> None:
    harness = ClientHarness(codec)
    for _ in range(500):
        harness.ask()
        harness.transport.feed(ANSWER)
    assert gc.collect() == 0
