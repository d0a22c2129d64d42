"""Whose a project's folder is while nobody answers at its control socket: a mesh starts, or stops, or has lost it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from minimesh.control.lock import Lock, LockedError
from minimesh.control.paths import StateFolder
from minimesh.control.registry import lives
from minimesh.supervise.runfile import read_run


def holder(root: Path) -> int | None:
    """The pid of the mesh that has this folder; None: none has, or another user's."""
    folder = StateFolder(root)
    run = read_run(folder.run)
    # Looked at first: the lock is for those who want to have it, and we would keep them out for a moment.
    if run is None or not lives(run.pid):
        return None
    try:
        with Lock(folder.lock):
            return None
    except LockedError:
        return run.pid
    except OSError:
        return None


def ask_to_stop(pid: int) -> None:
    """What `down` asks at the control socket, without the time for each service."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
