"""Pools: taking, dialling, keeping and letting go, with connections in memory."""

import asyncio
import errno
from collections.abc import Callable, Coroutine
from typing import cast

import pytest

from minimesh.dataplane import upstream as module
from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.connections import ClientConnection
from minimesh.dataplane.heads import NO_FIELDS, OutgoingHead, RequestHead
from minimesh.dataplane.outbox import Outbox
from minimesh.dataplane.reference import CODECS
from minimesh.dataplane.streams import ClientStream
from minimesh.dataplane.upstream import EndpointPool, Upstream
from minimesh.dataplane.wheel import Wheel
from minimesh.model import snapshot
from minimesh.model.address import Address
from minimesh.model.identity import Identity
from minimesh.model.reason import CONNECT_TIMEOUT, OUT_OF_DESCRIPTORS, UPSTREAM_REFUSED, Reason
from minimesh.model.service import Timeouts
from minimesh.testing import MemoryTransport
from minimesh.testing.conformance import Heard

ADDRESSES = (Address("127.0.0.1", 1), Address("::1", 1))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REQUEST = OutgoingHead(RequestHead(b"GET", b"/", b"orders"), b"/", b"orders", NO_FIELDS)


class Loop:
    """Connects in memory; `answer` says for each address whether it does: True, an error, or None for never."""

    def __init__(self, answer: Callable[[str], bool | OSError | None]) -> None:
        self.answer = answer
        self.dialled: list[str] = []
        self.transports: list[MemoryTransport] = []

    async def create_connection(
        self, factory: Callable[[], ClientConnection], host: str, port: int
    ) -> tuple[MemoryTransport, ClientConnection]:
        self.dialled.append(host)
        said = self.answer(host)
        if isinstance(said, OSError):
            raise said
        if said is None:
            await asyncio.Event().wait()
        connection = factory()
        transport = MemoryTransport(connection)
        self.transports.append(transport)
        if said is False:
            transport.lose()
        return transport, connection

    def create_task(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)


class Waiting(Heard):
    """An exchange that waits for its dial."""

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self.stream: ClientStream | None = None
        self.failure: Reason | None = None

    def client_ready(self, stream: ClientStream) -> None:
        self.stream = stream
        self.over.set()

    def client_failed(self, reason: Reason, detail: str) -> None:
        self.failure = reason
        self.over.set()


def upstream_of(loop: Loop, codec: Codec = FAST, *names: str, connect: float = 1.0) -> Upstream:
    spec = snapshot.Upstream(
        Identity("test.local", "orders"),
        tuple(snapshot.Endpoint(name, ADDRESSES) for name in names or ("orders/1",)),
        Timeouts(connect=connect),
    )
    return Upstream(spec, cast("asyncio.AbstractEventLoop", loop), Wheel(0.0), Outbox(lambda flush: None), codec)


async def dialled(pool: EndpointPool) -> Waiting:
    waiting = Waiting()
    pool.dial(waiting, REQUEST)
    await asyncio.wait_for(waiting.over.wait(), 5)
    return waiting


async def served(pool: EndpointPool, loop: Loop) -> None:
    """One exchange that leaves its connection in the pool."""
    waiting = await dialled(pool)
    assert waiting.stream is not None
    waiting.stream.send_head(REQUEST, b"id", b"", b"", True)
    loop.transports[-1].feed(OK)
    assert waiting.ended


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_connection_is_dialled_kept_and_taken(codec: Codec) -> None:
    async def run() -> None:
        loop = Loop(lambda host: True)
        pool = upstream_of(loop, codec).pools[0]
        assert pool.take(Heard(), REQUEST, False) is None
        await served(pool, loop)
        assert (pool.active, pool.idle) == (0, 1)
        heard = Heard()
        stream = pool.take(heard, REQUEST, False)
        assert stream is not None
        assert (pool.active, pool.idle) == (1, 0)
        loop.transports[0].lose()
        assert (pool.active, pool.idle) == (0, 0)
        assert heard.cut is not None

    asyncio.run(run())


def test_the_address_that_answered_is_asked_first_next_time() -> None:
    async def run() -> None:
        loop = Loop(lambda host: True if host == "::1" else ConnectionRefusedError(errno.ECONNREFUSED, "no"))
        pool = upstream_of(loop).pools[0]
        await dialled(pool)
        await dialled(pool)
        assert loop.dialled == ["127.0.0.1", "::1", "::1"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), UPSTREAM_REFUSED),
        (OSError(errno.EMFILE, "too many open files"), OUT_OF_DESCRIPTORS),
        (OSError(errno.ENFILE, "too many open files"), OUT_OF_DESCRIPTORS),
        (None, CONNECT_TIMEOUT),
        (False, UPSTREAM_REFUSED),
    ],
    ids=["refused", "EMFILE", "ENFILE", "black hole", "closed at once"],
)
def test_why_it_could_not_be_had(said: bool | OSError | None, reason: Reason) -> None:
    async def run() -> None:
        pool = upstream_of(Loop(lambda host: said), connect=0.01).pools[0]
        waiting = await dialled(pool)
        assert waiting.failure is reason
        assert (pool.active, pool.idle) == (0, 0)

    asyncio.run(run())


def test_a_caller_that_left_gets_nothing_and_its_connection_is_kept() -> None:
    async def run() -> None:
        loop = Loop(lambda host: True)
        upstream = upstream_of(loop)
        pool = upstream.pools[0]
        waiting = Waiting()
        pool.dial(waiting, REQUEST).exchange = None
        assert pool.active == 1
        await asyncio.wait_for(asyncio.gather(*upstream._tasks), 5)
        loop.transports[0].settle()
        assert not waiting.over.is_set()
        assert (pool.active, pool.idle, loop.transports[0].closed) == (0, 1, False)

    asyncio.run(run())


