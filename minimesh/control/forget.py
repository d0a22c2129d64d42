"""Removing what a mesh keeps of its project, when none runs."""

import shutil
from contextlib import suppress
from pathlib import Path

from minimesh.control.lock import Lock
from minimesh.control.paths import StateFolder

KEPT = frozenset({"ca"})
"""The authority: browsers and programs may have been told to trust it."""


def forget(root: Path) -> bool:
    """Removes the state folder; returns whether something of it was kept.

    Holds the lock meanwhile, which goes last: nobody can start in a half of the folder. Raises LockedError where a
    mesh runs, OSError.
    """
    folder = StateFolder(root)
    bound = folder.bound_socket()
    with Lock(folder.lock):
        kept = [each for each in folder.path.iterdir() if each.name in KEPT]
        spared = {*KEPT, folder.lock.name} | ({".gitignore"} if kept else set())
        for each in folder.path.iterdir():
            if each.name not in spared:
                _remove(each)
        if bound.parent != folder.path:
            bound.unlink(missing_ok=True)
        folder.lock.unlink()
        if not kept:
            with suppress(OSError):  # somebody else has put something there
                folder.path.rmdir()
    return bool(kept)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
