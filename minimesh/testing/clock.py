"""A clock that stands still until it is told."""


class VirtualClock:
    """A `minimesh.model.clock.Clock`. Times in seconds."""

    def __init__(self, monotonic: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a negative step: monotonic time never goes back."""
        if seconds < 0:
            raise ValueError("monotonic time never goes back")
        self._monotonic += seconds
        self._wall += seconds
