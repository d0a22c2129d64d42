"""Names of hosts outside: asked for once, for all who want to know, and remembered for a moment."""

import asyncio
from collections.abc import Sequence

import pytest

from minimesh.dataplane.egress.resolver import (
    KEPT,
    KEPT_FAILURE,
    MOST_AT_ONCE,
    MOST_KNOWN,
    MOST_WAITING,
    NotFoundError,
    Resolver,
)
from minimesh.testing import VirtualClock

pytestmark = pytest.mark.anyio


class Names:
    """Answers when it is let, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Sequence[str] | OSError = ("10.0.0.1", "10.0.0.1", "::1")
        self.open = asyncio.Event()
        self.open.set()

    async def look_up(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        await self.open.wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def resolver_of(names: Names, clock: VirtualClock) -> Resolver:
    return Resolver(asyncio.get_running_loop(), clock.monotonic, names.look_up)


async def test_an_answer_holds_for_a_moment() -> None:
    names, clock = Names(), VirtualClock()
    resolver = resolver_of(names, clock)
    assert await resolver.addresses("a.test") == ("10.0.0.1", "::1")
    clock.advance(KEPT - 0.1)
    names.answer = ("10.0.0.2",)
    assert await resolver.addresses("a.test") == ("10.0.0.1", "::1")
    clock.advance(0.2)
    assert await resolver.addresses("a.test") == ("10.0.0.2",)
    assert names.asked == ["a.test", "a.test"]


async def test_a_failure_is_remembered_too_and_not_as_long() -> None:
    names, clock = Names(), VirtualClock()
    names.answer = OSError(-2, "Name or service not known")
    resolver = resolver_of(names, clock)
    for _ in range(2):
        with pytest.raises(NotFoundError, match="Name or service not known"):
            await resolver.addresses("a.test")
    assert names.asked == ["a.test"]
    clock.advance(KEPT_FAILURE + 0.1)
    names.answer = ()
    with pytest.raises(NotFoundError, match="no address"):
        await resolver.addresses("a.test")


async def test_all_who_want_to_know_ask_once_and_one_that_leaves_takes_nothing_from_the_others() -> None:
    names = Names()
    names.open.clear()
    resolver = resolver_of(names, VirtualClock())
    first, second = (asyncio.ensure_future(resolver.addresses("a.test")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    names.open.set()
    assert await second == ("10.0.0.1", "::1")
    assert names.asked == ["a.test"]


async def test_no_more_are_asked_for_at_once_than_there_is_room_for() -> None:
    names = Names()
    names.open.clear()
    resolver = resolver_of(names, VirtualClock())
    waiting = [asyncio.ensure_future(resolver.addresses(f"{n}.test")) for n in range(MOST_WAITING)]
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(NotFoundError, match="already"):
        await resolver.addresses("one-more.test")
    assert len(names.asked) == MOST_AT_ONCE
    names.open.set()
    assert len(await asyncio.gather(*waiting)) == len(names.asked) == MOST_WAITING


async def test_what_is_remembered_is_bounded() -> None:
    names = Names()
    resolver = resolver_of(names, VirtualClock())
    for n in range(MOST_KNOWN + 1):
        await resolver.addresses(f"{n}.test")
    await resolver.addresses(f"{MOST_KNOWN}.test")
    assert len(names.asked) == MOST_KNOWN + 1
    await resolver.addresses("0.test")
    assert len(names.asked) == MOST_KNOWN + 2


async def test_closing_lets_go_of_those_that_wait() -> None:
    names = Names()
    names.open.clear()
    resolver = resolver_of(names, VirtualClock())
    waiting = asyncio.ensure_future(resolver.addresses("a.test"))
    await asyncio.sleep(0)
    resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
