"""A window that is kept up says the same as one that is added up anew."""

from random import Random

import pytest

from minimesh.telemetry.counters import CounterKey, Counters
from minimesh.telemetry.histogram import bucket_of
from minimesh.telemetry.rolling import BLOCKS, Rolling
from minimesh.telemetry.windows import Sums, Windows, total

EDGES = [("gateway", "web"), ("web", "orders"), ("web", "payments"), ("orders", "payments")]


def some_traffic(counters: Counters, rng: Random) -> None:
    for source, destination in EDGES:
        of = counters.of(CounterKey(source, destination, rng.choice(("/*", "/api/*"))))
        of.bytes_in += rng.choice((0, 0, 3))  # of connections that live long there is nothing else for hours
        for _ in range(rng.choice((0, 0, 1, 5))):
            of.requests += 1
            of.classes[rng.choice((2, 2, 4, 5))] += 1
            of.latency[bucket_of(rng.randrange(1, 1_000_000))] += 1
            of.bytes_out += 7
            if rng.random() < 0.1:
                of.reasons["timeout"] = of.reasons.get("timeout", 0) + 1


def facts(sums: Sums) -> dict[str, object]:
    return {name: getattr(sums, name) for name in Sums.__slots__}


@pytest.mark.parametrize("span", [10.0, 60.0, 900.0])
def test_it_is_what_adding_up_gives(span: float) -> None:
    counters, rng = Counters(), Random(int(span))
    windows = Windows(counters, 0.0)
    rolling: Rolling | None = None
    compared = 0
    for second in range(1, 1_000):
        some_traffic(counters, rng)
        windows.tick(float(second))
        if second < 20:
            continue
        rolling = rolling or Rolling(windows, span, float(second))
        seen = rolling.advance()
        whole = windows.last(seen.span, float(second))
        assert seen.span == pytest.approx(min(span, second), abs=span / BLOCKS + 10)
        if whole.span != seen.span:  # older than a minute, only tens of seconds are kept
            continue
        compared += 1
        for source, destination in EDGES:
            expected = total(
                sums for key, sums in whole.sums.items() if (key.source, key.destination) == (source, destination)
            )
            assert facts(seen.sums.get(CounterKey(source, destination, ""), Sums())) == facts(expected)
    assert compared > 50


def test_what_has_left_takes_no_room() -> None:
    counters = Counters()
    windows = Windows(counters, 0.0)
    rolling = Rolling(windows, 10.0, 0.0)
    some_traffic(counters, Random(1))
    windows.tick(1.0)
    assert rolling.advance().sums
    for second in range(2, 12):
        windows.tick(float(second))
    window = rolling.advance()
    assert not window.sums
    assert 10 <= window.span <= 10 + 10 / BLOCKS + 1


def test_before_the_first_tick_there_is_nothing() -> None:
    window = Rolling(Windows(Counters(), 5.0), 60.0, 5.5).advance()
    assert not window.sums
    assert window.per_second(Sums()) is None
