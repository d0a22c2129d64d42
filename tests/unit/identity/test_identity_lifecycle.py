"""SPIRE's four steps: what each does to the bundle and to what was signed, and which are refused when."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.identity.lifecycle import Book, Entry, Kind, Source, State, StepError

NOW = 1_000.0
END = 10_000.0


def entry(kind: Kind, name: str, root: str = "", state: State = State.PREPARED) -> Entry:
    key_id, above = name.encode(), (root or name).encode()
    return Entry(kind, key_id, above, state, Source.OWN, "test.local", b"PEM " + key_id, 0.0, END, 0.0)


def started() -> Book:
    """A root and an intermediate that sign."""
    return Book((entry(Kind.ROOT, "r1", state=State.ACTIVE), entry(Kind.INTERMEDIATE, "i1", "r1", State.ACTIVE)))


def states(book: Book) -> dict[str, str]:
    return {each.key_id.decode(): each.state.value for each in book.entries}


def the(book: Book, name: str) -> Entry:
    return next(each for each in book.entries if each.key_id == name.encode())


def some(*key_ids: bytes) -> frozenset[bytes]:
    return frozenset(key_ids)


def bundle(book: Book) -> list[bytes]:
    return [each.key_id for each in book.roots(NOW)]


def test_the_four_steps_of_an_intermediate() -> None:
    book = started().prepared(entry(Kind.INTERMEDIATE, "i2", "r1"))
    assert book.issuers(NOW) == {b"i1", b"i2"}
    book = book.activated(the(book, "i2"), NOW)
    assert states(book) == {"r1": "active", "i1": "old", "i2": "active"}
    assert (book.given_up(), book.issuers(NOW)) == (some(), some(b"i1", b"i2"))
    book = book.tainted(the(book, "i1"), NOW)
    assert (book.given_up(), book.gone(), book.issuers(NOW)) == (some(b"i1"), some(), some(b"i1", b"i2"))
    book = book.revoked(the(book, "i1"), NOW)
    assert (book.gone(), book.issuers(NOW)) == (some(b"i1"), some(b"i2"))
    assert bundle(book) == [b"r1"]


def test_the_four_steps_of_a_root_take_its_intermediates_along() -> None:
    book = started().prepared(entry(Kind.ROOT, "r2"))
    assert bundle(book) == [b"r1", b"r2"]
    book = book.activated(the(book, "r2"), NOW)
    book = book.prepared(entry(Kind.INTERMEDIATE, "i2", "r2"))
    book = book.activated(the(book, "i2"), NOW)
    assert states(book) == {"r1": "old", "i1": "old", "r2": "active", "i2": "active"}
    assert book.given_up() == frozenset()
    book = book.tainted(the(book, "r1"), NOW)
    assert (book.given_up(), bundle(book)) == (some(b"i1"), [b"r1", b"r2"])
    book = book.revoked(the(book, "r1"), NOW)
    assert (book.gone(), book.issuers(NOW), bundle(book)) == (some(b"i1"), some(b"i2"), [b"r2"])


def test_what_is_expired_is_not_in_the_bundle() -> None:
    book = started()
    assert bundle(book) == [b"r1"]
    assert (book.roots(END + 1), book.issuers(END + 1)) == ([], frozenset())


@pytest.mark.parametrize(
    ("step", "name", "message"),
    [
        ("activated", "i1", "intermediate 6931 is active, not prepared"),
        ("tainted", "i1", "intermediate 6931 is active, and only an old one is tainted"),
        ("tainted", "r1", "root 7231 is active, and only an old one is tainted"),
        ("revoked", "i1", "intermediate 6931 is active"),
        ("revoked", "r1", "root 7231 is active"),
    ],
)
def test_what_signs_is_replaced_before_it_goes(step: str, name: str, message: str) -> None:
    book = started()
    with pytest.raises(StepError, match=f"^{message}$") as error:
        getattr(book, step)(the(book, name), NOW)
    assert error.value.fix.startswith("minimesh ca prepare")


def test_one_of_a_kind_is_prepared_at_a_time() -> None:
    book = started().prepared(entry(Kind.ROOT, "r2"))
    with pytest.raises(StepError, match="prepared already") as error:
        book.prepared(entry(Kind.ROOT, "r3"))
    assert error.value.fix == "minimesh ca activate 7232"


def test_an_intermediate_under_a_root_that_does_not_sign_cannot_be_activated() -> None:
    book = started().prepared(entry(Kind.ROOT, "r2")).prepared(entry(Kind.INTERMEDIATE, "i2", "r2"))
    with pytest.raises(StepError, match="the root of intermediate 6932 is not active"):
        book.activated(the(book, "i2"), NOW)


def test_a_prepared_intermediate_goes_with_the_root_that_it_was_prepared_for() -> None:
    book = started().prepared(entry(Kind.ROOT, "r2")).prepared(entry(Kind.INTERMEDIATE, "i2", "r1"))
    assert states(book.activated(the(book, "r2"), NOW))["i2"] == "revoked"


def test_an_old_one_may_sign_again_and_a_tainted_one_never() -> None:
    book = started().prepared(entry(Kind.INTERMEDIATE, "i2", "r1"))
    book = book.activated(the(book, "i2"), NOW)
    back = book.activated(the(book, "i1"), NOW)
    assert states(back) == {"r1": "active", "i1": "active", "i2": "old"}
    book = book.tainted(the(book, "i1"), NOW)
    with pytest.raises(StepError, match="tainted, not prepared"):
        book.activated(the(book, "i1"), NOW)


def test_they_are_meant_by_the_beginning_of_an_id_or_by_being_the_only_one() -> None:
    book = started().prepared(entry(Kind.ROOT, "r2"))
    assert book.meant("7232") == the(book, "r2")
    assert book.meant("", State.PREPARED) == the(book, "r2")
    for text, message in (("72", "several authorities begin"), ("ff", "no authority begins"), ("", "no authority is")):
        with pytest.raises(StepError, match=message):
            book.meant(text, State.TAINTED)
    assert book.meant("", State.TAINTED, State.ACTIVE) == the(book, "r1")
    two = Book((*book.entries, entry(Kind.INTERMEDIATE, "i3", "r1"), entry(Kind.INTERMEDIATE, "i4", "r1")))
    with pytest.raises(StepError, match="several authorities are prepared: say which"):
        two.meant("", State.PREPARED)


STEPS = st.tuples(st.sampled_from(["prepare", "activate", "taint", "revoke"]), st.integers(0, 20))


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_asked_for_what_signs_counts(steps: list[tuple[str, int]]) -> None:
    """One root and one intermediate are active after every step that was allowed, and both are believed."""
    book = started()
    for number, (step, choice) in enumerate(steps):
        chosen = book.entries[choice % len(book.entries)]
        kind = (Kind.ROOT, Kind.INTERMEDIATE)[choice % 2]
        try:
            if step == "prepare":
                active = book.active(Kind.ROOT)
                assert active is not None
                above = "" if kind is Kind.ROOT else active.key_id.decode()
                book = book.prepared(entry(kind, f"x{number}", above))
            elif step == "activate":
                book = book.activated(chosen, NOW)
                if chosen.kind is Kind.ROOT:  # as whoever keeps the book does at once
                    new = entry(Kind.INTERMEDIATE, f"y{number}", chosen.key_id.decode())
                    book = Book((*book.relieved(Kind.INTERMEDIATE, NOW).entries, replace(new, state=State.ACTIVE)))
            elif step == "taint":
                book = book.tainted(chosen, NOW)
            else:
                book = book.revoked(chosen, NOW)
        except StepError:
            continue
        (root,), (intermediate,) = book.of(Kind.ROOT, State.ACTIVE), book.of(Kind.INTERMEDIATE, State.ACTIVE)
        assert intermediate.root == root.key_id
        assert root.key_id in bundle(book)
        assert intermediate.key_id in book.issuers(NOW)
        assert not book.gone() & book.issuers(NOW)
