"""The state file: made whole, refused where it is not ours or not whole, and never half written."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from minimesh.store import database
from minimesh.store.database import Database, check, copy_of, opened
from minimesh.store.errors import Flaw, NotWrittenError, UnusableError
from minimesh.store.migrations import MIGRATIONS

STEPS = ("CREATE TABLE words (word TEXT PRIMARY KEY) STRICT;",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    store = opened(path, STEPS)
    yield store
    store.close()


def say(word: str) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES (?)", (word,))

    return work


def words(store: Database) -> list[str]:
    return store.change_now(lambda connection: [word for (word,) in connection.execute("SELECT word FROM words")])


def flaw(path: Path, steps: tuple[str, ...] = STEPS) -> Flaw:
    with pytest.raises(UnusableError) as error:
        opened(path, steps)
    with pytest.raises(UnusableError) as checked:
        check(path, steps)
    assert checked.value.flaw is error.value.flaw
    assert str(path) in str(error.value)
    return error.value.flaw


def test_what_was_acknowledged_is_there_the_next_time(path: Path) -> None:
    first = opened(path, STEPS)
    first.change_now(say("hello"))
    first.close()
    second = opened(path, STEPS)
    assert words(second) == ["hello"]
    second.close()


def test_the_file_is_of_its_owner_alone_and_has_no_shared_memory(path: Path, store: Database) -> None:
    store.change_now(say("hello"))
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600}


def test_it_is_durable_and_maps_nothing(store: Database) -> None:
    def settings(connection: sqlite3.Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "locking_mode", "mmap_size")
        return {name: (connection.execute(f"PRAGMA {name}").fetchone() or [0])[0] for name in names}

    found = store.change_now(settings)
    assert found == {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive", "mmap_size": 0}


def test_a_failed_change_changes_nothing(store: Database) -> None:
    def halfway(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('first')")
        raise KeyError("second")

    with pytest.raises(KeyError):
        store.change_now(halfway)
    store.change_now(say("third"))
    with pytest.raises(NotWrittenError):
        store.change_now(say("third"))
    assert words(store) == ["third"]


async def _ask(store: Database) -> int:
    await store.change(say("hello"))
    return await store.ask(lambda connection: int(connection.execute("SELECT count(*) FROM words").fetchone()[0]))


def test_a_loop_does_not_wait_in_its_own_thread(store: Database) -> None:
    import asyncio

    assert asyncio.run(_ask(store)) == 1


def test_later_steps_are_done_once(path: Path) -> None:
    opened(path, STEPS).close()
    more = (*STEPS, "ALTER TABLE words ADD COLUMN language TEXT; UPDATE words SET language = 'en';")
    for _ in range(2):
        store = opened(path, more)
        store.change_now(lambda connection: connection.execute("SELECT language FROM words").fetchall())
        store.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    opened(path, STEPS).close()
    with pytest.raises(UnusableError):
        opened(path, (*STEPS, "CREATE TABLE other (x); SELECT nonsense;"))
    store = opened(path, STEPS)
    tables = store.change_now(lambda connection: connection.execute("SELECT name FROM sqlite_schema").fetchall())
    assert ("other",) not in tables
    store.close()


def test_the_real_steps_work(path: Path) -> None:
    opened(path, MIGRATIONS).close()
    check(path, MIGRATIONS)


def test_a_newer_file_is_left_alone(path: Path) -> None:
    opened(path, (*STEPS, "CREATE TABLE later (x);")).close()
    assert flaw(path) is Flaw.NEWER


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5000)


def cut_in_the_header(path: Path) -> None:
    os.truncate(path, 60)


def scribbled(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (emptied, Flaw.DAMAGED),
        (overwritten, Flaw.FOREIGN),
        (cut, Flaw.DAMAGED),
        (cut_in_the_header, Flaw.DAMAGED),
        (scribbled, Flaw.DAMAGED),
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, harm: Callable[[Path], None], expected: Flaw) -> None:
    opened(path, STEPS).close()
    harm(path)
    before = path.read_bytes()
    assert flaw(path) is expected
    assert path.read_bytes() == before


def test_somebody_elses_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE words (word)")
        other.commit()
    assert flaw(path) is Flaw.FOREIGN


def test_a_folder_or_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    assert flaw(path) is Flaw.FOREIGN
    path.rmdir()
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(b"")
    assert flaw(path) is Flaw.FOREIGN


def test_a_file_that_another_has_open_is_waited_for_and_then_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_PATIENCE", 0.05)
    opened(path, STEPS).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert flaw(path) is Flaw.IN_USE


def test_a_file_that_is_free_again_soon_is_opened(path: Path) -> None:
    opened(path, STEPS).close()
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.close)
    release.start()
    opened(path, STEPS).close()
    release.join()


def test_a_full_disk_is_an_error_of_the_change_and_of_nothing_else(store: Database) -> None:
    store.change_now(say("before"))
    store.change_now(lambda connection: connection.execute("PRAGMA max_page_count=1").fetchone())
    with pytest.raises(NotWrittenError, match="nothing has changed"):
        store.change_now(say("x" * 100_000))
    assert words(store) == ["before"]
    store.change_now(lambda connection: connection.execute("PRAGMA max_page_count=1000").fetchone())
    store.change_now(say("after"))
    assert words(store) == ["before", "after"]


def test_a_copy_is_made_when_it_is_quiet_and_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "QUIET", 0.01)
    store = opened(path, STEPS)
    store.change_now(say("one"))
    copied = threading.Event()
    while not copy_of(path).exists():
        copied.wait(0.01)
    store.change_now(say("two"))
    store.close()
    copy_of(path).rename(path)
    store = opened(path, STEPS)
    assert words(store) == ["one", "two"]
    store.close()


WRITER = """
import sqlite3, sys
from pathlib import Path
from minimesh.store.database import opened
store = opened(Path(sys.argv[1]), ("CREATE TABLE words (word TEXT PRIMARY KEY) STRICT;",))
(first,) = store.change_now(lambda c: c.execute("SELECT count(*) FROM words").fetchone())
first //= 2
for number in range(first, first + 100_000):
    def both(connection):
        connection.execute("INSERT INTO words VALUES (?)", (f"a{number}",))
        connection.execute("INSERT INTO words VALUES (?)", (f"b{number}",))
    store.change_now(both)
    print(number, flush=True)
"""


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(path: Path) -> None:
    """Twenty times, in the midst of it; and nothing is there by half."""
    last = -1
    for kill in range(20):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(2 + kill):
            last = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        last = int(said[-1]) if said else last
        store = opened(path, STEPS)
        there = set(words(store))
        store.close()
        assert there >= {f"{letter}{number}" for number in range(last + 1) for letter in "ab"}
        assert len(there) % 2 == 0
        last = len(there) // 2 - 1
