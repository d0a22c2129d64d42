"""Names of hosts outside, looked up off the loop: a few at once, and remembered for a moment."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

MOST_AT_ONCE = 8
MOST_WAITING = 256
MOST_KNOWN = 1024
KEPT, KEPT_FAILURE = 5.0, 1.0
"""Seconds. The system's resolver does not say for how long an answer holds; and it may have a memory of its own."""

LookUp = Callable[[str], Awaitable[Sequence[str]]]
"""A name → literal addresses. Raises OSError."""


class NotFoundError(OSError):
    """The text says why there is no address."""


class Resolver:
    """All callers share it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float], look_up: LookUp | None = None
    ) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._look_up = look_up or self._ask_system
        self._known: OrderedDict[str, tuple[float, tuple[str, ...] | NotFoundError]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def addresses(self, name: str) -> tuple[str, ...]:
        """At least one. Raises NotFoundError. Waits as long as it takes: put a limit around it."""
        known = self._known.get(name)
        if known is not None and known[0] > self._monotonic():
            if isinstance(known[1], NotFoundError):
                raise known[1]
            return known[1]
        task = self._asking.get(name)
        if task is None:
            if len(self._asking) >= MOST_WAITING:
                raise NotFoundError(f"{MOST_WAITING} names are being looked up already")
            task = self._asking[name] = self._loop.create_task(self._ask(name))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Whoever gives up leaves the others their answer.
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> tuple[str, ...]:
        found: tuple[str, ...] | NotFoundError
        try:
            async with self._room:
                found = tuple(dict.fromkeys(await self._look_up(name))) or NotFoundError("it has no address")
        except (OSError, UnicodeError) as error:
            found = NotFoundError(getattr(error, "strerror", None) or str(error))
        finally:
            self._asking.pop(name, None)
        kept = KEPT_FAILURE if isinstance(found, NotFoundError) else KEPT
        self._known.pop(name, None)
        self._known[name] = (self._monotonic() + kept, found)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if isinstance(found, NotFoundError):
            raise found
        return found

    async def _ask_system(self, name: str) -> Sequence[str]:
        found = await self._loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        for task in tuple(self._asking.values()):
            task.cancel()
