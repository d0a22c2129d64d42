"""Round robin."""

from minimesh.policy.balance import RoundRobin


def test_each_in_turn() -> None:
    balance = RoundRobin()
    assert "".join(balance.pick("abc") or "" for _ in range(7)) == "abcabca"


def test_nothing_to_pick() -> None:
    balance = RoundRobin()
    assert balance.pick([]) is None
    assert balance.pick(["a"]) == "a"


def test_another_one_where_there_is_one() -> None:
    first, second = object(), object()
    assert RoundRobin().pick([first, second], avoid=first) is second
    assert RoundRobin().pick([first, second], avoid=second) is first
    assert RoundRobin().pick([first], avoid=first) is first


def test_a_set_that_shrinks() -> None:
    balance = RoundRobin()
    for _ in range(3):
        balance.pick("abc")
    assert balance.pick("ab") in ("a", "b")


def test_it_is_fair() -> None:
    balance = RoundRobin()
    picked = [balance.pick("abcd") for _ in range(400)]
    assert {picked.count(name) for name in "abcd"} == {100}
