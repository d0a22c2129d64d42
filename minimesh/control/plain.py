"""What a mesh without a terminal of its own writes: a plain line for what happens to it."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from minimesh.control.paths import StateFolder
from minimesh.control.report import (
    ConfigOk,
    Event,
    IdentityOk,
    LogLine,
    Note,
    Problem,
    Ready,
    Refused,
    ServiceEvent,
    Stopped,
    Stopping,
    Trouble,
    Upgraded,
)
from minimesh.model.several import several


class Plain:
    """A `minimesh.control.report.Reporter`; the services have logs of their own.

    starter: where whoever started the mesh reads why it cannot run, for which the log may have no room.
    """

    def __init__(self, starter: TextIO | None = None) -> None:
        self._starter = starter

    def __call__(self, event: Event, /) -> None:
        line = _line(event)
        if line is None:
            return
        for stream in (sys.stdout, *([self._starter] if self._starter and isinstance(event, Problem) else [])):
            with suppress(OSError):  # a full disk is no reason to end
                stream.write(f"{_spelt(line, stream.encoding or 'utf-8')}\n")
                stream.flush()


def detach(folder: StateFolder) -> TextIO:
    """Standard output and error become the log of the mesh, standard input nothing; returns what was standard error.

    Raises OSError and UnsafeFolderError, with all of them as they were.
    """
    folder.create()
    log = os.open(folder.mesh_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    starter = os.fdopen(os.dup(2), "w", errors="backslashreplace")
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    return starter


def _spelt(text: str, encoding: str) -> str:
    """With escapes for what the encoding does not have: the name of a file may be any bytes."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _line(event: Event) -> str | None:
    match event:
        case LogLine() | ConfigOk() | IdentityOk() | ServiceEvent():
            return None
        case Note():
            return f"note: {event.message}"
        case Problem():
            return _error(event)
        case Trouble():
            return _error(event.problem)
        case Refused():
            return "\n".join(event.mistakes)
        case Ready():
            return f"ready in {event.seconds:.1f} s   {event.url or ''}"
        case Upgraded():
            return (
                f"upgraded {event.before} -> {event.version} in {event.seconds:.1f} s, "
                f"services untouched: {event.services}, requests cut: {event.cut}"
            )
        case Stopping():
            return f"stopping {several(event.services)}"
        case Stopped():
            return f"stopped {event.services} in {event.seconds:.1f} s, {event.left} processes left"


def _error(problem: Problem) -> str:
    help_ = (f"help: {problem.help}",) if problem.help else ()
    where = (f"--> {problem.where}",) if problem.where else ()
    return "\n  ".join([f"error[{problem.code}]: {problem.message}", *where, *problem.evidence, *help_])
