"""Whose process it is that has connected to an address of the mesh: asked by listeners, found on a thread of its own.

One look at a time, for all that has been asked meanwhile: under load looks get larger, not more. What is found is
counted and told of here, once for each program; what becomes of it is for the listeners.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from minimesh.control.guests import Guests
from minimesh.model.attest import Attest, Found, Question
from minimesh.model.caller import Attested
from minimesh.supervise.callers import Callers

AVAILABLE = sys.platform == "linux"
"""Other systems do not tell whose a connection is, or not everybody."""
MOST_WAITING = 8_192
MOST_KEPT = 256
"""Strangers that are remembered; whoever comes after them is not told of."""
LONGEST_REST = 0.25
GATHER = 0.005
"""Seconds between the beginnings of two looks: whoever comes meanwhile is looked at together."""
BUSY = "one caller too many to be looked at"
NOT_TOLD = "a caller that the system tells nothing of"

Then = Callable[[Found], None]


class _Asked(NamedTuple):
    question: Question
    then: Then


def in_force(asked: Attest) -> Attest:
    """Where nobody can look nobody is looked at."""
    return asked if AVAILABLE else Attest.OFF


@dataclass(slots=True)
class Stranger:
    """A program that calls as a service whose process it is not. caller: that service; "" where it came by the address
    that several share. found: of the first time. connections: how many there were."""

    caller: str
    callee: str
    found: Found
    connections: int = 0

    def __str__(self) -> str:
        """`curl, pid 4312 calls orders as web, but is no process of web: minimesh exec web -- …`."""
        if not self.caller:
            return f"{self.found.who} calls {self.callee} by its shared address, but is no process that may"
        text = f"{self.found.who} calls {self.callee} as {self.caller}, but is no process of {self.caller}"
        return text if self.found.other else f"{text}: minimesh exec {self.caller} -- …"


class Attesting:
    """Implements minimesh.dataplane.attestor.Attestor. Asked on the loop; `begin` it, and `close` it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run_id: str,
        leaders: Callable[[], Mapping[int, str]],
        tell: Callable[[Stranger], None],
    ) -> None:
        """leaders: the instances that run, by the pids that were started for them. tell: of each stranger, once."""
        self.guests = Guests()
        self._loop = loop
        self._leaders = leaders
        self._tell = tell
        self._callers = Callers(run_id)
        self._worker = ThreadPoolExecutor(1, "attest")
        self._waiting: list[_Asked] = []
        self._hard: list[_Asked] = []
        """Whom a look at the likely ones did not find."""
        self._rested = self._next = 0.0
        self._rest: asyncio.TimerHandle | None = None
        self._looking = self._closed = False
        self._strangers: dict[tuple[str, str, str], Stranger] = {}

    def ask(self, question: Question, then: Then) -> None:
        if not AVAILABLE or self._closed or len(self._waiting) + len(self._hard) >= MOST_WAITING:
            self._loop.call_soon(then, Found(Attested.UNKNOWN, why=BUSY if AVAILABLE else NOT_TOLD))
            return
        self._waiting.append(_Asked(question, then))
        self._look_soon()

    def strangers(self) -> tuple[Stranger, ...]:
        return tuple(self._strangers.values())

    def close(self) -> None:
        """Nobody is answered any more."""
        self._closed = True
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_at(max(self._next, self._loop.time()), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._next = now + GATHER
        thorough = now >= self._rested
        batch, self._waiting = [*(self._hard if thorough else ()), *self._waiting], []
        if thorough:
            self._hard, self._rest = [], None
        self._looking = bool(batch) and not self._closed
        if self._looking:
            questions = [question for question, _ in batch]
            work = self._worker.submit(
                self._callers.look, questions, self._leaders(), self.guests.known(), thorough=thorough
            )
            work.add_done_callback(lambda done: self._hand_back(batch, done, now if thorough else None))

    def _hand_back(self, batch: Sequence[_Asked], done: Future[list[Found | None]], began: float | None) -> None:
        """On the worker's thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._looked, batch, done, began)

    def _looked(self, batch: Sequence[_Asked], done: Future[list[Found | None]], began: float | None) -> None:
        """began: of a thorough look, after which there is none for as long as it took."""
        now, error = self._loop.time(), done.exception()
        if began is not None:
            self._rested = now + min(now - began, LONGEST_REST)
        found = done.result() if error is None else [Found(Attested.UNKNOWN, why=NOT_TOLD)] * len(batch)
        for asked, one in zip(batch, found, strict=True):
            if one is None:
                self._hard.append(asked)
                continue
            if one.attested is Attested.NO:
                self._count(asked.question, one)
            asked.then(one)
        self._looking = False
        if self._waiting:
            self._look_soon()
        elif self._hard and self._rest is None:
            self._rest = self._loop.call_at(self._rested, self._look_soon)
        if error is not None:
            raise error

    def _count(self, question: Question, found: Found) -> None:
        (caller,) = question.among if len(question.among) == 1 else ("",)
        key = (caller, question.to, found.other or found.program or found.why)
        stranger = self._strangers.get(key)
        if stranger is None:
            if len(self._strangers) >= MOST_KEPT:
                return
            stranger = self._strangers[key] = Stranger(caller, question.to, found)
            self._tell(stranger)
        stranger.connections += 1
