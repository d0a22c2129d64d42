"""A window that moves along: adds what comes and takes away what leaves.

A look costs what changed since the last one, where `Windows.last` adds up the whole of its window each time.
"""

from collections import deque

from minimesh.telemetry.counters import CounterKey
from minimesh.telemetry.windows import Sums, Tick, Window, Windows, merge_into

BLOCKS = 60
"""In how many steps, at least a second each, old traffic leaves the window."""


class _Block:
    """Begins with the sums of a tick, which are not its own to change."""

    __slots__ = ("began", "ended", "sums")

    def __init__(self, tick: Tick) -> None:
        self.began = tick.began
        self.ended = tick.ended
        self.sums = tick.sums

    def add(self, tick: Tick) -> None:
        sums: dict[CounterKey, Sums] = {}
        merge_into(sums, self.sums)
        merge_into(sums, tick.sums)
        self.ended = tick.ended
        self.sums = sums


class Rolling:
    """The last `span` seconds of each edge (all routes of it in one, under the route ""), up to the last tick."""

    def __init__(self, windows: Windows, span: float, now: float) -> None:
        self.ended = now - span
        """When the last tick ended that is in it; before the first, where it begins."""
        self._windows = windows
        self._span = span
        self._step = span / BLOCKS
        self._blocks: deque[_Block] = deque()
        self._sums: dict[CounterKey, Sums] = {}

    def advance(self) -> Window:
        """The window now. What it holds changes with the next call."""
        for tick in self._windows.ticks(self.ended):
            self._take(tick)
        while self._blocks and self._blocks[0].ended <= self.ended - self._span:
            self._drop(self._blocks.popleft())
        began = self._blocks[0].began if self._blocks else self.ended
        return Window(self.ended - began, self._sums)

    def _take(self, tick: Tick) -> None:
        self.ended = tick.ended
        if not self._blocks or self._blocks[-1].ended - self._blocks[-1].began >= self._step:
            self._blocks.append(_Block(tick))
        else:
            self._blocks[-1].add(tick)
        for key, part in tick.sums.items():
            self._sums.setdefault(key._replace(route=""), Sums()).add(part)

    def _drop(self, block: _Block) -> None:
        for key, part in block.sums.items():
            edge = key._replace(route="")
            left = self._sums[edge]
            left.subtract(part)
            if left.is_empty:
                del self._sums[edge]
