"""How many replicas a load wants: up at once, down late and step by step.

Up as soon as the load of some seconds wants more, to all that it wants. Down by one replica at a time, and only when
even the highest load of a whole minute would have left each replica clearly below what it may have: so a load that
swings around a limit does not swing the replicas. The rule of the wanted number is the one of the Kubernetes
autoscaler (load over target, rounded up).
"""

import math
from collections import deque

from minimesh.model.service import Scale

UP_WINDOW = 5.0
"""Seconds of load that count for more replicas."""
DOWN_WINDOW = 60.0
"""Seconds that the load must have been low for fewer."""
SLACK = 0.8
"""Share of `rps` that must be enough for those that stay."""


class Autoscale:
    """For one service; `wanted` is asked about once a second."""

    def __init__(self, settings: Scale) -> None:
        self.settings = settings
        self._seen: deque[tuple[float, float]] = deque()
        self._since: float | None = None

    def wanted(self, now: float, rps: float, current: int) -> int:
        """The number of replicas. rps: requests a second over UP_WINDOW; now: monotonic seconds."""
        low, high = self.settings.min, self.settings.max
        self._keep(now, rps)
        if current < low or current > high:
            return self._changed(now, min(max(current, low), high))
        up = min(high, self._replicas(rps))
        if up > current:
            return self._changed(now, up)
        if current > low and self._has_been_low(now, current - 1):
            return self._changed(now, current - 1)
        return current

    def _replicas(self, rps: float) -> int:
        return max(self.settings.min, math.ceil(rps / self.settings.rps))

    def _has_been_low(self, now: float, replicas: int) -> bool:
        """For a whole DOWN_WINDOW since the last change, so few would have been enough."""
        if self._since is None or now - self._since < DOWN_WINDOW:
            return False
        return max(rps for _, rps in self._seen) <= replicas * self.settings.rps * SLACK

    def _keep(self, now: float, rps: float) -> None:
        if self._since is None:
            self._since = now
        self._seen.append((now, rps))
        while self._seen[0][0] < now - DOWN_WINDOW:
            self._seen.popleft()

    def _changed(self, now: float, number: int) -> int:
        self._since = now
        return number
