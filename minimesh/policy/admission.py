"""How many exchanges a service has under way at once, and who waits for a place.

First come, first served; who comes when the line is full too is refused at once, so that the others are served in time
(the newest is shed: the oldest have paid for their place by waiting). A place is kept until the exchange is over,
however often it is tried. The line is short of nothing but places: who waits is there only while all of them are taken.
"""

from collections import OrderedDict
from typing import Protocol

from minimesh.model.service import Breaker

NOBODY = Breaker(requests=0, waiting=0)
NO_LIMIT = 1_000_000_000
"""Below 2**30, which CPython compares fastest."""


class Waiting(Protocol):
    """One who waits in line."""

    def admitted(self) -> None:
        """There is a place now. It may be over already when this returns."""
        ...


class Admission:
    """Whoever comes adds one to `count`, and asks `wait` if that is then above `most`; whoever is over takes one away,
    and says so to `over` if that leaves `most` or more. So a service that has places left costs nothing else.

    `count`: exchanges that are not over, those in line included. `most`: that may be under way.
    """

    __slots__ = ("_calling", "_line", "_waiting", "count", "most")

    def __init__(self, limits: Breaker | None) -> None:
        self.count = 0
        self._line: OrderedDict[Waiting, None] = OrderedDict()
        self._calling = False
        self.apply(limits)

    def apply(self, limits: Breaker | None) -> None:
        """Other numbers from now on; None: no limit. Who waits keeps waiting, however short the line is to be."""
        self.most = NO_LIMIT if limits is None else limits.requests
        self._waiting = 0 if limits is None else limits.waiting
        self._call()

    @property
    def waiting(self) -> int:
        return len(self._line)

    def __contains__(self, who: Waiting) -> bool:
        """Whether it is in line."""
        return who in self._line

    def wait(self, who: Waiting) -> bool:
        """Stand in line. False: the line is full."""
        if len(self._line) >= self._waiting:
            return False
        self._line[who] = None
        return True

    def over(self, who: Waiting) -> None:
        """It is counted no more: it leaves its place, or the line."""
        self._line.pop(who, None)
        self._call()

    def _call(self) -> None:
        """Admit as many as there are places. One that is over at once (its service has no endpoint, say) says so
        before it returns; the next is called here, then, not from within."""
        if self._calling:
            return
        self._calling = True
        try:
            while self._line and self.count - len(self._line) < self.most:
                self._line.popitem(last=False)[0].admitted()
        finally:
            self._calling = False
