"""The authority in the state file: its book, the leaves that were issued, and what is revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Connection

from minimesh.identity.lifecycle import Book, Entry, Kind, Source, State
from minimesh.model.identity import Identity


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that was issued. use: `mesh`, or `export` for one that was given away. Times in seconds since 1970."""

    serial: int
    identity: Identity
    issuer: bytes
    not_before: float
    not_after: float
    use: str
    revoked: float | None = None


def load_book(connection: Connection) -> Book:
    rows = connection.execute(
        "SELECT kind, key_id, root, state, source, trust_domain, certificate, not_before, not_after, changed"
        " FROM authorities ORDER BY number"
    )
    return Book(tuple(Entry(Kind(row[0]), row[1], row[2], State(row[3]), Source(row[4]), *row[5:]) for row in rows))


def save_book(connection: Connection, book: Book) -> None:
    connection.execute("DELETE FROM authorities")
    connection.executemany(
        "INSERT INTO authorities (number, kind, key_id, root, state, source, trust_domain, certificate,"
        " not_before, not_after, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                each.kind.value,
                each.key_id,
                each.root,
                each.state.value,
                each.source.value,
                each.trust_domain,
                each.certificate,
                each.not_before,
                each.not_after,
                each.changed,
            )
            for number, each in enumerate(book.entries)
        ],
    )


def add_leaves(connection: Connection, leaves: Iterable[Leaf]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO leaves VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                f"{each.serial:x}",
                each.identity.trust_domain,
                each.identity.service,
                each.issuer,
                each.not_before,
                each.not_after,
                each.use,
                each.revoked,
            )
            for each in leaves
        ],
    )


def leaves(connection: Connection, now: float) -> list[Leaf]:
    """Those that have not expired, the oldest first."""
    rows = connection.execute(
        "SELECT serial, trust_domain, service, issuer, not_before, not_after, use, revoked FROM leaves"
        " WHERE not_after >= ? ORDER BY not_before, rowid",
        (now,),
    )
    return [Leaf(int(serial, 16), Identity(domain, service), *rest) for serial, domain, service, *rest in rows]


def revoke_leaves(connection: Connection, serials: Iterable[int], now: float) -> None:
    connection.executemany(
        "UPDATE leaves SET revoked = ? WHERE serial = ? AND revoked IS NULL", [(now, f"{each:x}") for each in serials]
    )


def forget_expired(connection: Connection, now: float) -> None:
    connection.execute("DELETE FROM leaves WHERE not_after < ?", (now,))


def barred(connection: Connection) -> frozenset[Identity]:
    """Services whose certificates were revoked, and that get no others until somebody says so."""
    return frozenset(Identity(*row) for row in connection.execute("SELECT trust_domain, service FROM barred"))


def bar(connection: Connection, identity: Identity, now: float) -> None:
    connection.execute("INSERT OR REPLACE INTO barred VALUES (?, ?, ?)", (identity.trust_domain, identity.service, now))


def unbar(connection: Connection, identities: Iterable[Identity]) -> None:
    connection.executemany(
        "DELETE FROM barred WHERE trust_domain = ? AND service = ?",
        [(each.trust_domain, each.service) for each in identities],
    )
