"""Connections that many exchanges share: opened and retired by load, and what becomes of who waits."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import cast

import pytest

from minimesh.dataplane.codec import FAST
from minimesh.dataplane.connections import ClientConnection
from minimesh.dataplane.heads import NO_FIELDS, OutgoingHead, RequestHead
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.streams import ClientStream, Fate
from minimesh.dataplane.upstream import EndpointPool, Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.identity import Identity
from minimesh.model.reason import UPSTREAM_PROTOCOL, UPSTREAM_REFUSED, Reason
from minimesh.model.service import Protocol, Timeouts
from minimesh.testing import MemoryTransport
from minimesh.testing.conformance import Heard
from minimesh.testing.conformance.http2.wire import Code, Setting, answer, goaway, settings

SETTLED = settings({})


class Loop:
    """Connects in memory, as far as it is let."""

    def __init__(self) -> None:
        self.transports: list[MemoryTransport] = []
        self.failure: OSError | None = None
        self.greeting: bytes = SETTLED
        self.tasks: set[asyncio.Task[None]] = set()

    async def create_connection(
        self, factory: Callable[[], ClientConnection], host: str, port: int
    ) -> tuple[MemoryTransport, ClientConnection]:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        connection = factory()
        transport = MemoryTransport(connection)
        self.transports.append(transport)
        asyncio.get_running_loop().call_soon(transport.feed, self.greeting)
        return transport, connection

    def create_task(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        return task


class Waiting(Heard):
    """An exchange that sends its request as soon as it can."""

    def __init__(self, pool: EndpointPool, *, multiplexed: bool = True) -> None:
        super().__init__()
        self.pool = pool
        self.failure: Reason | None = None
        self.stream: ClientStream | None = None
        self.request = request_of(multiplexed)
        stream = pool.take(self, self.request, False)
        if stream is None:
            pool.dial(self, self.request)
        else:
            self.client_ready(stream)

    def client_ready(self, stream: ClientStream) -> None:
        self.stream = stream
        stream.send_head(self.request, b"id", b"", b"", True)

    def client_failed(self, reason: Reason, detail: str) -> None:
        self.failure = reason


def request_of(multiplexed: bool) -> OutgoingHead:
    head = RequestHead(b"GET", b"/", b"orders")
    head.multiplexed = multiplexed
    return OutgoingHead(head, b"/", b"orders", NO_FIELDS)


def pool_of(loop: Loop, protocol: Protocol = Protocol.HTTP) -> EndpointPool:
    spec = snapshot.Upstream(
        Identity("test.local", "orders"),
        (snapshot.Endpoint("orders/1", (Address("127.0.0.1", 1),)),),
        Timeouts(connect=0.2),
        protocol=protocol,
    )
    outbox = Outbox(lambda flush: asyncio.get_running_loop().call_soon(flush))
    return Upstream(spec, cast("asyncio.AbstractEventLoop", loop), Wheel(0.0), outbox, FAST).pools[0]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


def run(check: Callable[[Loop], Coroutine[object, object, None]]) -> None:
    asyncio.run(check(Loop()))


def test_exchanges_share_a_connection() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        waiting = [Waiting(pool) for _ in range(100)]
        await until(lambda: all(each.stream for each in waiting))
        assert len(loop.transports) == 1
        assert (pool.active, pool.idle) == (100, 0)
        loop.transports[0].feed(b"".join(answer(number, status=b"204", end=True) for number in range(1, 201, 2)))
        assert all(each.ended for each in waiting)
        assert (pool.active, pool.idle) == (0, 1)

    run(check)


def test_more_load_opens_more_connections() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        waiting = [Waiting(pool) for _ in range(250)]
        await until(lambda: all(each.stream for each in waiting))
        assert len(loop.transports) == 3

    run(check)


def test_room_is_given_to_who_waits() -> None:
    async def check(loop: Loop) -> None:
        loop.greeting = settings({Setting.MAX_CONCURRENT_STREAMS: 1})
        pool = pool_of(loop)
        first, second = Waiting(pool), Waiting(pool)
        await until(lambda: first.stream)
        loop.failure = None
        await until(lambda: second.stream)
        assert len(loop.transports) == 2

    run(check)


def test_an_endpoint_that_takes_no_stream_is_not_dialled_without_end() -> None:
    async def check(loop: Loop) -> None:
        loop.greeting = settings({Setting.MAX_CONCURRENT_STREAMS: 0})
        pool = pool_of(loop)
        waiting = Waiting(pool)
        await until(lambda: waiting.failure)
        assert len(loop.transports) == 1

    run(check)


def test_who_waits_hears_that_there_is_no_connection() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        loop.failure = ConnectionRefusedError()
        waiting = [Waiting(pool) for _ in range(3)]
        await until(lambda: all(each.failure for each in waiting))
        assert {each.failure for each in waiting} == {UPSTREAM_REFUSED}
        assert pool.active == 0

    run(check)


def test_a_connection_dies_while_others_wait() -> None:
    """They are served by the next."""

    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        first = Waiting(pool)
        await until(lambda: first.stream)
        more = [Waiting(pool) for _ in range(120)]
        loop.transports[0].lose()
        assert first.cut is not None
        await until(lambda: all(each.stream for each in more))
        assert sum(each.cut is None for each in more) == 21
        assert len(loop.transports) == 2

    run(check)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_an_endpoint_that_does_not_know_it_is_asked_in_its_own_way(said: bytes) -> None:
    async def check(loop: Loop) -> None:
        loop.greeting = said
        pool = pool_of(loop)
        waiting = [Waiting(pool) for _ in range(3)]
        await until(lambda: all(each.stream for each in waiting))
        assert pool.multiplexes is False
        assert len(loop.transports) == 4
        assert loop.transports[1].sent.startswith(b"GET / HTTP/1.1\r\n")
        again = Waiting(pool)
        await until(lambda: again.stream)
        assert len(loop.transports) == 5

    run(check)


def test_one_that_should_know_it_is_broken() -> None:
    async def check(loop: Loop) -> None:
        loop.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        pool = pool_of(loop, Protocol.H2)
        waiting = Waiting(pool)
        await until(lambda: waiting.cut)
        assert (waiting.cut, waiting.fate) == (UPSTREAM_PROTOCOL, Fate.UNPROCESSED)

    run(check)


def test_a_farewell_leads_to_another_connection() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        first = Waiting(pool)
        await until(lambda: first.stream)
        loop.transports[0].feed(goaway(1, Code.NO_ERROR))
        second = Waiting(pool)
        await until(lambda: second.stream)
        assert len(loop.transports) == 2
        loop.transports[0].feed(answer(1, status=b"204", end=True))
        assert first.ended
        assert pool.active == 1

    run(check)


def test_a_retired_pool_still_serves_who_waited() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        waiting = Waiting(pool)
        pool.retire()
        await until(lambda: waiting.stream)
        assert len(loop.transports) == 1
        loop.transports[0].feed(answer(1, status=b"204", end=True))
        assert waiting.ended
        assert loop.transports[0].ended

    run(check)


def test_a_pool_that_is_retired_before_the_first_word() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        waiting = Waiting(pool)
        await until(lambda: loop.transports)
        pool.retire()
        await until(lambda: waiting.stream)
        assert len(loop.transports) == 1

    run(check)


def test_closing_ends_all() -> None:
    async def check(loop: Loop) -> None:
        pool = pool_of(loop)
        waiting = Waiting(pool)
        await until(lambda: waiting.stream)
        pool.close()
        loop.transports[0].settle()
        assert loop.transports[0].aborted
        assert waiting.cut is not None

    run(check)
