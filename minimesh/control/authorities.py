"""The authorities of a running mesh: those that are known, the keys of those that may sign, and the steps between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from minimesh.control import codes, signing
from minimesh.control.report import Problem
from minimesh.control.settle import StartError
from minimesh.identity.authority import Authority, described, make_intermediate, make_root
from minimesh.identity.brought import is_last, is_of, matches
from minimesh.identity.lifecycle import Book, Entry, Kind, Source, State, StepError
from minimesh.model.issuing import CaFiles, SignCommand
from minimesh.model.project import Project
from minimesh.store.keyfiles import KeyFileError, read_key, remove_key, write_key

RECOVER = "minimesh recover"


@dataclass(frozen=True, slots=True)
class Authorities:
    """A value: each step gives another one. Nothing counts before its book is in the store.

    keys: of the intermediates of this run that sign or are prepared, in memory alone. Roots have theirs in a file.
    """

    book: Book
    keys: tuple[Authority, ...] = ()
    above: Authority | None = field(default=None, repr=False, compare=False)
    """The user's authority as it was read last."""

    @property
    def signing(self) -> Entry:
        """What signs leaves."""
        entry = self.book.active(Kind.INTERMEDIATE)
        assert entry is not None, "settled"
        return entry

    @property
    def signer(self) -> Authority:
        """The same, with its key."""
        return next(each for each in self.keys if each.key_id == self.signing.key_id)

    @property
    def root(self) -> Entry:
        entry = self.book.active(Kind.ROOT)
        assert entry is not None, "settled"
        return entry

    def knows_key(self, entry: Entry) -> bool:
        return any(each.key_id == entry.key_id for each in self.keys)

    def with_book(self, book: Book) -> "Authorities":
        """Keys of what may not sign any more are forgotten."""
        usable = {each.key_id for each in book.of(Kind.INTERMEDIATE, State.PREPARED, State.ACTIVE)}
        return Authorities(book, tuple(each for each in self.keys if each.key_id in usable), self.above)

    def with_intermediate(self, made: Authority, source: Source, trust_domain: str, now: float) -> "Authorities":
        """One more, which signs from now on."""
        entry = described(made, Kind.INTERMEDIATE, State.ACTIVE, source, trust_domain, now)
        book = self.book.without(lambda each: each.kind is Kind.INTERMEDIATE and each.key_id == entry.key_id)
        book = Book((*book.relieved(Kind.INTERMEDIATE, now).entries, entry))
        return Authorities(book, (*self.keys, made), self.above).with_book(book)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes and reads authorities: files, keys and commands, so never on the loop. folder: of the key files."""

    folder: Path
    project: Project

    def settled(self, before: Authorities, now: float, in_use: Callable[[Entry], bool]) -> Authorities:
        """What a project wants, out of what is known. in_use: there are leaves of it. Raises StartError."""
        domain, ca = self.project.trust_domain, self.project.issuing.ca
        book = _pruned(before.book, now, lambda each: before.knows_key(each) or in_use(each))
        above: Authority | None = None
        if isinstance(ca, SignCommand):
            source, root = Source.SIGNED, book.active(Kind.ROOT)
        else:
            source = Source.BROUGHT if ca else Source.OWN
            book, above = self._brought(book, ca, now) if ca else self._own(book, now)
            root = book.active(Kind.ROOT)
        signs = book.active(Kind.INTERMEDIATE)
        known = replace(before.with_book(book), above=above if ca else None)
        if (
            before.above in (None, known.above)
            and signs is not None
            and root is not None
            and (signs.root, signs.source, signs.trust_domain) == (root.key_id, source, domain)
            and known.knows_key(signs)
            and not is_half_way(signs, now)
        ):
            return known
        return self.replaced(known, now, above)

    def replaced(self, before: Authorities, now: float, above: Authority | None = None) -> Authorities:
        """With another intermediate, which signs from now on. Raises StartError."""
        made, source = self.intermediate(before, now, above)
        domain = self.project.trust_domain
        book = before.book
        if source is Source.SIGNED:
            book = _with_root(book, made, source, domain, now)
        return before.with_book(book).with_intermediate(made, source, domain, now)

    def intermediate(self, before: Authorities, now: float, above: Authority | None = None) -> tuple[Authority, Source]:
        """A new one, for nobody yet. above: the key over it, where that was read already. Raises StartError."""
        project, ca = self.project, self.project.issuing.ca
        if isinstance(ca, SignCommand):
            return signing.signed(ca, project.name, project.trust_domain, now), Source.SIGNED
        if above is None:
            above = signing.brought(ca, now) if ca else self.own_key(before.root, now)
        if ca and is_last(above):
            return above, Source.BROUGHT
        made = make_intermediate(above, project.name, project.trust_domain, now)
        return made, Source.BROUGHT if ca else Source.OWN

    def prepared(self, before: Authorities, kind: Kind, now: float) -> tuple[Authorities, Entry]:
        """Raises StepError, StartError, OSError."""
        ca, domain = self.project.issuing.ca, self.project.trust_domain
        if kind is Kind.ROOT and ca is not None:
            raise StepError(f"the root is yours ({ca.where}): write another `ca` there", "minimesh reload")
        if waiting := before.book.of(kind, State.PREPARED):
            before.book.prepared(waiting[0])  # says so
        if kind is Kind.ROOT:
            made, source = make_root(self.project.name, domain, now), Source.OWN
            self._keep(made)
        else:
            made, source = self.intermediate(before, now)
            if any(each.key_id == made.key_id for each in before.book.of(kind)):
                raise StepError("your authority may have no intermediate below it, so it signs leaves itself")
        entry = described(made, kind, State.PREPARED, source, domain, now)
        book = before.book.prepared(entry)
        keys = before.keys if kind is Kind.ROOT else (*before.keys, made)
        return replace(before, book=book, keys=keys).with_book(book), entry

    def activated(self, before: Authorities, entry: Entry, now: float) -> Authorities:
        """Raises StepError, StartError."""
        book = before.book.activated(entry, now)
        if entry.kind is Kind.ROOT:
            return self.replaced(before.with_book(book), now, self.own_key(entry, now))
        if not before.knows_key(entry):
            message = f"intermediate {entry.id} cannot sign again: its key was forgotten when another one took over"
            raise StepError(message, "minimesh ca prepare intermediate")
        return before.with_book(book)

    def forget(self, entry: Entry) -> None:
        """Of a root that is revoked, the key."""
        with suppress(OSError):  # the book says that it is; the next start tries again
            remove_key(self._path(entry.id, "key"))
            remove_key(self._path(entry.id, "pem"))

    def sweep(self, book: Book) -> None:
        """Removes what lies there of roots that are in no book: whoever made them was killed before they counted."""
        known = {each.id for each in book.of(Kind.ROOT) if each.state is not State.REVOKED}
        for path in (*self.folder.glob("root-*.key"), *self.folder.glob("root-*.pem"), *self.folder.glob("*.new")):
            if path.stem.removeprefix("root-") not in known:
                with suppress(OSError):
                    path.unlink()

    def _own(self, book: Book, now: float) -> tuple[Book, Authority]:
        root = book.active(Kind.ROOT)
        if root is not None and (root.source, root.trust_domain) == (Source.OWN, self.project.trust_domain):
            return book, self.own_key(root, now)
        for again in reversed(book.of(Kind.ROOT, State.OLD)):
            if (again.source, again.trust_domain) == (Source.OWN, self.project.trust_domain):
                with suppress(StartError):
                    return book.activated(again, now), self.own_key(again, now)
        found = None if book.entries else self._lying_there(now)
        made = found or make_root(self.project.name, self.project.trust_domain, now)
        try:
            self._keep(made)
        except OSError as error:
            message = f"the key of the authority cannot be written to {self.folder}: {error.strerror}"
            raise StartError(Problem(codes.OWN_KEY, message)) from error
        return _with_root(book, made, Source.OWN, self.project.trust_domain, now), made

    def _brought(self, book: Book, ca: CaFiles, now: float) -> tuple[Book, Authority]:
        above = signing.brought(ca, now)
        return _with_root(book, above, Source.BROUGHT, self.project.trust_domain, now), above

    def own_key(self, root: Entry, now: float) -> Authority:
        """A root of ours with its key. Raises StartError, whose help is RECOVER where the key is lost."""
        path = self._path(root.id, "key")
        if now > root.not_after:
            raise StartError(Problem(codes.OWN_KEY, f"root {root.id} of this project has expired", help=RECOVER))
        try:
            key = read_key(path)
            return _matched(Authority(root.certificate, (), root.certificate, key))
        except KeyFileError as error:
            fix = error.fix if path.exists() else RECOVER
            raise StartError(Problem(codes.OWN_KEY, f"the key of root {root.id}: {error}", help=fix)) from error
        except ValueError as error:
            message = f"{path} is not the key of root {root.id}: {error}"
            raise StartError(Problem(codes.OWN_KEY, message, help=RECOVER)) from error

    def _lying_there(self, now: float) -> Authority | None:
        """The newest root of this trust domain in the folder, where no book speaks of it: `down -v` keeps it."""
        found = []
        for path in self.folder.glob("root-*.pem"):
            with suppress(OSError, KeyFileError, ValueError):
                pem = path.read_bytes()
                authority = _matched(Authority(pem, (), pem, read_key(path.with_suffix(".key"))))
                if is_of(authority, self.project.trust_domain) and now <= authority.not_after:
                    found.append(authority)
        return max(found, key=lambda each: each.not_before, default=None)

    def _keep(self, root: Authority) -> None:
        name = root.key_id.hex()[:12]
        write_key(self._path(name, "pem"), root.certificate)
        write_key(self._path(name, "key"), root.key)

    def _path(self, name: str, kind: str) -> Path:
        return self.folder / f"root-{name}.{kind}"


def _matched(authority: Authority) -> Authority:
    """Raises ValueError."""
    if not matches(authority):
        raise ValueError("it is of another certificate")
    return authority


def is_half_way(entry: Entry, now: float) -> bool:
    """It is time for another one: at half of its life, and where the clock was set back."""
    return not entry.not_before <= now < (entry.not_before + entry.not_after) / 2


def _with_root(book: Book, authority: Authority, source: Source, trust_domain: str, now: float) -> Book:
    """The book with this authority's root as the one that counts; the one until now is old."""
    entry = described(authority.anchor, Kind.ROOT, State.ACTIVE, source, trust_domain, now)
    active = book.active(Kind.ROOT)
    if active is not None and active.key_id == entry.key_id:
        return book
    others = book.without(lambda each: each.kind is Kind.ROOT and each.key_id == entry.key_id)
    return Book((*others.relieved(Kind.ROOT, now).entries, entry))


def _pruned(book: Book, now: float, in_use: Callable[[Entry], bool]) -> Book:
    """Without what cannot matter any more: what has expired, and what of an earlier run has no leaf left."""

    def is_past(entry: Entry) -> bool:
        if now > entry.not_after:
            return entry.state is not State.ACTIVE or entry.kind is Kind.INTERMEDIATE
        unused = entry.state is not State.REVOKED and not in_use(entry)
        return entry.kind is Kind.INTERMEDIATE and unused

    return book.without(is_past)
