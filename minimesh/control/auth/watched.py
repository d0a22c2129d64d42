"""Something read from a file or an URL, and read again: what was last good counts until there is something better."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from anyio import to_thread

T = TypeVar("T")

Read = Callable[[], Awaitable[bytes]]
"""The content. Raises CannotReadError."""


class CannotReadError(Exception):
    """The content could not be had, or is not what it should be."""


class Pace(NamedTuple):
    """every: seconds after which something is read again. pause: those that pass at least between two readings."""

    every: float
    pause: float


class Beats(Protocol):
    """Something watched, whatever it is."""

    def beat(self) -> None:
        """Read it again if it is time."""
        ...

    def close(self) -> None: ...


class Written(Generic[T]):
    """A Source that stands in minimesh.toml itself."""

    problem = ""

    def __init__(self, value: T) -> None:
        self.value = value

    def look(self, then: Callable[[], None]) -> bool:
        return False


class Watched(Generic[T]):
    """A Source of the data plane. value None: it was never good. problem: what is wrong now, for
    people; "" where nothing is."""

    def __init__(
        self,
        read: Read,
        parse: Callable[[bytes], T],
        pace: Pace,
        monotonic: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        """parse: raises CannotReadError; called on another thread. tell: of a new problem, and that it is over."""
        self.value: T | None = None
        self.problem = ""
        self._read = read
        self._parse = parse
        self._pace = pace
        self._monotonic = monotonic
        self._tell = tell
        self._content: bytes | None = None
        self._looked = -float("inf")
        self._looking: asyncio.Task[None] | None = None
        self._waiting: list[Callable[[], None]] = []

    def look(self, then: Callable[[], None] = lambda: None) -> bool:
        """Read it again; `then` is called, never during this call. False: that was just done."""
        if self._looking is None:
            if self._monotonic() - self._looked < self._pace.pause:
                return False
            self._looking = asyncio.get_running_loop().create_task(self._look())
        self._waiting.append(then)
        return True

    def beat(self) -> None:
        """Read it again if it is time."""
        if self._monotonic() - self._looked >= self._pace.every:
            self.look()

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        try:
            content = await self._read()
            if content != self._content:
                self.value = await to_thread.run_sync(self._parse, content)
                self._content = content
        except CannotReadError as error:
            self._now_wrong(str(error))
        else:
            self._now_wrong("")
        finally:
            self._looked = self._monotonic()
            self._looking = None
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def _now_wrong(self, problem: str) -> None:
        before, self.problem = self.problem, problem
        if problem and problem != before:
            still = "" if self.value is None else "; what was read before still counts"
            self._tell(f"{problem}{still}")
        elif before and not problem:
            self._tell("it can be read again")
