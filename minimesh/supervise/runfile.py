"""`.minimesh/run.json`: which run owns this folder, so that the next one can clean up after it."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from minimesh.supervise.privatefile import write_private


@dataclass(frozen=True, slots=True)
class Run:
    """One life of a mesh: its id (in the environment of all that it starts), pid, and wall time of its start."""

    run_id: str
    pid: int
    started: float


def new_run(now: float) -> Run:
    return Run(secrets.token_hex(8), os.getpid(), now)


def write_run(path: Path, run: Run) -> None:
    """Whole or not at all, mode 0600. Raises OSError."""
    write_private(path, json.dumps(asdict(run)))


def read_run(path: Path) -> Run | None:
    """None: there is no such file, or nothing in it that is a run."""
    try:
        found = json.loads(path.read_bytes())
        run_id, pid, started = found["run_id"], found["pid"], found["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (
        isinstance(run_id, str) and run_id and isinstance(pid, int) and pid > 0 and isinstance(started, int | float)
    ):
        return None
    return Run(run_id, pid, float(started))
