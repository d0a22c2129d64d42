"""Counters and windows as JSON values, so that a new image of the mesh goes on counting where the old one was."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypedDict

from minimesh.telemetry.counters import CounterKey, Counters
from minimesh.telemetry.histogram import BUCKETS
from minimesh.telemetry.windows import Sums, Tick, Windows

MOST_SUMS = 50_000
"""Sums of windows that are passed on, the latest: about 10 MB. A mesh with more forgets the older minutes."""


class SumsState(TypedDict):
    """`key`: source, destination, route. latency: bucket and count, alternating. messages: in and out."""

    key: list[str]
    requests: int
    retries: int
    bytes_in: int
    bytes_out: int
    classes: list[int]
    latency: list[int]
    reasons: dict[str, int]
    grpc: dict[str, int]
    messages: list[int]


class TickState(TypedDict):
    """Monotonic seconds, and what was counted between them."""

    began: float
    ended: float
    sums: list[SumsState]


class CountState(TypedDict):
    """Everything counted so far. records: how many the ring has seen; the records themselves stay behind, since
    whoever reads them has been given them."""

    records: int
    counters: list[SumsState]
    fine: list[TickState]
    coarse: list[TickState]
    last: float


def count_state(counters: Counters, windows: Windows, records: int, now: float) -> CountState:
    """Of counters at rest: no exchange is under way. Ends the tick that is under way."""
    windows.tick(now)
    fine, coarse, last = windows.kept()
    room = MOST_SUMS
    kept: list[list[TickState]] = []
    for ticks in (fine, coarse):
        states = []
        for tick in reversed(ticks):
            room -= len(tick.sums)
            if room < 0:
                break
            states.append(_tick_state(tick))
        kept.append(states[::-1])
    totals = [_sums_state(each.key, Sums.of(each)) for each in counters.all() if each.requests]
    return {"records": records, "counters": totals, "fine": kept[0], "coarse": kept[1], "last": last}


def restore(state: CountState, counters: Counters, windows: Windows) -> None:
    """Into counters that have counted nothing yet."""
    for each in state["counters"]:
        found = counters.of(_key(each))
        found.requests, found.retries = each["requests"], each["retries"]
        found.bytes_in, found.bytes_out = each["bytes_in"], each["bytes_out"]
        found.classes, found.reasons = list(each["classes"]), dict(each["reasons"])
        found.grpc = dict(each["grpc"])
        found.messages_in, found.messages_out = each["messages"]
        for bucket, count in _pairs(each["latency"]):
            if bucket < BUCKETS:
                found.latency[bucket] = count
    windows.restore(map(_tick, state["fine"]), map(_tick, state["coarse"]), state["last"])


def _tick_state(tick: Tick) -> TickState:
    return {
        "began": tick.began,
        "ended": tick.ended,
        "sums": [_sums_state(key, sums) for key, sums in tick.sums.items()],
    }


def _tick(state: TickState) -> Tick:
    return Tick(state["began"], state["ended"], {_key(each): _sums(each) for each in state["sums"]})


def _sums_state(key: CounterKey, sums: Sums) -> SumsState:
    return {
        "key": list(key),
        "requests": sums.requests,
        "retries": sums.retries,
        "bytes_in": sums.bytes_in,
        "bytes_out": sums.bytes_out,
        "classes": sums.classes,
        "latency": [number for pair in sums.latency.items() for number in pair],
        "reasons": sums.reasons,
        "grpc": sums.grpc,
        "messages": [sums.messages_in, sums.messages_out],
    }


def _sums(state: SumsState) -> Sums:
    sums = Sums()
    sums.requests, sums.retries = state["requests"], state["retries"]
    sums.bytes_in, sums.bytes_out = state["bytes_in"], state["bytes_out"]
    sums.classes, sums.reasons = list(state["classes"]), dict(state["reasons"])
    sums.grpc = dict(state["grpc"])
    sums.messages_in, sums.messages_out = state["messages"]
    sums.latency = dict(_pairs(state["latency"]))
    return sums


def _key(state: Mapping[str, object]) -> CounterKey:
    key = state["key"]
    assert isinstance(key, list)
    return CounterKey(*map(str, key))


def _pairs(numbers: list[int]) -> Iterable[tuple[int, int]]:
    return zip(islice(numbers, 0, None, 2), islice(numbers, 1, None, 2), strict=True)
