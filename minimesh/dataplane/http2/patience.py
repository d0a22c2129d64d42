"""How much of what costs us and brings nobody anything is taken from a peer, before it is told to calm down."""


class Patience:
    """`most` at once, and `rate` a second all the time (a leaky bucket). Times are monotonic seconds."""

    __slots__ = ("_left", "_most", "_rate", "_since")

    def __init__(self, most: float, rate: float) -> None:
        self._most = self._left = most
        self._rate = rate
        self._since = 0.0

    def spend(self, now: float, cost: float = 1.0) -> bool:
        """Whether there is some left."""
        self._left = min(self._most, self._left + max(now - self._since, 0.0) * self._rate) - cost
        self._since = now
        return self._left >= 0.0

    def earn(self, gain: float) -> None:
        """The peer did something useful."""
        if self._left < self._most:
            self._left += gain
