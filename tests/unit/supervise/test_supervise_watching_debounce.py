"""Many small changes count as one, and endless ones do not count for ever."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.supervise.watching.debounce import LATEST, QUIET, Debounce
from minimesh.testing.clock import VirtualClock


def test_nothing_is_due_without_a_change() -> None:
    assert Debounce().due is None


def test_a_change_is_due_when_it_has_been_quiet() -> None:
    clock, debounce = VirtualClock(), Debounce()
    debounce.note(clock.monotonic())
    assert debounce.due == clock.monotonic() + QUIET
    clock.advance(QUIET / 2)
    debounce.note(clock.monotonic())
    assert debounce.due == clock.monotonic() + QUIET


def test_it_is_due_at_the_latest_after_a_second() -> None:
    clock, debounce = VirtualClock(), Debounce()
    first = clock.monotonic()
    for _ in range(40):
        debounce.note(clock.monotonic())
        clock.advance(0.05)
    assert debounce.due == first + LATEST


def test_what_was_acted_on_is_over() -> None:
    debounce = Debounce()
    debounce.note(1.0)
    debounce.clear()
    assert debounce.due is None
    debounce.note(5.0)
    assert debounce.due == 5.0 + QUIET


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30))
def test_no_change_waits_longer_than_the_latest_and_no_burst_is_cut(pauses: list[float]) -> None:
    debounce, now, first = Debounce(), 0.0, 0.0
    debounce.note(now)
    for pause in pauses:
        due = debounce.due
        assert due is not None
        assert due - first <= LATEST
        if now + pause >= due:
            assert due in (now + QUIET, first + LATEST)
            debounce.clear()
            first = now + pause
        now += pause
        debounce.note(now)
