"""Work that is done one piece after the other: what is small at once, what is large on another thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from asyncio import Future

AT_ONCE = 16 * 1024
"""Bytes of JSON or of a message that are converted on the loop: about 2 ms."""

Work: TypeAlias = Callable[[], bytes]
Offload: TypeAlias = Callable[[Work, Callable[["Future[bytes]"], None]], None]
"""Do this on another thread, and call that on the loop with what came of it."""


class Lane:
    """`then` gets what the work made, or the error that it raised, in the order in which it was put.

    on_busy: called with True when something is under way on another thread, with False when no more is."""

    __slots__ = ("_busy", "_jobs", "_offload", "_on_busy", "_over")

    def __init__(self, offload: Offload, on_busy: Callable[[bool], None]) -> None:
        self._offload = offload
        self._on_busy = on_busy
        self._jobs: deque[tuple[int, Work, Callable[[bytes | Exception], None]]] = deque()
        self._busy = self._over = False

    def put(self, size: int, work: Work, then: Callable[[bytes | Exception], None]) -> None:
        """size: bytes that it has to look at."""
        if not self._over:
            self._jobs.append((size, work, then))
            self._run()

    def close(self) -> None:
        """Do nothing more, and tell nobody of what is under way."""
        self._over = True
        self._jobs.clear()
        self._on_busy = _tell_nobody

    def _run(self) -> None:
        while self._jobs and not self._busy:
            size, work, then = self._jobs.popleft()
            if size > AT_ONCE:
                self._busy = True
                self._on_busy(True)
                self._offload(work, partial(self._done, then))
            else:
                then(_result(work))

    def _done(self, then: Callable[[bytes | Exception], None], future: Future[bytes]) -> None:
        self._busy = False
        if future.cancelled():
            return
        if self._over:
            future.exception()  # which nobody asks for any more
            return
        then(_result(future.result))
        if not self._over:
            self._run()
        if not (self._busy or self._over):
            self._on_busy(False)


def _tell_nobody(busy: bool) -> None: ...


def _result(work: Work) -> bytes | Exception:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - handed to who asked for the work
        return error
