"""Where time comes from: the only place that reads a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Time as the mesh sees it. Tests pass a virtual one (`minimesh.testing.clock`)."""

    def monotonic(self) -> float:
        """Seconds that never go back; for durations and deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 UTC; for what people read."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)  # noqa: TID251 - this is where it comes in
