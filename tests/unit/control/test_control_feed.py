"""A feed keeps its bound, whoever writes how fast and whoever reads how slowly."""

import asyncio

import pytest

from minimesh.control.feed import Feed


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_items_pass_in_order(clock: Clock) -> None:
    async def scenario() -> None:
        feed: Feed[int] = Feed(clock)
        feed.put([1, 2])
        feed.put([3])
        assert await feed.take() == ([1, 2, 3], 0)

    asyncio.run(scenario())


def test_what_is_too_much_is_counted(clock: Clock) -> None:
    async def scenario() -> None:
        feed: Feed[int] = Feed(clock, per_second=10)
        feed.put(range(25))
        assert await feed.take() == (list(range(10)), 15)
        clock.now += 0.5
        feed.put(range(25))
        assert await feed.take() == (list(range(5)), 20)
        clock.now += 60
        feed.put(range(25))
        taken = await feed.take()
        assert taken is not None
        assert len(taken[0]) == 10

    asyncio.run(scenario())


def test_a_reader_that_does_not_come_costs_a_bounded_amount(clock: Clock) -> None:
    async def scenario() -> None:
        feed: Feed[int] = Feed(clock, per_second=10)
        for _ in range(100):
            clock.now += 1
            feed.put(range(10))
        taken = await feed.take()
        assert taken is not None
        assert (len(taken[0]), taken[1]) == (10, 990)

    asyncio.run(scenario())


def test_a_waiting_reader_is_woken_by_an_item_and_by_the_end(clock: Clock) -> None:
    async def scenario() -> None:
        feed: Feed[int] = Feed(clock)
        loop = asyncio.get_running_loop()
        loop.call_soon(feed.put, [1])
        assert await feed.take() == ([1], 0)
        loop.call_soon(feed.close)
        assert await feed.take() is None

    asyncio.run(scenario())


def test_what_waits_at_the_end_can_still_be_taken(clock: Clock) -> None:
    async def scenario() -> None:
        feed: Feed[int] = Feed(clock)
        feed.put([1])
        feed.close()
        assert await feed.take() == ([1], 0)
        assert await feed.take() is None

    asyncio.run(scenario())
