"""After a loss: goes back to what is whole, puts aside what is not, and says what that means."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from minimesh.control.authorities import RECOVER, Maker
from minimesh.control.lock import Lock
from minimesh.control.paths import StateFolder
from minimesh.control.settle import StartError
from minimesh.control.state import opened_state, unusable
from minimesh.identity.lifecycle import Kind, Source
from minimesh.model.project import Project
from minimesh.store import authorities as table
from minimesh.store.database import check, copy_of
from minimesh.store.errors import Flaw, UnusableError
from minimesh.store.migrations import MIGRATIONS
from minimesh.telemetry.accesslog import timestamp

ASIDE = (Flaw.DAMAGED, Flaw.FOREIGN)
"""What is wrong with a file that is put aside; anything else is for its owner to mend."""


def recover(project: Project, now: float) -> list[str]:
    """What was done, in sentences; none: nothing was wrong. now: wall seconds. Raises LockedError where a mesh runs,
    StartError for what cannot be helped from here, OSError."""
    folder = StateFolder(project.root)
    if not folder.path.exists():
        return []
    with Lock(folder.lock):
        return [*_state(folder, now), *_root(folder, project, now)]


def _state(folder: StateFolder, now: float) -> Iterator[str]:
    path = folder.state
    if not path.exists():
        return
    try:
        check(path, MIGRATIONS)
    except UnusableError as error:
        if error.flaw not in ASIDE:
            raise unusable(folder, error) from error
        aside = _aside(path, now)
        yield f"{error}: it is {aside.name} now"
        yield _from_copy(path)


def _aside(path: Path, now: float) -> Path:
    """With the log beside it, which belongs to it."""
    stamp = timestamp(now).partition(".")[0].replace(":", "")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(aside)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        log.rename(aside.with_name(f"{aside.name}-wal"))
    return aside


def _from_copy(path: Path) -> str:
    copy = copy_of(path)
    try:
        check(copy, MIGRATIONS)
        new = path.with_name(f"{path.name}.new")
        shutil.copy2(copy, new)
        new.replace(path)
    except (UnusableError, FileNotFoundError):
        return (
            "there is no copy of it: certificates that were issued before do not count any more, and the keys of "
            "`minimesh key` are gone"
        )
    return f"{path.name} is what it was at {timestamp(copy.stat().st_mtime)}"


def _root(folder: StateFolder, project: Project, now: float) -> Iterator[str]:
    if not folder.state.exists():
        return
    with closing(opened_state(folder)) as store:
        book = store.change_now(table.load_book)
        root = book.active(Kind.ROOT)
        if root is None or root.source is not Source.OWN:
            return
        try:
            Maker(folder.ca, project).own_key(root, now)
        except StartError as error:
            if error.problem.help != RECOVER:
                raise
            relieved = book.relieved(Kind.ROOT, now)
            store.change_now(lambda connection: table.save_book(connection, relieved))
            yield f"{error.problem.message}: the next `minimesh up` makes another root"
            yield "browsers and programs that trusted the old one have to be told of it"
