"""What the mesh does once a second, and how late it came to it: the lag of its loop."""

import asyncio
from collections import deque
from collections.abc import Callable

from minimesh.model.clock import Clock

EVERY = 1.0
_KEPT = 60


class Pulse:
    """Calls `beat` every second with the time. A late beat is what a request would have waited, too."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, beat: Callable[[float], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._beat = beat
        self._lags: deque[float] = deque(maxlen=_KEPT)
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = self._clock.monotonic() + EVERY
        self._handle = self._loop.call_later(EVERY, self._tick)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    @property
    def mean_lag(self) -> float | None:
        """Seconds, over the last minute."""
        return sum(self._lags) / len(self._lags) if self._lags else None

    @property
    def longest_lag(self) -> float | None:
        return max(self._lags, default=None)

    def _tick(self) -> None:
        now = self._clock.monotonic()
        self._lags.append(max(0.0, now - self._due))
        self.start()
        self._beat(now)
