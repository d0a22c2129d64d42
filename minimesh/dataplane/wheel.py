"""One coarse timer for every deadline of the data plane.

A timed thing has one deadline, `due`, and looks it up itself: moving it later is an attribute and nothing else, since
the wheel only looks at it when it said it would (`check`) and asks again. So a request that is answered in time costs
no timer at all. A limit counted from `Wheel.now` fires within TICK seconds of its time, early or late.
"""

from math import inf

TICK = 0.1


class Timed:
    """Something with one deadline in monotonic seconds; `inf` is none. `check`: when the wheel will look."""

    __slots__ = ("check", "due", "slot")

    def __init__(self) -> None:
        self.due = inf
        self.check = inf
        self.slot = 0

    def timed_out(self) -> None:
        """`due` has passed."""
        raise NotImplementedError


class Wheel:
    """`now` is the time of the last turn: fresh enough for idle limits, and free to read."""

    __slots__ = ("_slots", "_turned", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self._turned = _slot_of(now)
        """The first slot that was not looked at yet."""
        self._slots: dict[int, set[Timed]] = {}

    def arm(self, timed: Timed, due: float) -> None:
        timed.due = due
        if due < timed.check:
            self._put(timed)

    def forget(self, timed: Timed) -> None:
        """Keep no reference to what is over."""
        self._take_out(timed)
        timed.due = timed.check = inf

    def turn(self, now: float) -> None:
        """Look at all that was due by now."""
        self.now = now
        until = _slot_of(now)
        if until - self._turned > len(self._slots):
            passed = sorted(slot for slot in self._slots if slot < until)
        else:
            passed = [slot for slot in range(self._turned, until) if slot in self._slots]
        self._turned = max(until, self._turned)
        for slot in passed:
            for timed in self._slots.pop(slot):
                timed.check = inf
                if timed.due <= now:
                    timed.due = inf
                    timed.timed_out()
                elif timed.due != inf:
                    self._put(timed)

    def _put(self, timed: Timed) -> None:
        self._take_out(timed)
        timed.check = timed.due
        timed.slot = slot = max(_slot_of(timed.due), self._turned)
        self._slots.setdefault(slot, set()).add(timed)

    def _take_out(self, timed: Timed) -> None:
        slot = self._slots.get(timed.slot)
        if slot is not None:
            slot.discard(timed)


def _slot_of(when: float) -> int:
    return int(when / TICK)
