"""Counters over windows of time, on a clock that the tests turn by hand."""

import pytest

from minimesh.model.reason import Cut
from minimesh.telemetry.counters import CounterKey, Counters
from minimesh.telemetry.histogram import bucket_of
from minimesh.telemetry.windows import COARSE, FINE, LONGEST_WINDOW, MERGED, Sums, Windows

WEB_ORDERS = CounterKey("web", "orders", "/*")
GATEWAY_WEB = CounterKey("gateway", "web", "/*")


def served(counters: Counters, key: CounterKey, count: int = 1, status: int = 200, micros: int = 1000) -> None:
    of = counters.of(key)
    of.requests += count
    of.classes[status // 100] += count
    of.latency[bucket_of(micros)] += count
    of.bytes_out += 10 * count


def test_what_happened_since_the_last_tick_counts_at_once() -> None:
    counters = Counters()
    windows = Windows(counters, 100.0)
    served(counters, WEB_ORDERS, 5)
    window = windows.last(60, 102.0)
    assert window.span == 2.0
    assert window.sums[WEB_ORDERS].requests == 5
    assert window.per_second(window.sums[WEB_ORDERS]) == 2.5


def test_bytes_of_a_connection_that_only_lives_on_are_those_of_their_second() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    counters.of(WEB_ORDERS).requests += 1
    for second in range(1, 31):
        counters.of(WEB_ORDERS).bytes_in += 100
        windows.tick(second)
    sums = windows.last(10, 30.0).sums[WEB_ORDERS]
    assert (sums.requests, sums.bytes_in) == (0, 1000)


def test_a_window_forgets_what_is_older_than_it() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    served(counters, WEB_ORDERS, 7)
    for second in range(1, 31):
        windows.tick(second)
    served(counters, WEB_ORDERS, 1)
    assert windows.last(10, 30.5).sums[WEB_ORDERS].requests == 1
    assert windows.last(60, 30.5).sums[WEB_ORDERS].requests == 8
    assert windows.last(10, 30.5).span == pytest.approx(10.5)


def test_coarse_ticks_keep_every_count_for_a_quarter_of_an_hour() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    for second in range(1, int(LONGEST_WINDOW) + 200):
        served(counters, WEB_ORDERS)
        windows.tick(second)
    now = LONGEST_WINDOW + 199
    assert windows.last(60, now).sums[WEB_ORDERS].requests == 60
    longest = windows.last(LONGEST_WINDOW, now)
    assert longest.sums[WEB_ORDERS].requests == pytest.approx(LONGEST_WINDOW, abs=MERGED)
    assert longest.per_second(longest.sums[WEB_ORDERS]) == pytest.approx(1.0)
    forever = windows.last(1e9, now)
    assert forever.sums[WEB_ORDERS].requests <= (COARSE + 1) * MERGED + FINE


def test_asking_changes_nothing() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    served(counters, WEB_ORDERS, 3)
    windows.tick(1.0)
    served(counters, WEB_ORDERS, 2)
    asked = [windows.last(60, 2.0).sums[WEB_ORDERS].requests for _ in range(3)]
    assert asked == [5, 5, 5]


def test_routes_without_traffic_are_in_no_tick() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    served(counters, WEB_ORDERS)
    counters.of(GATEWAY_WEB)
    windows.tick(1.0)
    served(counters, GATEWAY_WEB)
    windows.tick(2.0)
    assert set(windows.last(1, 2.0).sums) == {GATEWAY_WEB}


@pytest.mark.parametrize(
    ("classes", "reasons", "success"),
    [
        ({}, {}, None),
        ({2: 4}, {}, 1.0),
        ({2: 3, 4: 1}, {}, 1.0),
        ({2: 3, 5: 1}, {}, 0.75),
        ({2: 3, 5: 1, 0: 4}, {Cut.CLIENT_GONE.value: 4}, 0.75),
        ({2: 4}, {Cut.UPSTREAM_CUT.value: 1}, 0.75),
        ({0: 1}, {Cut.CLIENT_GONE.value: 1}, None),
        ({0: 1}, {Cut.UPSTREAM_CUT.value: 1}, 0.0),
        ({5: 1}, {Cut.TIMED_OUT.value: 1}, 0.0),
    ],
)
def test_success(classes: dict[int, int], reasons: dict[str, int], success: float | None) -> None:
    sums = Sums()
    for index, count in classes.items():
        sums.classes[index] = count
    sums.reasons = reasons
    assert sums.success == success


def test_quantiles_are_of_the_window_alone() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    served(counters, WEB_ORDERS, 100, micros=1_000_000)
    for second in range(1, 20):
        windows.tick(second)
    served(counters, WEB_ORDERS, 99, micros=1000)
    served(counters, WEB_ORDERS, 1, micros=50_000)
    sums = windows.last(5, 20.0).sums[WEB_ORDERS]
    half, most, nearly_all = sums.quantiles([0.5, 0.99, 0.999])
    assert half == pytest.approx(0.001, rel=0.04)
    assert most == pytest.approx(0.001, rel=0.04)
    assert nearly_all == pytest.approx(0.05, rel=0.04)
    assert Sums().quantiles([0.5]) == [None]


def test_reasons_and_bytes_are_differences_too() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    counters.of(WEB_ORDERS).reasons["no_endpoint"] = 2
    served(counters, WEB_ORDERS, 2, 503)
    windows.tick(1.0)
    counters.of(WEB_ORDERS).reasons["no_endpoint"] = 5
    served(counters, WEB_ORDERS, 3, 503)
    sums = windows.last(0.5, 2.0).sums[WEB_ORDERS]
    assert (sums.reasons, sums.bytes_out, sums.classes[5]) == ({"no_endpoint": 3}, 30, 3)
