"""Who leads the groups of a run, kept in `.minimesh/leaders` for the run after one that was killed.

The environment tells most of what is left of a run (see `leftovers`), but not of programs that wrote over it, as nginx
does, or threw it away. A leader is known by its pid and its start, so that nobody else with the pid is meant.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from minimesh.supervise.children import processes, stat


class Leaders:
    """Appends a line for each; `path` None, or a full disk: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def add(self, pid: int) -> None:
        if self._path is None:
            return
        with suppress(OSError):
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(descriptor, "a") as file:
                file.write(f"{pid} {_start(pid)}\n")


def survivors(path: Path) -> list[int]:
    """Who is in the group or session of a leader that lives on."""
    leaders = {pid for pid, start in _read(path) if start and start == _start(pid)}
    if not leaders:
        return []
    found = [entry for pid in processes() if (entry := stat(pid)) is not None]
    return [entry.pid for entry in found if leaders & {entry.group, entry.session} and entry.state not in "ZX"]


def _read(path: Path) -> Iterator[tuple[int, str]]:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            pid, start = line.split()
            yield int(pid), start


def _start(pid: int) -> str:
    entry = stat(pid)
    return "" if entry is None else str(entry.start)
