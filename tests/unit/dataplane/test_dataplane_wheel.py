"""The timer wheel on a virtual clock."""

from math import inf

import pytest

from minimesh.dataplane.wheel import TICK, Timed, Wheel


class Alarm(Timed):
    def __init__(self) -> None:
        super().__init__()
        self.fired = 0

    def timed_out(self) -> None:
        self.fired += 1


@pytest.fixture
def wheel() -> Wheel:
    return Wheel(100.0)


def test_fires_once_and_not_before(wheel: Wheel) -> None:
    alarm = Alarm()
    wheel.arm(alarm, 101.0)
    wheel.turn(100.9)
    assert alarm.fired == 0
    wheel.turn(101.0 + TICK)
    wheel.turn(200.0)
    assert alarm.fired == 1
    assert (alarm.due, alarm.check) == (inf, inf)


def test_moving_it_later_costs_an_attribute(wheel: Wheel) -> None:
    alarm = Alarm()
    wheel.arm(alarm, 101.0)
    alarm.due = 105.0
    wheel.turn(102.0)
    assert alarm.fired == 0
    assert alarm.check == 105.0
    wheel.turn(105.2)
    assert alarm.fired == 1


def test_moving_it_earlier_needs_the_wheel(wheel: Wheel) -> None:
    alarm = Alarm()
    wheel.arm(alarm, 110.0)
    wheel.arm(alarm, 101.0)
    wheel.turn(101.2)
    assert alarm.fired == 1
    wheel.turn(120.0)
    assert alarm.fired == 1


def test_forgotten(wheel: Wheel) -> None:
    alarm = Alarm()
    wheel.arm(alarm, 101.0)
    wheel.forget(alarm)
    wheel.turn(200.0)
    assert alarm.fired == 0


def test_forgotten_without_ever_being_armed(wheel: Wheel) -> None:
    wheel.forget(Alarm())


def test_what_is_due_already_fires_at_the_next_turn(wheel: Wheel) -> None:
    alarm = Alarm()
    wheel.arm(alarm, 1.0)
    wheel.turn(100.0 + 2 * TICK)
    assert alarm.fired == 1


def test_it_may_be_armed_again_while_it_fires(wheel: Wheel) -> None:
    class Again(Alarm):
        def timed_out(self) -> None:
            super().timed_out()
            if self.fired < 3:
                wheel.arm(self, wheel.now + 1.0)

    alarm = Again()
    wheel.arm(alarm, 101.0)
    for second in range(1, 20):
        wheel.turn(100.0 + second)
    assert alarm.fired == 3


def test_one_that_fires_may_forget_another(wheel: Wheel) -> None:
    victim = Alarm()

    class Killer(Alarm):
        def timed_out(self) -> None:
            super().timed_out()
            wheel.forget(victim)

    killer = Killer()
    wheel.arm(killer, 101.0)
    wheel.arm(victim, 102.5)
    wheel.turn(101.2)
    wheel.turn(103.0)
    assert (killer.fired, victim.fired) == (1, 0)


def test_a_long_sleep_fires_all_in_order(wheel: Wheel) -> None:
    fired: list[float] = []

    class Noted(Timed):
        def __init__(self, when: float) -> None:
            super().__init__()
            self.when = when

        def timed_out(self) -> None:
            fired.append(self.when)

    for when in (300.0, 101.0, 250.5, 100.4):
        wheel.arm(Noted(when), when)
    wheel.turn(100_000.0)
    assert fired == [100.4, 101.0, 250.5, 300.0]
