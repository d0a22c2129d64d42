"""A line before a service: who is let in, in what order, and who is sent away."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.service import Breaker
from minimesh.policy.admission import NOBODY, Admission


class Guest:
    """Comes, perhaps waits, and leaves; `brief`: it is over as soon as it is admitted."""

    def __init__(self, admission: Admission, *, brief: bool = False) -> None:
        self.state = "new"
        self.order = 0.0
        self._admission = admission
        self._brief = brief

    def come(self) -> None:
        admission = self._admission
        admission.count += 1
        if admission.count <= admission.most:
            self.admitted()
        elif admission.wait(self):
            self.state = "waits"
        else:
            self.leave("sent away")

    def admitted(self) -> None:
        assert self.state in ("new", "waits")
        self.state = "under way"
        if self._brief:
            self.leave()

    def leave(self, how: str = "over") -> None:
        assert self.state not in ("over", "sent away")
        self.state = how
        self._admission.count -= 1
        if self._admission.count >= self._admission.most:
            self._admission.over(self)


def guests(admission: Admission, number: int, *, brief: bool = False) -> list[Guest]:
    made = [Guest(admission, brief=brief) for _ in range(number)]
    for guest in made:
        guest.come()
    return made


def states(made: list[Guest]) -> str:
    return "".join({"under way": "U", "waits": "w", "over": ".", "sent away": "x"}[guest.state] for guest in made)


def test_as_many_as_there_are_places_then_a_line_then_no() -> None:
    admission = Admission(Breaker(2, 3))
    made = guests(admission, 7)
    assert states(made) == "UUwwwxx"
    assert (admission.count, admission.waiting) == (5, 3)


def test_first_come_first_served() -> None:
    made = guests(admission := Admission(Breaker(2, 3)), 5)
    made[1].leave()
    assert states(made) == "U.Uww"
    late = guests(admission, 1)
    made[0].leave()
    assert states(made + late) == "..UUww"


def test_who_leaves_the_line_makes_room_in_it_and_lets_nobody_in() -> None:
    made = guests(admission := Admission(Breaker(1, 2)), 3)
    made[1].leave()
    assert states(made) == "U.w"
    assert states(guests(admission, 2)) == "wx"


def test_no_line() -> None:
    made = guests(admission := Admission(Breaker(1, 0)), 2)
    assert states(made) == "Ux"
    made[0].leave()
    assert states(guests(admission, 1)) == "U"


def test_no_limit() -> None:
    assert states(guests(Admission(None), 3000)) == "U" * 3000


def test_other_numbers_hold_at_once() -> None:
    made = guests(admission := Admission(Breaker(1, 4)), 5)
    admission.apply(Breaker(3, 4))
    assert states(made) == "UUUww"
    admission.apply(Breaker(1, 0))
    made[0].leave()
    assert states(made) == ".UUww", "still more than one is under way"
    made[1].leave()
    made[2].leave()
    assert states(made) == "...Uw", "who waited before the line was shortened is served"
    admission.apply(None)
    assert states(made) == "...UU"
    for guest in made[3:]:
        guest.leave()
    assert (admission.count, admission.waiting) == (0, 0)


def test_nobody_is_let_in_while_all_are_cut() -> None:
    made = guests(admission := Admission(Breaker(2, 9)), 6)
    admission.apply(NOBODY)
    for guest in made:
        assert guest.state in ("under way", "waits")
        guest.leave()
    assert states(made) == "......"
    assert admission.count == 0


def test_a_thousand_that_are_over_at_once_take_no_stack() -> None:
    admission = Admission(Breaker(1, 5000))
    (first,) = guests(admission, 1)
    made = guests(admission, 5000, brief=True)
    assert states(made) == "w" * 5000
    first.leave()
    assert states(made) == "." * 5000
    assert (admission.count, admission.waiting) == (0, 0)


@given(
    requests=st.integers(1, 4),
    waiting=st.integers(0, 4),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("come"), st.booleans()),
            st.tuples(st.just("leave"), st.integers(0, 20)),
            st.tuples(st.just("apply"), st.tuples(st.integers(1, 4), st.integers(0, 4))),
        ),
        max_size=60,
    ),
)
def test_whatever_happens(requests: int, waiting: int, steps: list[tuple[str, object]]) -> None:
    """Nobody waits while there is a place, nobody overtakes, and no place is lost."""
    admission = Admission(Breaker(requests, waiting))
    here: list[Guest] = []
    for step, value in steps:
        before = [guest for guest in here if guest.state == "waits"]
        if step == "come":
            here += guests(admission, 1, brief=bool(value))
        elif step == "leave" and here:
            assert isinstance(value, int)
            here[value % len(here)].leave()
        elif step == "apply":
            assert isinstance(value, tuple)
            admission.apply(Breaker(*value))
        still = [guest for guest in before if guest.state == "waits"]
        left = {id(guest) for guest in before if guest.state == "over"}
        assert [g for g in before if id(g) not in left][len(before) - len(left) - len(still) :] == still
        here = [guest for guest in here if guest.state in ("under way", "waits")]
        waits = [guest for guest in here if guest.state == "waits"]
        assert admission.count == len(here)
        assert admission.waiting == len(waits)
        assert not waits or len(here) - len(waits) >= admission.most
