"""What a mistake of ours leaves behind: a file with all there is to know, instead of a traceback for the user."""

import os
import platform
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from minimesh import __version__
from minimesh.control import codes
from minimesh.control.report import Problem
from minimesh.model.clock import Clock
from minimesh.supervise.privatefile import write_private
from minimesh.telemetry.accesslog import timestamp

DEBUG_VARIABLE = "MINIMESH_DEBUG"
KEPT = 5


def write_crash(folder: Path, error: BaseException, clock: Clock) -> Problem:
    """Writes `crash-<time>.txt` into the state folder, keeps the latest five; returns what to tell."""
    moment = timestamp(clock.wall())
    path = folder / f"crash-{moment.replace(':', '')}.txt"
    trace = "".join(traceback.format_exception(error))
    written = False
    with suppress(OSError):
        write_private(
            path, f"minimesh {__version__}, Python {platform.python_version()}, {platform.platform()}\n{trace}"
        )
        written = True
        for old in sorted(folder.glob("crash-*.txt"))[:-KEPT]:
            old.unlink()
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(trace)
    message = f"minimesh made a mistake: {type(error).__name__}: {error}"
    return Problem(codes.CRASH, message, evidence=(f"details: {path}",) if written else ())
