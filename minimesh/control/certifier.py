"""Issues the certificates of a running mesh, renews them, revokes them, and tells the data plane what counts.

Whatever takes longer than a turn of the loop is done in threads; what counts changes on the loop, at once for all.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from sqlite3 import Connection
from typing import TypeVar

import anyio
from anyio import to_thread

from minimesh.control import codes
from minimesh.control.authorities import Authorities, Maker, is_half_way
from minimesh.control.journal import MESH
from minimesh.control.report import Problem
from minimesh.control.settle import StartError
from minimesh.control.subjects import Names, subjects
from minimesh.identity.authority import Authority, issue
from minimesh.identity.lifecycle import Book, Entry, Kind, Source, State, StepError
from minimesh.identity.svid import Svid
from minimesh.identity.trust import Contents, Trust
from minimesh.model.clock import Clock
from minimesh.model.identity import Identity
from minimesh.model.issuing import CaFiles
from minimesh.model.project import Project
from minimesh.model.several import several
from minimesh.policy.renewal import is_due, renew_at, retry_in
from minimesh.store import authorities as table
from minimesh.store.authorities import Leaf
from minimesh.store.database import Database
from minimesh.store.errors import NotWrittenError

T = TypeVar("T")

AT_ONCE = 16
"""Leaves that are made before the thread is given back: some 5 ms."""
LONGEST_SLEEP = 60.0
"""The wall clock may be set, so it is looked at again."""


class ClockError(Exception):
    """A time at which no certificate of ours can be valid."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier image of this process had in memory alone."""

    keys: tuple[Authority, ...]
    svids: tuple[Svid, ...] = ()


@dataclass(slots=True)
class _Issued:
    """The current leaf of a service. due: when it is renewed."""

    svid: Svid
    names: Names
    due: float


@dataclass(slots=True)
class _State:
    authorities: Authorities
    leaves: dict[int, Leaf]
    barred: frozenset[Identity]
    issued: dict[Identity, _Issued] = field(default_factory=dict)
    unwritten: list[Leaf] = field(default_factory=list)


