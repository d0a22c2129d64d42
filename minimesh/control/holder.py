"""Whose a project's folder is while nobody answers at its control socket: a mesh starts, or stops, or has lost it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from minimesh.control.lock import Lock, LockedError, last_holder
from minimesh.control.paths import StateFolder
from minimesh.control.registry import entries, lives


def holder(root: Path) -> int | None:
    """The pid of the mesh that has this folder, also where its state folder was removed; None: none has, or another
    user's."""
    folder = StateFolder(root)
    pid = last_holder(folder.lock)
    # Looked at first: the lock is for those who want to have it, and we would keep them out for a moment.
    if pid is not None and lives(pid) and _has_open(pid, folder.lock) and _is_locked(folder):
        return pid
    return next(
        (each.pid for each in entries() if each.root == str(root) and _holds_what_is_gone(each.pid, root)), None
    )


def runs_elsewhere(pid: int) -> bool:
    """Whether a process is the mesh of another folder than the one whose lock we have. On Linux; elsewhere whoever
    lives is taken for it, for what it runs is not to be ended by mistake."""
    if pid == os.getpid() or not lives(pid):
        return False
    try:
        links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return not Path("/proc/self/fd").exists() and lives(pid)
    return any(link.removesuffix(" (deleted)").endswith("/.minimesh/lock") for link in links)


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has a file open: somebody else may have the pid of a mesh that was killed. Believed of all
    where the system does not say."""
    descriptors = Path(f"/proc/{pid}/fd")
    try:
        wanted = file.stat()
        return any(_is_same(each, wanted) for each in descriptors.iterdir())
    except OSError:
        return not descriptors.exists()


def _is_same(descriptor: Path, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(descriptor.stat(), wanted)
    return False


def _is_locked(folder: StateFolder) -> bool:
    try:
        with Lock(folder.lock):
            return False
    except LockedError:
        return True
    except OSError:
        return False


def _holds_what_is_gone(pid: int, root: Path) -> bool:
    """Whether a process has the lock of this folder open, and the lock is no more. On Linux; elsewhere nobody has."""
    lost = f"{StateFolder(root).lock} (deleted)"
    try:
        return any(str(each.readlink()) == lost for each in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def ask_to_stop(pid: int) -> None:
    """What `down` asks at the control socket, without the time for each service."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
