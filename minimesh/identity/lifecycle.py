"""The life of an authority, as SPIRE's four steps have it. Pure.

    prepare    it is made. A root is in the bundle from now on, so that everybody knows it before it signs.
    activate   it signs what is issued from now on. The one until now is old: what it signed still counts.
    taint      an old one is not relied on any more: all that it signed is issued anew.
    revoke     it counts no more, and so does nothing that it signed. A root leaves the bundle.

An intermediate hangs on a root: what becomes of the root becomes of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    ROOT = "root"
    INTERMEDIATE = "intermediate"


class State(StrEnum):
    PREPARED = "prepared"
    ACTIVE = "active"
    OLD = "old"
    TAINTED = "tainted"
    REVOKED = "revoked"


class Source(StrEnum):
    """Where it comes from: made here, given by the user, or signed by the user's command."""

    OWN = "own"
    BROUGHT = "brought"
    SIGNED = "signed"


class StepError(Exception):
    """A step that cannot be taken now; `fix`: what to type instead."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Entry:
    """An authority without its key. certificate: PEM. root: key id of the root that it hangs on, its own for a root.
    Times in seconds since 1970; changed: when it took its state."""

    kind: Kind
    key_id: bytes
    root: bytes
    state: State
    source: Source
    trust_domain: str
    certificate: bytes
    not_before: float
    not_after: float
    changed: float

    @property
    def id(self) -> str:
        """As people write it."""
        return self.key_id.hex()[:12]


@dataclass(frozen=True, slots=True)
class Book:
    """All authorities that are known, in the order in which they were made. Each step gives another book."""

    entries: tuple[Entry, ...] = ()

    def active(self, kind: Kind) -> Entry | None:
        return next((each for each in self.entries if each.kind is kind and each.state is State.ACTIVE), None)

    def of(self, kind: Kind, *states: State) -> list[Entry]:
        return [each for each in self.entries if each.kind is kind and (not states or each.state in states)]

    def meant(self, text: str, *states: State) -> Entry:
        """The one whose id begins so; with no text, the only one in the first of these states that any is in. What
        hangs on one that is meant goes with it. Raises StepError."""
        if text:
            found = [each for each in self.entries if each.key_id.hex().startswith(text)]
        else:
            by_state = ([each for each in self.entries if each.state is state] for state in states)
            found = next(filter(None, by_state), [])
        roots = {each.key_id for each in found if each.kind is Kind.ROOT}
        found = [each for each in found if each.kind is Kind.ROOT or each.root not in roots]
        if len(found) == 1:
            return found[0]
        if text:
            raise StepError(f"{'several authorities begin' if found else 'no authority begins'} with {text}", LIST)
        what = f"{found[0].state}: say which" if found else " or ".join(states)
        raise StepError(f"{'several authorities are' if found else 'no authority is'} {what}", LIST)

    def prepared(self, entry: Entry) -> "Book":
        """With a new one. Raises StepError where one of its kind is prepared already."""
        if waiting := self.of(entry.kind, State.PREPARED):
            raise StepError(
                f"{entry.kind} {waiting[0].id} is prepared already", f"minimesh ca activate {waiting[0].id}"
            )
        return Book((*self.entries, entry))

    def activated(self, entry: Entry, now: float) -> "Book":
        """One that is prepared, or old, signs from now on. Raises StepError."""
        if entry.state not in (State.PREPARED, State.OLD):
            raise StepError(
                f"{entry.kind} {entry.id} is {entry.state}, not prepared", f"minimesh ca prepare {entry.kind}"
            )
        root = next((each for each in self.of(Kind.ROOT) if each.key_id == entry.root), None)
        if entry.kind is Kind.INTERMEDIATE and (root is None or root.state is not State.ACTIVE):
            raise StepError(f"the root of intermediate {entry.id} is not active", "minimesh ca prepare intermediate")

        def step(each: Entry) -> State:
            if each == entry:
                return State.ACTIVE
            if entry.kind is Kind.ROOT and each.kind is Kind.INTERMEDIATE and each.state is State.PREPARED:
                return State.REVOKED  # it has never signed, and what it would sign hangs on the old root
            return State.OLD if each.kind is entry.kind and each.state is State.ACTIVE else each.state

        return self._stepped(step, now)

    def tainted(self, entry: Entry, now: float) -> "Book":
        """An old one, and what hangs on it. Raises StepError."""
        if entry.state is not State.OLD:
            raise StepError(
                f"{entry.kind} {entry.id} is {entry.state}, and only an old one is tainted", _instead(entry)
            )
        return self._stepped(lambda each: _below(entry, each, State.TAINTED, State.OLD, State.ACTIVE), now)

    def revoked(self, entry: Entry, now: float) -> "Book":
        """One that does not sign, and what hangs on it. Raises StepError."""
        if entry.state in (State.ACTIVE, State.REVOKED):
            raise StepError(f"{entry.kind} {entry.id} is {entry.state}", _instead(entry))
        return self._stepped(lambda each: _below(entry, each, State.REVOKED, *State), now)

    def relieved(self, kind: Kind, now: float) -> "Book":
        """The active one of a kind, if there is one, is old."""
        return self._stepped(
            lambda each: State.OLD if each.kind is kind and each.state is State.ACTIVE else each.state, now
        )

    def without(self, gone: Callable[[Entry], bool]) -> "Book":
        return Book(tuple(each for each in self.entries if not gone(each)))

    def roots(self, now: float) -> list[Entry]:
        """The bundle: where a chain may end."""
        return [each for each in self.of(Kind.ROOT) if each.state is not State.REVOKED and now <= each.not_after]

    def issuers(self, now: float) -> frozenset[bytes]:
        """Key ids of what may have signed a leaf that counts."""
        bundle = {each.key_id for each in self.roots(now)}
        return frozenset(
            each.key_id
            for each in self.of(Kind.INTERMEDIATE)
            if each.root in bundle and each.state is not State.REVOKED and now <= each.not_after
        )

    def gone(self) -> frozenset[bytes]:
        """Key ids of intermediates that are revoked, themselves or with their root."""
        return frozenset(each.key_id for each in self.of(Kind.INTERMEDIATE, State.REVOKED))

    def given_up(self) -> frozenset[bytes]:
        """Key ids of intermediates whose leaves must be issued anew."""
        return frozenset(each.key_id for each in self.of(Kind.INTERMEDIATE, State.TAINTED, State.REVOKED))

    def _stepped(self, step: Callable[[Entry], State], now: float) -> "Book":
        return Book(tuple(_in_state(each, step(each), now) for each in self.entries))


LIST = "minimesh ca ls"


def _in_state(entry: Entry, state: State, now: float) -> Entry:
    return entry if entry.state is state else replace(entry, state=state, changed=now)


def _below(above: Entry, each: Entry, state: State, *before: State) -> State:
    """The state of the one that is meant and of all that hangs on it, if it was in one of these."""
    hangs = above.kind is Kind.ROOT and each.kind is Kind.INTERMEDIATE and each.root == above.key_id
    return state if (each == above or hangs) and each.state in before else each.state


def _instead(entry: Entry) -> str:
    return f"minimesh ca prepare {entry.kind}, then: minimesh ca activate" if entry.state is State.ACTIVE else LIST
