"""When certificates are renewed: at half of their lives, not all at once, and again soon where it failed."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.policy.renewal import is_due, renew_at, retry_in

chances = st.floats(0, 1)


@given(st.floats(0, 2e9), st.floats(1, 1e8), chances)
def test_it_is_at_half_life_or_a_little_before(issued: float, life: float, chance: float) -> None:
    at = renew_at(issued, issued + life, chance)
    assert 0.449 * life <= at - issued <= 0.501 * life


def test_the_jitter_is_a_twentieth_of_the_life() -> None:
    assert (renew_at(0, 100, 0), renew_at(0, 100, 1)) == (50, 45)


def test_due_is_what_is_late_and_what_is_not_valid_yet() -> None:
    assert not is_due(49, 50, 0)
    assert is_due(50, 50, 0)
    assert is_due(-1, 50, 0)


@given(st.integers(1, 10_000), chances)
def test_failures_are_retried_ever_later_but_every_minute(failures: int, chance: float) -> None:
    wait = retry_in(failures, chance)
    assert 0.5 <= wait <= 60
    assert retry_in(failures + 1, chance) >= wait
