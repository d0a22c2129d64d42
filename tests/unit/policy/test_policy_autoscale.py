"""Replicas by load: what a load wants, how soon more, how late fewer; and what holds whatever the load does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.service import Scale
from minimesh.policy.autoscale import DOWN_WINDOW, SLACK, Autoscale

SETTINGS = Scale(min=1, max=4, rps=200.0)


class Load:
    """A second at a time, on a clock of its own; the mesh does what the policy wants."""

    def __init__(self, settings: Scale = SETTINGS, current: int = 1) -> None:
        self.policy = Autoscale(settings)
        self.now = 1000.0
        self.current = current

    def lasts(self, seconds: int, rps: float) -> list[int]:
        """The numbers of replicas after each second."""
        numbers: list[int] = []
        for _ in range(seconds):
            self.now += 1
            self.current = self.policy.wanted(self.now, rps, self.current)
            numbers.append(self.current)
        return numbers


@pytest.mark.parametrize(
    ("rps", "current", "wanted"),
    [(0, 1, 1), (200, 1, 1), (201, 1, 2), (612, 3, 4), (400, 2, 2), (10_000, 1, 4), (0, 7, 4), (300, 0, 1)],
)
def test_more_at_once_and_never_out_of_the_bounds(rps: float, current: int, wanted: int) -> None:
    assert Load(current=current).lasts(1, rps) == [wanted]


def test_fewer_one_by_one_and_each_after_a_minute_of_quiet() -> None:
    load = Load()
    load.lasts(5, 700)
    assert load.current == 4
    minute = math.ceil(DOWN_WINDOW)
    numbers = load.lasts(4 * minute, 0)
    assert [numbers.index(number) for number in (3, 2, 1)] == [minute, 2 * minute, 3 * minute]


def test_a_load_that_swings_around_a_limit_swings_nothing() -> None:
    load = Load()
    numbers = [number for _ in range(60) for number in (*load.lasts(5, 210), *load.lasts(5, 190))]
    assert numbers == [2] * len(numbers)


def test_a_burst_in_the_last_minute_keeps_the_replicas() -> None:
    load = Load()
    load.lasts(1, 700)
    for _ in range(10):
        load.lasts(50, 10)
        assert load.lasts(1, 500) == [4]


@given(
    st.integers(1, 5),
    st.integers(0, 5),
    st.floats(1, 1_000),
    st.lists(st.tuples(st.floats(0, 20_000), st.integers(1, 100)), max_size=20),
)
def test_whatever_the_load_does(low: int, more: int, rps: float, loads: list[tuple[float, int]]) -> None:
    settings = Scale(low, low + more, rps)
    load = Load(settings, low)
    for offered, seconds in loads:
        before = load.current
        for number in load.lasts(seconds, offered):
            assert low <= number <= low + more
            assert number >= before - 1
            assert number >= min(low + more, math.ceil(offered / rps)), "enough, at once"
            if number < before:
                assert offered <= number * rps * SLACK
            before = number