def test_no_more_are_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_CONNECTIONS", 1)

    async def run() -> None:
        loop = Loop(lambda host: True)
        pool = upstream_of(loop).pools[0]
        await served(pool, loop)
        await served(pool, loop)
        assert pool.idle == 1
        assert loop.transports[1].closed

    asyncio.run(run())


def test_a_retired_pool_lets_go_and_ends_what_runs() -> None:
    async def run() -> None:
        loop = Loop(lambda host: True)
        upstream = upstream_of(loop)
        pool = upstream.pools[0]
        await served(pool, loop)
        busy = await dialled(pool)
        assert busy.stream is not None
        busy.stream.send_head(REQUEST, b"id", b"", b"", True)
        upstream.apply(snapshot.Upstream(upstream.spec.identity, ()))
        loop.transports[0].settle()
        assert loop.transports[0].closed
        assert upstream.pick() is None
        loop.transports[1].feed(OK)
        assert busy.ended
        assert loop.transports[1].closed

    asyncio.run(run())


def test_pools_are_carried_over_by_name_and_addresses() -> None:
    async def run() -> None:
        upstream = upstream_of(Loop(lambda host: True), FAST, "a", "b")
        first, second = upstream.pools
        upstream.apply(
            snapshot.Upstream(
                upstream.spec.identity, (second.spec, snapshot.Endpoint("a", ADDRESSES[:1])), Timeouts(idle=7)
            )
        )
        assert upstream.pools[0] is second
        assert upstream.pools[1] is not first
        assert second.idle_limit == 7

    asyncio.run(run())


def crowd(pool: EndpointPool, size: int) -> list[Waiting]:
    waiting = [Waiting() for _ in range(size)]
    for each in waiting:
        pool.dial(each, REQUEST)
    return waiting


def answered(waiting: Waiting, loop: Loop) -> None:
    """Its request is sent on the first connection, and the answer is whole."""
    assert waiting.stream is not None
    waiting.stream.send_head(REQUEST, b"id", b"", b"", True)
    loop.transports[0].feed(OK)


def test_no_more_are_dialled_at_once_than_the_loop_can_follow() -> None:
    async def run() -> None:
        loop = Loop(lambda host: None)
        pool = upstream_of(loop, connect=5.0).pools[0]
        crowd(pool, module.MOST_DIALS + 10)
        await asyncio.sleep(0)
        assert len(loop.dialled) == module.MOST_DIALS
        assert pool.active == module.MOST_DIALS + 10

    asyncio.run(run())


def test_who_waits_has_the_next_dial() -> None:
    async def run() -> None:
        loop = Loop(lambda host: True)
        pool = upstream_of(loop).pools[0]
        waiting = crowd(pool, module.MOST_DIALS * 2)
        for each in waiting:
            await asyncio.wait_for(each.over.wait(), 5)
        assert all(each.stream is not None for each in waiting)
        assert pool.active == len(loop.transports) == len(waiting)

    asyncio.run(run())


def test_a_connection_that_becomes_free_goes_to_who_waits() -> None:
    async def run() -> None:
        answers = True

        def answer(host: str) -> bool | None:
            return True if answers else None

        loop = Loop(answer)
        pool = upstream_of(loop, connect=5.0).pools[0]
        first = await dialled(pool)
        answers = False
        gone = Waiting()
        pool.dial(gone, REQUEST).exchange = None
        next_, last = crowd(pool, 2)
        answered(first, loop)
        assert first.ended
        assert next_.stream is first.stream
        assert gone.stream is None
        assert last.stream is None
        assert pool.idle == 0
        answered(next_, loop)
        assert next_.ended
        assert last.stream is first.stream
        answered(last, loop)
        assert pool.idle == 1

    asyncio.run(run())


def test_a_dial_whose_exchange_is_served_already_serves_the_next_or_is_kept() -> None:
    async def run() -> None:
        loop = Loop(lambda host: True)
        pool = upstream_of(loop).pools[0]
        first = await dialled(pool)
        second, third = crowd(pool, 2)
        answered(first, loop)
        assert second.stream is first.stream, "before its own dial is through"
        await asyncio.wait_for(third.over.wait(), 5)
        assert third.stream is not None
        assert third.stream is not first.stream
        for _ in range(5):
            await asyncio.sleep(0)
        assert (len(loop.transports), pool.idle, pool.active) == (3, 1, 2)

    asyncio.run(run())


def test_no_more_are_dialled_than_wait() -> None:
    """A dial that nobody needs any more is there for who comes next."""

    async def run() -> None:
        answers = True

        def answer(host: str) -> bool | None:
            return True if answers else None

        loop = Loop(answer)
        pool = upstream_of(loop, connect=5.0).pools[0]
        first = await dialled(pool)
        answers = False
        for _ in range(5):
            (other,) = crowd(pool, 1)
            answered(first, loop)
            assert other.stream is first.stream
            first = other
            await asyncio.sleep(0)
        assert len(loop.dialled) == 2

    asyncio.run(run())


def test_who_waits_for_an_endpoint_that_refuses_is_told_so_at_once() -> None:
    async def run() -> None:
        loop = Loop(lambda host: ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
        pool = upstream_of(loop).pools[0]
        waiting = crowd(pool, module.MOST_DIALS * 2)
        for each in waiting:
            await asyncio.wait_for(each.over.wait(), 5)
        assert {each.failure for each in waiting} == {UPSTREAM_REFUSED}
        await asyncio.sleep(0)
        assert pool.active == 0

    asyncio.run(run())
