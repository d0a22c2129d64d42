"""Whose turn it is: tasks that need not run again, because they have, and nothing has changed since.

`.minimesh/tasks.json` keeps the end of the last completed run of each task, and a digest of what it was made from.
Without the file, or with a damaged one, each task has its turn. All calls read or write files: not on the loop.
"""

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from minimesh.model.service import When
from minimesh.supervise.privatefile import write_private
from minimesh.supervise.program import Program
from minimesh.supervise.watching.files import files
from minimesh.supervise.watching.globs import glob


@dataclass(frozen=True, slots=True)
class Turn:
    """digest: of what the task is made from now. unneeded: why it need not run; "" if it must."""

    digest: str
    unneeded: str


@dataclass(frozen=True, slots=True)
class _Completed:
    at: float
    digest: str


class Turns:
    """The tasks of a project; `path` None: nothing is remembered. `trouble`: why what was remembered is lost."""

    def __init__(self, path: Path | None) -> None:
        self.trouble = ""
        self._path = path
        self._lock = threading.Lock()
        self._known = self._load()

    def of(self, program: Program) -> Turn:
        """Raises OSError for a file that matches but cannot be read."""
        when = program.when
        if when.always:
            return Turn("", "")
        digest = digest_of(when, program.recipe) if when.changed else ""
        last = self._known.get(program.name)
        if last is None or (when.changed and digest != last.digest):
            return Turn(digest, "")
        since = datetime.fromtimestamp(last.at).astimezone().strftime("%Y-%m-%d %H:%M")
        return Turn(digest, f"not run: unchanged since {since}" if when.changed else f"not run: completed on {since}")

    def completed(self, program: Program, turn: Turn, now: float) -> None:
        """now: wall seconds. Raises OSError; the task then runs once more than it had to."""
        if program.when.always or self._path is None:
            return
        with self._lock:
            self._known[program.name] = _Completed(now, turn.digest)
            tasks = {name: {"completed": each.at, "digest": each.digest} for name, each in self._known.items()}
            write_private(self._path, json.dumps(tasks, indent=1, sort_keys=True) + "\n")

    def _load(self) -> dict[str, _Completed]:
        try:
            found = json.loads(self._path.read_bytes()) if self._path is not None else {}
            return {
                str(name): _Completed(float(each["completed"]), str(each["digest"])) for name, each in found.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.trouble = f"cannot read {self._path} ({error}): tasks run again that have completed before"
            return {}


def digest_of(when: When, recipe: tuple[str, ...]) -> str:
    """Of the command and variables of a task, and of names and contents of all files that match."""
    digest = hashlib.sha256(json.dumps(recipe).encode())
    for path in sorted({path for pattern in when.changed for path in files(glob(when.root, pattern))}):
        name = os.path.relpath(path, when.root).encode("utf-8", "surrogateescape")
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(b"%d:%s%s" % (len(name), name, content))
    return digest.hexdigest()
