"""When many small changes are over and count as one. Pure: `now` comes in."""

QUIET = 0.1
"""Seconds without a further change after which they are over."""
LATEST = 1.0
"""Seconds after the first at which they count as over, though there are more."""


class Debounce:
    def __init__(self, quiet: float = QUIET, latest: float = LATEST) -> None:
        self._quiet = quiet
        self._latest = latest
        self._first: float | None = None
        self._last = 0.0

    def note(self, now: float) -> None:
        """A change. now: monotonic seconds, as everywhere here."""
        if self._first is None:
            self._first = now
        self._last = now

    @property
    def due(self) -> float | None:
        """When to act; None: there is nothing to act on."""
        if self._first is None:
            return None
        return min(self._last + self._quiet, self._first + self._latest)

    def clear(self) -> None:
        self._first = None
