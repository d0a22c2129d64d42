"""From callbacks that must not wait to one reader that may be slow: bounded, and counting what it leaves out."""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

import anyio

from minimesh.model.clock import Clock

PER_SECOND = 1_000
_Item = TypeVar("_Item")


class Feed(Generic[_Item]):
    """At most 1,000 items a second pass, and no more than that wait."""

    def __init__(self, clock: Clock, per_second: int = PER_SECOND) -> None:
        self._clock = clock
        self._per_second = per_second
        self._allowed = float(per_second)
        self._since = clock.monotonic()
        self._waiting: deque[_Item] = deque()
        self._dropped = 0
        self._closed = False
        self._news = anyio.Event()

    def put(self, items: Iterable[_Item]) -> None:
        """Never waits; what is too much is counted."""
        self._earn()
        for item in items:
            if self._allowed >= 1 and len(self._waiting) < self._per_second:
                self._allowed -= 1
                self._waiting.append(item)
            else:
                self._dropped += 1
        self._news.set()

    def close(self) -> None:
        """There will be no more; what waits can still be taken."""
        self._closed = True
        self._news.set()

    async def take(self) -> tuple[list[_Item], int] | None:
        """What has come since, and how much was left out of it; waits for something. None: it is the end."""
        while not self._waiting and not self._dropped:
            if self._closed:
                return None
            self._news = anyio.Event()
            await self._news.wait()
        items, dropped = list(self._waiting), self._dropped
        self._waiting.clear()
        self._dropped = 0
        return items, dropped

    def _earn(self) -> None:
        now = self._clock.monotonic()
        earned = (now - self._since) * self._per_second
        self._allowed = min(float(self._per_second), self._allowed + earned)
        self._since = now