class Certifier:
    """Make it with `begun`. tell: service, kind and message of what happened; set by who has a journal."""

    def __init__(
        self, trust: Trust, store: Database, folder: Path, project: Project, clock: Clock, rng: Random, state: _State
    ) -> None:
        self.trust = trust
        self.tell: Callable[[str, str, str], None] = lambda *_: None
        self.store = store
        self._folder = folder
        self.project = project
        self.clock = clock
        self._rng = rng
        self._state = state
        self._lock = anyio.Lock()
        self._wake = anyio.Event()
        self._failures = 0

    @property
    def book(self) -> Book:
        return self._state.authorities.book

    @property
    def makes_its_own(self) -> bool:
        """The root is the project's own."""
        return self._state.authorities.root.source is Source.OWN

    @property
    def svid_ttl(self) -> float:
        return self.project.issuing.svid_ttl

    @property
    def kept(self) -> Kept:
        """For the next image of this process."""
        return Kept(self._state.authorities.keys, tuple(each.svid for each in self._state.issued.values()))

    def leaves(self) -> list[Leaf]:
        """Those that have not expired, the oldest first."""
        now = self.clock.wall()
        return sorted(
            (each for each in self._state.leaves.values() if each.not_after >= now), key=lambda each: each.not_before
        )

    def current(self, identity: Identity) -> Svid | None:
        issued = self._state.issued.get(identity)
        return issued.svid if issued else None

    def due(self, identity: Identity) -> float | None:
        """When the certificate of a service is renewed, in wall seconds."""
        issued = self._state.issued.get(identity)
        return issued.due if issued else None

    def is_barred(self, identity: Identity) -> bool:
        return identity in self._state.barred

    # ---- what a project wants

    async def take(self, project: Project) -> None:
        """Before another project counts: everybody in it has a certificate. Raises StartError, with nothing changed.

        Those who are not in it any more keep theirs until `released`.
        """
        async with self._lock:
            before = self.project
            same = (project.issuing.ca, project.trust_domain) == (before.issuing.ca, before.trust_domain)
            if not same or isinstance(project.issuing.ca, CaFiles):  # which may hold another one now
                await self._settle(project)
            anew = project.issuing.svid_ttl != before.issuing.svid_ttl
            self.project = project
            await self._cover(anew=anew)

    def released(self) -> None:
        """The project that was taken counts: nobody else needs a certificate."""
        wanted = subjects(self.project)
        self.trust.trust_domain = self.project.trust_domain
        self._state.issued = {each: issued for each, issued in self._state.issued.items() if each in wanted}
        self._publish()

    async def _settle(self, project: Project) -> None:
        now = self.clock.wall()
        used = {each.issuer for each in self.leaves()}
        maker = Maker(self._folder, project)
        before = self._state.authorities
        after = await to_thread.run_sync(maker.settled, before, now, lambda entry: entry.key_id in used)
        try:
            await self._commit(after)
        except NotWrittenError as error:
            raise StartError(Problem(codes.STATE_FILE, str(error))) from error

    async def _cover(self, *, anew: bool = False) -> None:
        """Everybody has a certificate with the right names. anew: a new one at any rate."""
        known, barred = self._state.issued, self._state.barred
        wanted = {each: names for each, names in subjects(self.project).items() if each not in barred}
        await self._issue(
            {each: names for each, names in wanted.items() if anew or each not in known or known[each].names != names}
        )

    async def start(self, svids: Collection[Svid] = ()) -> None:
        """Everybody has a certificate; these were issued by an earlier image of this process. Raises StartError."""
        async with self._lock:
            await self._settle(self.project)
            good, wanted = self.book.issuers(self.clock.wall()) - self.book.given_up(), subjects(self.project)
            for svid in svids:
                if svid.issuer in good and svid.identity in wanted and svid.identity not in self._state.barred:
                    due = renew_at(svid.not_before, svid.not_after, self._rng.random())
                    self._state.issued[svid.identity] = _Issued(svid, wanted[svid.identity], due)
            await self._cover()
            self._publish()

    # ---- renewing

    async def run(self) -> None:
        """Renews what is due, until it is cancelled."""
        while True:
            self._wake = anyio.Event()
            with anyio.move_on_after(self._pause()):
                await self._wake.wait()
            await self.beat()

    async def beat(self) -> None:
        """Renews what is due now. What fails is tried again; what has failed is told once."""
        async with self._lock:
            try:
                await self._renew_authority()
                await self._renew_leaves()
            except (StartError, NotWrittenError, ClockError) as error:
                self._failures += 1
                if self._failures == 1:
                    self.tell(MESH, "certificates", f"not renewed, and tried again: {error}")
                return
            if self._failures:
                self._failures = 0
                self.tell(MESH, "certificates", "renewed again")

    async def _renew_authority(self) -> None:
        """Another intermediate at half of the life of the one that signs."""
        now = self.clock.wall()
        entry = self._state.authorities.signing
        if now < self._state.authorities.root.not_before:
            raise ClockError("the clock is set to a time before the root of this project was made")
        if entry.key_id == entry.root or not is_half_way(entry, now):
            return
        maker = Maker(self._folder, self.project)
        await self._commit(await to_thread.run_sync(maker.replaced, self._state.authorities, now))
        self._told(self._state.authorities.signing, "active: it signs from now on")

    async def _renew_leaves(self) -> None:
        now = self.clock.wall()
        known = self._state.issued
        due = {
            identity: issued.names
            for identity, issued in known.items()
            if is_due(now, issued.due, issued.svid.not_before) and identity not in self._state.barred
        }
        await self._issue(due)
        await self._write_leaves(())
        if due:
            self.tell(MESH, "certificates", f"renewed {_whose(due)}")

    def _pause(self) -> float:
        if self._failures:
            return retry_in(self._failures, self._rng.random())
        due = min((each.due for each in self._state.issued.values()), default=float("inf"))
        return min(LONGEST_SLEEP, max(0.0, due - self.clock.wall()))

    async def _issue(self, wanted: Mapping[Identity, Names]) -> None:
        """New leaves for these, which count all at once."""
        if not wanted:
            return
        now, signer, ttl = self.clock.wall(), self._state.authorities.signer, self.svid_ttl
        todo, made = list(wanted.items()), list[Svid]()

        def some(batch: Collection[tuple[Identity, Names]]) -> list[Svid]:
            return [issue(signer, identity, names, now, ttl) for identity, names in batch]

        for start in range(0, len(todo), AT_ONCE):
            made += await to_thread.run_sync(some, todo[start : start + AT_ONCE])
        for svid in made:
            due = renew_at(now, svid.not_after, self._rng.random())
            self._state.issued[svid.identity] = _Issued(svid, wanted[svid.identity], due)
        self._publish()
        self._wake.set()
        with suppress(NotWrittenError):  # services go on where the disk is full; what is not written waits
            await self._write_leaves(map(_leaf, made))

    async def _write_leaves(self, new: Iterable[Leaf]) -> None:
        """Leaves in the store, so that they can be revoked after a restart, too."""
        state, now = self._state, self.clock.wall()
        state.unwritten += new
        waiting = list(state.unwritten)
        state.leaves |= {each.serial: each for each in waiting}
        state.leaves = {serial: each for serial, each in state.leaves.items() if each.not_after >= now}

        def write(connection: Connection) -> None:
            table.forget_expired(connection, now)
            table.add_leaves(connection, waiting)

        if waiting:
            await self.store.change(write)
            state.unwritten = state.unwritten[len(waiting) :]

    # ---- what people ask for

    async def renew(self, identities: Collection[Identity]) -> None:
        """Certificates for these at once, also where theirs were revoked. Raises NotWrittenError."""
        async with self._lock:
            barred = self._state.barred & set(identities)
            if barred:
                await self.store.change(lambda connection: table.unbar(connection, barred))
                self._state.barred -= barred
            wanted = subjects(self.project)
            await self._issue({each: wanted[each] for each in identities})
        for each in identities:
            self.tell(each.service, "certificate", "renewed")

    async def revoke(self, identity: Identity) -> int:
        """All certificates of a service, which gets no other one until it is renewed. How many. Raises
        NotWrittenError."""
        now = self.clock.wall()
        async with self._lock:
            gone = [each for each in self.leaves() if each.identity == identity and each.revoked is None]

            def write(connection: Connection) -> None:
                table.add_leaves(connection, self._state.unwritten)
                table.revoke_leaves(connection, [each.serial for each in gone], now)
                table.bar(connection, identity, now)

            await self.store.change(write)
            self._revoked(gone, now)
            self._state.barred |= {identity}
            self._publish()
        self.tell(identity.service, "certificate", f"{several([*map(_hex, gone)])} revoked, until it is renewed")
        return len(gone)

    async def revoke_one(self, serial: int) -> Leaf:
        """One certificate; the service that has it in the mesh gets another. Raises KeyError, NotWrittenError."""
        now = self.clock.wall()
        async with self._lock:
            leaf = self._state.leaves[serial]

            def write(connection: Connection) -> None:
                table.add_leaves(connection, self._state.unwritten)
                table.revoke_leaves(connection, [serial], now)

            await self.store.change(write)
            current = self._state.issued.get(leaf.identity)
            if current and current.svid.serial == serial and leaf.identity not in self._state.barred:
                await self._issue({leaf.identity: current.names})
            self._revoked([leaf], now)
            self._publish()
        self.tell(leaf.identity.service, "certificate", f"{serial:x} revoked")
        return leaf

    async def export(self, identity: Identity) -> Svid:
        """A certificate of its own for a caller elsewhere. Raises StepError, NotWrittenError."""
        async with self._lock:
            if identity in self._state.barred:
                name = identity.service
                raise StepError(f"the certificates of {name} are revoked", f"minimesh cert renew {name}")
            now, signer = self.clock.wall(), self._state.authorities.signer
            names = subjects(self.project)[identity]
            svid = await to_thread.run_sync(issue, signer, identity, names, now, self.svid_ttl)
            leaf = _leaf(svid, "export")
            await self.store.change(lambda connection: table.add_leaves(connection, [leaf]))
            self._state.leaves[leaf.serial] = leaf
        self.tell(identity.service, "certificate", f"{_hex(leaf)} exported")
        return svid

    async def prepare(self, kind: Kind) -> Entry:
        """Raises StepError, StartError, NotWrittenError, OSError."""
        async with self._lock:
            maker, now = Maker(self._folder, self.project), self.clock.wall()
            after, entry = await to_thread.run_sync(maker.prepared, self._state.authorities, kind, now)
            await self._commit(after)
        self._told(entry, "prepared")
        return entry

    async def activate(self, text: str) -> Entry:
        """Raises StepError, StartError, NotWrittenError."""
        async with self._lock:
            entry = self.book.meant(text, State.PREPARED)
            maker, now = Maker(self._folder, self.project), self.clock.wall()
            await self._commit(await to_thread.run_sync(maker.activated, self._state.authorities, entry, now))
        self._told(entry, "active: it signs from now on")
        return entry

    async def taint(self, text: str) -> Entry:
        """Raises StepError, NotWrittenError."""
        async with self._lock:
            entry = self.book.meant(text, State.OLD)
            await self._commit(self._with_book(self.book.tainted(entry, self.clock.wall())))
            count = await self._reissue()
        self._told(entry, f"tainted: {count} certificates issued anew")
        return entry

    async def revoke_authority(self, text: str) -> Entry:
        """Raises StepError, NotWrittenError."""
        async with self._lock:
            entry = self.book.meant(text, State.TAINTED, State.OLD)
            after = self._with_book(self.book.revoked(entry, self.clock.wall()))
            await self._reissue(after.book)
            await self._commit(after)
            if entry.kind is Kind.ROOT and entry.source is Source.OWN:
                await to_thread.run_sync(Maker(self._folder, self.project).forget, entry)
        self._told(entry, "revoked: nothing that it signed counts any more")
        return entry

    async def _reissue(self, book: Book | None = None) -> int:
        """New leaves for all whose issuer is given up, so that nobody is without one when it goes."""
        given_up = (book or self.book).given_up()
        wanted = {
            identity: issued.names
            for identity, issued in self._state.issued.items()
            if issued.svid.issuer in given_up and identity not in self._state.barred
        }
        await self._issue(wanted)
        return len(wanted)

    def _with_book(self, book: Book) -> Authorities:
        return self._state.authorities.with_book(book)

    async def _commit(self, after: Authorities) -> None:
        """What is in the store counts. Raises NotWrittenError, with nothing changed."""
        with anyio.CancelScope(shield=True):  # or it would be in the store and not count until the next start
            await self.store.change(lambda connection: table.save_book(connection, after.book))
            self._state.authorities = after
            self._publish()

    def _revoked(self, leaves: Iterable[Leaf], now: float) -> None:
        self._state.leaves |= {each.serial: replace(each, revoked=now) for each in leaves}

    def _publish(self) -> None:
        state, book, now = self._state, self.book, self.clock.wall()
        self.trust.swap(
            Contents(
                {identity: issued.svid for identity, issued in state.issued.items()},
                tuple(each.certificate for each in book.roots(now)),
                book.issuers(now),
                frozenset(serial for serial, each in state.leaves.items() if each.revoked is not None),
                book.gone(),
                any(each.source is not Source.OWN for each in book.roots(now)),
                state.barred,
            )
        )

    def _told(self, entry: Entry, what: str) -> None:
        self.tell(MESH, "authority", f"{entry.kind} {entry.id} is {what}")


async def begun(
    trust: Trust, store: Database, folder: Path, project: Project, clock: Clock, rng: Random, kept: Kept | None = None
) -> Certifier:
    """With everybody in the project having a certificate. kept: of an earlier image. Raises StartError."""
    now = clock.wall()

    def load(connection: Connection) -> tuple[Book, list[Leaf], frozenset[Identity]]:
        return table.load_book(connection), table.leaves(connection, now), table.barred(connection)

    book, leaves, barred = await store.ask(load)
    state = _State(Authorities(book, kept.keys if kept else ()), {each.serial: each for each in leaves}, barred)
    certifier = Certifier(trust, store, folder, project, clock, rng, state)
    await certifier.start(kept.svids if kept else ())
    await to_thread.run_sync(Maker(folder, project).sweep, certifier.book)
    return certifier


def _leaf(svid: Svid, use: str = "mesh") -> Leaf:
    return Leaf(svid.serial, svid.identity, svid.issuer, svid.not_before, svid.not_after, use)


def _hex(leaf: Leaf) -> str:
    return f"{leaf.serial:x}"[:12]


def _whose(identities: Collection[Identity]) -> str:
    names = [each.service for each in identities]
    return several(names) if len(names) <= 4 else f"{len(names)} certificates"
