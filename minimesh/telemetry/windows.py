"""Counters over time: what happened in the last minute, out of numbers that only count up.

Every second what was added since is kept as one tick; after a minute ten of them become one coarse tick,
after a quarter of an hour it is gone. A tick holds only routes that had traffic, and of their histograms only the
buckets that were hit, so it costs what the traffic was and not what the configuration is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from minimesh.model.reason import Cut
from minimesh.telemetry.counters import CounterKey, Counters, RouteCounters
from minimesh.telemetry.histogram import BUCKETS, quantiles

FINE = 60
COARSE = 84
MERGED = 10
LONGEST_WINDOW = float(FINE + COARSE * MERGED)
"""Seconds, as long as `tick` is called once a second."""

_Key = TypeVar("_Key")

_FAILED_CUTS = (Cut.UPSTREAM_CUT.value, Cut.TIMED_OUT.value, Cut.STOPPED.value)


class Sums:
    """What was counted in some span of time; see RouteCounters for the fields. Adds up."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "classes",
        "grpc",
        "latency",
        "messages_in",
        "messages_out",
        "reasons",
        "requests",
        "retries",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages_in = 0
        self.messages_out = 0
        self.classes = [0] * 10
        self.latency: dict[int, int] = {}
        self.reasons: dict[str, int] = {}
        self.grpc: dict[str, int] = {}

    @classmethod
    def of(cls, counters: RouteCounters) -> "Sums":
        """All that a route has counted."""
        return _difference(counters, _NOTHING)

    def add(self, other: "Sums") -> None:
        self.requests += other.requests
        self.retries += other.retries
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.messages_in += other.messages_in
        self.messages_out += other.messages_out
        for index, count in enumerate(other.classes):
            self.classes[index] += count
        _add_each(self.latency, other.latency)
        _add_each(self.reasons, other.reasons)
        _add_each(self.grpc, other.grpc)

    def subtract(self, part: "Sums") -> None:
        """Takes away what was added before."""
        self.requests -= part.requests
        self.retries -= part.retries
        self.bytes_in -= part.bytes_in
        self.bytes_out -= part.bytes_out
        self.messages_in -= part.messages_in
        self.messages_out -= part.messages_out
        for index, count in enumerate(part.classes):
            self.classes[index] -= count
        _subtract_each(self.latency, part.latency)
        _subtract_each(self.reasons, part.reasons)
        _subtract_each(self.grpc, part.grpc)

    @property
    def is_empty(self) -> bool:
        counted = self.requests or self.bytes_in or self.bytes_out or self.latency or self.reasons
        return not (counted or any(self.classes))

    @property
    def success(self) -> float | None:
        """Share of the answered requests that did not fail: status under 500 and not cut by service or mesh.

        A client that left before its answer is neither. None: nothing was answered.
        """
        failed_cuts = sum(self.reasons.get(cut, 0) for cut in _FAILED_CUTS)
        answered = sum(self.classes[1:])
        if not answered:
            return 0.0 if failed_cuts else None
        return max(0.0, 1.0 - (sum(self.classes[5:]) + failed_cuts) / answered)

    def quantiles(self, shares: Sequence[float]) -> list[float | None]:
        """For each share, ascending, the time to the answer's head, in seconds; None of nothing."""
        return quantiles(self.latency, shares)


@dataclass(frozen=True, slots=True)
class Window:
    """Sums of every route that had traffic in the last `span` seconds."""

    span: float
    sums: Mapping[CounterKey, Sums]

    def total(self, wanted: Callable[[CounterKey], bool]) -> Sums:
        return total(sums for key, sums in self.sums.items() if wanted(key))

    def per_second(self, sums: Sums) -> float | None:
        """Requests per second; None where there were none."""
        return sums.requests / self.span if sums.requests and self.span > 0 else None


def total(parts: Iterable[Sums]) -> Sums:
    whole = Sums()
    for part in parts:
        whole.add(part)
    return whole


@dataclass(frozen=True, slots=True)
class Tick:
    """What was added between two moments, monotonic seconds. Its sums are kept: nobody adds to them."""

    began: float
    ended: float
    sums: Mapping[CounterKey, Sums]


class _Seen:
    """The counts of a route at the last tick."""

    __slots__ = (
        "active",
        "bytes_in",
        "bytes_out",
        "classes",
        "grpc",
        "latency",
        "messages_in",
        "messages_out",
        "reasons",
        "requests",
        "retries",
    )

    def __init__(self, counters: RouteCounters | None) -> None:
        self.requests = counters.requests if counters else 0
        self.active = counters.active if counters else 0
        self.retries = counters.retries if counters else 0
        self.bytes_in = counters.bytes_in if counters else 0
        self.bytes_out = counters.bytes_out if counters else 0
        self.messages_in = counters.messages_in if counters else 0
        self.messages_out = counters.messages_out if counters else 0
        self.classes = counters.classes.copy() if counters else [0] * 10
        self.latency = counters.latency.copy() if counters else [0] * BUCKETS
        self.reasons = counters.reasons.copy() if counters else {}
        self.grpc = counters.grpc.copy() if counters else {}


