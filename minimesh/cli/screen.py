"""`minimesh up --ui`: the live view in front of a mesh behind the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from minimesh.cli.context import Context
from minimesh.cli.errors import usage

VIEW = "ui"


def has_screen() -> bool:
    """Input, output and errors are one terminal that can be drawn on. A stream that was closed is None."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return os.environ.get("TERM", "dumb") != "dumb" and all(stream and stream.isatty() for stream in streams)


def check_screen() -> None:
    """Raises CommandError where there is no screen for a live view, before anything is started."""
    if not has_screen():
        raise usage("--ui needs a terminal", "minimesh up -d && minimesh stat -w")


def show_screen(context: Context, file: Path) -> int:
    """Shows the view, and asks afterwards whether the mesh goes on."""
    from minimesh.cli.apart import running  # noqa: PLC0415 - each way loads only what it needs

    code = subprocess.run([sys.executable, "-m", "minimesh", VIEW, "--file", str(file)], check=False).returncode
    if running(context, file.parent) is None or context.no_input:
        return code
    if not wants_to_stop(context):
        context.note("it goes on: minimesh ui shows it again, minimesh down stops it")
        return code
    from minimesh.cli.life import down  # noqa: PLC0415

    return down(context._replace(file=str(file)), timeout=None, volumes=False)


def wants_to_stop(context: Context) -> bool:
    """Asks on stderr; anything but a clear yes to stopping keeps the services."""
    context.err.stream.write("keep the services running? [Y/n] ")
    context.err.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        context.err.line()
        return False
    return answer.strip().lower() in ("n", "no")
