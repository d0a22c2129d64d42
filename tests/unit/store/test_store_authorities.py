"""The authority in the state file comes back as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesh.identity.lifecycle import Book, Entry, Kind, Source, State
from minimesh.model.identity import Identity
from minimesh.store import authorities
from minimesh.store.authorities import Leaf
from minimesh.store.database import Database, opened
from minimesh.store.migrations import MIGRATIONS

WEB, ORDERS = Identity("test.local", "web"), Identity("test.local", "orders")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    store = opened(tmp_path / "state.db", MIGRATIONS)
    yield store
    store.close()


def test_a_book_comes_back_in_its_order(store: Database) -> None:
    root = Entry(Kind.ROOT, b"\x02", b"\x02", State.ACTIVE, Source.OWN, "test.local", b"PEM", 1.5, 2.5, 3.5)
    below = Entry(
        Kind.INTERMEDIATE, b"\x02", b"\x02", State.ACTIVE, Source.BROUGHT, "test.local", b"PEM", 1.5, 2.5, 3.5
    )
    before = Entry(Kind.ROOT, b"\x01", b"\x01", State.REVOKED, Source.SIGNED, "test.local", b"PEM", 1.5, 2.5, 3.5)
    for book in (Book((root, below, before)), Book((before, root)), Book()):
        store.change_now(lambda connection, book=book: authorities.save_book(connection, book))  # type: ignore[misc]
        assert store.change_now(authorities.load_book) == book


def test_leaves_are_kept_until_they_expire(store: Database) -> None:
    web = Leaf(2**158 + 7, WEB, b"\x01", 10.0, 100.0, "mesh")
    orders = Leaf(8, ORDERS, b"\x01", 5.0, 50.0, "export")
    store.change_now(lambda connection: authorities.add_leaves(connection, [web, orders]))
    assert store.change_now(lambda connection: authorities.leaves(connection, 20.0)) == [orders, web]
    assert store.change_now(lambda connection: authorities.leaves(connection, 60.0)) == [web]
    store.change_now(lambda connection: authorities.revoke_leaves(connection, [web.serial], 30.0))
    store.change_now(lambda connection: authorities.revoke_leaves(connection, [web.serial], 40.0))
    (found,) = store.change_now(lambda connection: authorities.leaves(connection, 60.0))
    assert (found.serial, found.revoked) == (web.serial, 30.0)
    store.change_now(lambda connection: authorities.forget_expired(connection, 60.0))
    assert store.change_now(lambda connection: authorities.leaves(connection, 0.0)) == [found]


def test_services_are_barred_until_they_are_not(store: Database) -> None:
    store.change_now(lambda connection: authorities.bar(connection, WEB, 1.0))
    store.change_now(lambda connection: authorities.bar(connection, WEB, 2.0))
    assert store.change_now(authorities.barred) == {WEB}
    store.change_now(lambda connection: authorities.unbar(connection, [WEB]))
    assert store.change_now(authorities.barred) == frozenset()