_NOTHING = _Seen(None)


class Windows:
    """Watches the counters. Call `tick` once a second; times are monotonic seconds."""

    def __init__(self, counters: Counters, now: float) -> None:
        self._counters = counters
        self._seen: dict[CounterKey, _Seen] = {}
        self._fine: deque[Tick] = deque()
        self._coarse: deque[Tick] = deque(maxlen=COARSE)
        self._last = now

    def tick(self, now: float) -> None:
        """Keep what was added since the last tick."""
        changed = [counters for counters in self._counters.all() if self._has_changed(counters)]
        self._fine.append(Tick(self._last, now, {each.key: self._since_tick(each) for each in changed}))
        for counters in changed:
            self._seen[counters.key] = _Seen(counters)
        self._last = now
        if len(self._fine) >= FINE + MERGED:
            self._coarse.append(_merged([self._fine.popleft() for _ in range(MERGED)]))

    def last(self, window: float, now: float) -> Window:
        """The last `window` seconds, up to this moment. The span is rounded up to whole ticks."""
        since = now - window
        sums = {each.key: self._since_tick(each) for each in self._counters.all() if self._has_changed(each)}
        began = self._last
        for tick in (*reversed(self._fine), *reversed(self._coarse)):
            if tick.ended <= since:
                break
            began = tick.began
            merge_into(sums, tick.sums)
        return Window(now - began, sums)

    def ticks(self, since: float) -> list[Tick]:
        """What is kept of the time after that moment, oldest first: seconds, and of what is older ten at a time."""
        found: list[Tick] = []
        for tick in (*reversed(self._fine), *reversed(self._coarse)):
            if tick.ended <= since:
                break
            found.append(tick)
        return found[::-1]

    def _has_changed(self, counters: RouteCounters) -> bool:
        seen = self._seen.get(counters.key, _NOTHING)
        # Bytes alone: a connection that has lived for hours and is still used.
        return (
            counters.requests != seen.requests
            or counters.active != seen.active
            or counters.bytes_in != seen.bytes_in
            or counters.bytes_out != seen.bytes_out
        )

    def kept(self) -> tuple[Sequence[Tick], Sequence[Tick], float]:
        """The fine and the coarse ones, oldest first, and when the last one ended."""
        return tuple(self._fine), tuple(self._coarse), self._last

    def restore(self, fine: Iterable[Tick], coarse: Iterable[Tick], last: float) -> None:
        """What `kept` gave of other windows; the counters are what they were then."""
        self._fine, self._coarse = deque(fine), deque(coarse, maxlen=COARSE)
        self._seen = {counters.key: _Seen(counters) for counters in self._counters.all()}
        self._last = last

    def _since_tick(self, counters: RouteCounters) -> Sums:
        return _difference(counters, self._seen.get(counters.key, _NOTHING))


def _difference(counters: RouteCounters, seen: _Seen) -> Sums:
    sums = Sums()
    sums.requests = counters.requests - seen.requests
    sums.retries = counters.retries - seen.retries
    sums.bytes_in = counters.bytes_in - seen.bytes_in
    sums.bytes_out = counters.bytes_out - seen.bytes_out
    sums.messages_in = counters.messages_in - seen.messages_in
    sums.messages_out = counters.messages_out - seen.messages_out
    sums.classes = [now - then for now, then in zip(counters.classes, seen.classes, strict=True)]
    pairs = enumerate(zip(counters.latency, seen.latency, strict=True))
    sums.latency = {bucket: now - then for bucket, (now, then) in pairs if now != then}
    sums.reasons = _added(counters.reasons, seen.reasons)
    sums.grpc = _added(counters.grpc, seen.grpc)
    return sums


def _added(counts: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {code: count - before.get(code, 0) for code, count in counts.items() if count != before.get(code, 0)}


def _merged(ticks: Sequence[Tick]) -> Tick:
    sums: dict[CounterKey, Sums] = {}
    for tick in ticks:
        merge_into(sums, tick.sums)
    return Tick(ticks[0].began, ticks[-1].ended, sums)


def merge_into(sums: dict[CounterKey, Sums], more: Mapping[CounterKey, Sums]) -> None:
    """Adds without touching the Sums of `more`: ticks are kept."""
    for key, part in more.items():
        if key not in sums:
            sums[key] = Sums()
        sums[key].add(part)


def _add_each(counts: dict[_Key, int], more: Mapping[_Key, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


def _subtract_each(counts: dict[_Key, int], part: Mapping[_Key, int]) -> None:
    for key, count in part.items():
        left = counts[key] - count
        if left:
            counts[key] = left
        else:
            del counts[key]
