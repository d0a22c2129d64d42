"""A SQLite file that one connection in one thread reads and writes.

One connection alone, because SQLite before 3.51.3 can damage a file that two write and check-point at once. It holds
the file for itself (`locking_mode`), so there is no shared memory beside it either. Every change is on the disk when it
is acknowledged (`synchronous=FULL`).
"""

import asyncio
import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from minimesh.store.errors import Flaw, NotWrittenError, UnusableError

T = TypeVar("T")
Job = Callable[[], None]

APPLICATION_ID = 0x6D6D7368
"""In the header of the file: it is ours."""
HEADER = b"SQLite format 3\0"
LOCK_PATIENCE = 10.0
"""Seconds to wait for somebody else who has the file open."""
QUIET = 1.0
"""Seconds without a change after which the file is copied."""
LAST_PATIENCE = 5.0
PRAGMAS = ("locking_mode=EXCLUSIVE", "synchronous=FULL", "mmap_size=0", "trusted_schema=OFF", "foreign_keys=ON")


class Database:
    """Open it with `opened`. Work is done in the order in which it was given."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._changed = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    async def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, when all that it changed is on the disk. Raises NotWrittenError, with nothing changed.

        Whoever is cancelled meanwhile does not learn whether it has happened; it has wholly, or not at all.
        """
        return await asyncio.wrap_future(self._submit(partial(self._transaction, work)))

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """What a question gives that changes nothing. Raises NotWrittenError where the file cannot be read now."""
        return await asyncio.wrap_future(self._submit(partial(self._asked, question)))

    def change_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `change`, for who has no loop yet; waits for it."""
        return self._submit(partial(self._transaction, work)).result()

    def close(self) -> None:
        """After what was given before; once more does nothing. Waits, but not for ever: a disk that stands still keeps
        nobody from ending."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join(LAST_PATIENCE)

    def _submit(self, work: Callable[[], T]) -> "Future[T]":
        if self._closed:
            raise NotWrittenError(f"{self._path} is closed: the mesh is stopping")
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return future

    def _run(self) -> None:
        while (job := self._next()) is not None:
            job()
        with suppress(sqlite3.Error, OSError):
            self._copy()
        self._connection.close()

    def _next(self) -> Job | None:
        """Copies the file when nothing came for a while after a change."""
        if self._changed:
            try:
                return self._jobs.get(timeout=QUIET)
            except queue.Empty:
                self._changed = False
                with suppress(sqlite3.Error, OSError):  # the next change tries again; the file itself is not at stake
                    self._copy()
        return self._jobs.get()

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _not_written(self._path, error) from error
        self._changed = True
        return result

    def _asked(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return question(self._connection)
        except sqlite3.Error as error:
            raise _not_written(self._path, error) from error

    def _copy(self) -> None:
        """What `minimesh recover` goes back to where the file itself is damaged."""
        new = _fresh(self._path, ".copy.new")
        with closing(sqlite3.connect(new)) as other:
            self._connection.backup(other)
        _sync(new)
        new.replace(copy_of(self._path))


def copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.copy")


def opened(path: Path, migrations: Sequence[str]) -> Database:
    """The store in a file, which is made where there is none. Raises UnusableError."""
    try:
        if not path.exists():
            _make(path, migrations)
        connection = _checked(path, len(migrations))
    except OSError as error:
        raise UnusableError(Flaw.UNREADABLE, f"cannot use {path}: {error.strerror or error}") from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        migrate(connection, migrations)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    return Database(connection, path)


def check(path: Path, migrations: Sequence[str]) -> None:
    """Whether a file can be opened, without changing it. Raises UnusableError."""
    try:
        _checked(path, len(migrations)).close()
    except OSError as error:
        raise UnusableError(Flaw.UNREADABLE, f"cannot use {path}: {error.strerror or error}") from error


def migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Does the steps that a file has not been through, each wholly or not at all."""
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    for number, step in enumerate(migrations[done:], done + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version={number}; COMMIT")


def _make(path: Path, migrations: Sequence[str]) -> None:
    """Under another name first: a file of this name is always whole."""
    new = _fresh(path, ".new")
    with closing(_connect(new)) as connection:
        _configure(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        migrate(connection, migrations)
    _sync(new)
    new.replace(path)
    _sync(path.parent)


def _checked(path: Path, known: int) -> sqlite3.Connection:
    """A connection to a file that is ours, whole, and of a version that we know. Raises UnusableError, OSError."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
        raise UnusableError(Flaw.FOREIGN, f"{path} is not a file of this user")
    with path.open("rb") as file:
        header = file.read(len(HEADER))
    if not header:
        raise UnusableError(Flaw.DAMAGED, f"{path} is empty: what it held is lost")
    if header != HEADER:
        raise UnusableError(Flaw.FOREIGN, f"{path} is damaged, or not a file of minimesh")
    path.chmod(0o600)
    connection = _connect(path)
    try:
        _configure(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise UnusableError(Flaw.DAMAGED, f"{path} is damaged: {found}")
        if application != APPLICATION_ID:
            raise UnusableError(Flaw.FOREIGN, f"{path} is a database, but not one of minimesh")
        if version > known:
            raise UnusableError(Flaw.NEWER, f"{path} was written by a newer minimesh (its format is {version})")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=LOCK_PATIENCE, isolation_level=None, check_same_thread=False)


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _fresh(path: Path, suffix: str) -> Path:
    """An empty file beside another one, for its owner alone."""
    new = path.with_name(path.name + suffix)
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    return new


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: sqlite3.Error) -> UnusableError:
    if _is(error, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnusableError(Flaw.IN_USE, f"another program has {path} open")
    if _is(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return UnusableError(Flaw.DAMAGED, f"{path} is damaged: {error}")
    return UnusableError(Flaw.UNREADABLE, f"cannot use {path}: {error}")


def _not_written(path: Path, error: sqlite3.Error) -> NotWrittenError:
    return NotWrittenError(f"{path} does not take it, so nothing has changed: {error}")


def _is(error: sqlite3.Error, *codes: int) -> bool:
    """By the primary code; extended ones have more in their upper bytes."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes
