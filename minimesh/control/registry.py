"""Which meshes of this user run, whatever their folders: a file for each in the user's runtime folder.

The files only say where to look: a mesh that was killed leaves its own behind, and whoever reads them next removes it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from minimesh.control.paths import UnsafeFolderError, make_private, runtime_folder
from minimesh.supervise.privatefile import write_private

FOLDER = "running"


@dataclass(frozen=True, slots=True)
class Entry:
    """A mesh that runs or ran: its folder, project, pid and control socket."""

    root: str
    project: str
    pid: int
    socket: str


@contextmanager
def registered(entry: Entry, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Listed while the context lasts. A folder that cannot be used costs only that."""
    file = runtime_folder(environ) / FOLDER / f"{hashlib.sha256(os.fsencode(entry.root)).hexdigest()[:16]}.json"
    with suppress(OSError, UnsafeFolderError):
        make_private(file.parent.parent)
        make_private(file.parent)
        write_private(file, json.dumps(asdict(entry)) + "\n")
    try:
        yield
    finally:
        with suppress(OSError):
            if (found := _read(file)) is not None and found.pid == entry.pid:
                file.unlink()


def entries(environ: Mapping[str, str] = os.environ) -> list[Entry]:
    """Of all that may run, by folder. Files whose process is gone are removed."""
    found: dict[str, Entry] = {}
    for folder in _folders(environ):
        for file in sorted(folder.glob("*.json")):
            entry = _read(file)
            if entry is not None and lives(entry.pid):
                found[entry.root] = entry
            else:
                with suppress(OSError):
                    file.unlink()
    return [found[root] for root in sorted(found)]


def _folders(environ: Mapping[str, str]) -> list[Path]:
    """A mesh may have been started where $XDG_RUNTIME_DIR was another, or none."""
    usual = {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"}
    folders = dict.fromkeys(runtime_folder(each) / FOLDER for each in (environ, usual, {}))
    return [folder for folder in folders if _is_ours(folder)]


def _is_ours(folder: Path) -> bool:
    """Somebody else may have made a folder of this name under /tmp."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def _read(file: Path) -> Entry | None:
    try:
        facts = json.loads(file.read_text())
        entry = Entry(str(facts["root"]), str(facts["project"]), int(facts["pid"]), str(facts["socket"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if entry.pid > 0 else None  # others mean groups of processes


def lives(pid: int) -> bool:
    """Whether there is such a process, whoever's it is."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
