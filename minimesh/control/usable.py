"""Whether this user can keep the state of a project in its folder, and what to do where not."""

import os
import pwd
from pathlib import Path

from minimesh.control import codes
from minimesh.control.paths import STATE_FOLDER
from minimesh.control.report import Problem


def hindrance(root: Path) -> Problem | None:
    """Why a mesh cannot run in a folder: it is somebody else's, or cannot be written. None: nothing is in the way."""
    state = root / STATE_FOLDER
    copy = f"cp -r {root} ~/ && minimesh -p ~/{root.name} up"
    if state.is_symlink() or (state.exists() and not state.is_dir()):
        return _problem(f"{state} is not a folder", f"mv {state} {state}.old")
    if state.is_dir():
        owner = state.stat().st_uid
        if owner != os.getuid():
            return _problem(f"{state} belongs to {user(owner)}, not to {user(os.getuid())}", copy)
        if not os.access(state, os.W_OK | os.X_OK):
            return _problem(f"{state} cannot be written", _how(state, copy))
    elif not os.access(root, os.W_OK | os.X_OK):
        return _problem(f"{STATE_FOLDER} cannot be made in {root}, which this user may not write", _how(root, copy))
    return None


def user(number: int) -> str:
    """A user's name, or number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _how(folder: Path, copy: str) -> str:
    """A folder of one's own can be opened; on a read-only disk, or where it is somebody else's, a copy is the way."""
    ours = folder.stat().st_uid == os.getuid()
    return f"chmod u+wx {folder}" if ours and not _is_read_only(folder) else copy


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _problem(message: str, help: str) -> Problem:  # noqa: A002 - the field's name
    return Problem(codes.STATE_FOLDER, message, help=help)
