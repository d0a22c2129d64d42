"""Counters and windows go on in another process where they were."""

import json

from hypothesis import given
from hypothesis import strategies as st

from minimesh.telemetry import keep
from minimesh.telemetry.counters import CounterKey, Counters, RouteCounters
from minimesh.telemetry.keep import count_state, restore
from minimesh.telemetry.windows import Window, Windows

KEYS = (CounterKey("web", "api", "/"), CounterKey("gateway", "web", "/*"))


def serve(counters: RouteCounters, micros: int, status: int) -> None:
    counters.requests += 1
    counters.bytes_out += micros
    counters.messages_in += 2
    counters.messages_out += 3
    counters.grpc["NOT_FOUND"] = counters.grpc.get("NOT_FOUND", 0) + 1
    counters.classes[status // 100] += 1
    counters.latency[micros % len(counters.latency)] += 1
    if status >= 500:
        counters.reasons["no_endpoint"] = counters.reasons.get("no_endpoint", 0) + 1


def facts(window: Window) -> object:
    return window.span, {
        key: (
            sums.requests,
            sums.bytes_out,
            sums.classes,
            sums.latency,
            sums.reasons,
            sums.grpc,
            (sums.messages_in, sums.messages_out),
        )
        for key, sums in window.sums.items()
    }


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 400), st.sampled_from((200, 404, 503))), max_size=200),
    st.integers(1, 5),
)
def test_every_window_is_the_same_afterwards(requests: list[tuple[CounterKey, int, int]], a_second: int) -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    now = 0.0
    for number, (key, micros, status) in enumerate(requests):
        serve(counters.of(key), micros, status)
        if number % a_second == 0:
            now += 1.0
            windows.tick(now)
    state = json.loads(json.dumps(count_state(counters, windows, len(requests), now + 0.5)))
    others = Counters()
    next_windows = Windows(others, now + 2.0)
    restore(state, others, next_windows)
    assert state["records"] == len(requests)
    for more in (0, 3):
        for both in (counters, others):
            for _ in range(more):
                serve(both.of(KEYS[0]), 7, 200)
        for span in (1.0, 10.0, 60.0, 900.0):
            assert facts(next_windows.last(span, now + 3.0)) == facts(windows.last(span, now + 3.0))


def test_the_oldest_minutes_are_forgotten_first() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    for second in range(1, 31):
        serve(counters.of(KEYS[0]), 1, 200)
        windows.tick(float(second))
    before, keep.MOST_SUMS = keep.MOST_SUMS, 10
    try:
        state = count_state(counters, windows, 30, 30.5)
    finally:
        keep.MOST_SUMS = before
    assert [tick["ended"] for tick in state["fine"] if tick["sums"]] == [float(second) for second in range(21, 31)]
    assert state["counters"][0]["requests"] == 30, "totals are always whole"
