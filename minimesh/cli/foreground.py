"""The mesh in this process: `minimesh up` and `minimesh run`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from minimesh.cli.context import Context
from minimesh.cli.ending import Ending
from minimesh.cli.errors import Exit, of_problem
from minimesh.cli.events import JsonWatch
from minimesh.cli.watch import Style, Watch
from minimesh.control.daemon import run
from minimesh.control.report import Event, UpOptions
from minimesh.model.clock import SystemClock
from minimesh.model.project import Project


def run_here(context: Context, options: UpOptions, style: Style, also: Callable[[Event], None] | None = None) -> int:
    """Returns when the mesh has stopped: 0 after Ctrl-C or `minimesh down`, 1 where it left something.

    `also` is told each event too, on a thread that may wait. Raises CommandError where the mesh cannot run.
    """
    watch: Watch | JsonWatch
    watch = JsonWatch(context.out) if context.json else Watch(context.out, context.err, SystemClock(), style)

    def report(event: Event) -> None:
        watch(event)
        if also is not None:
            also(event)

    if isinstance(watch, Watch):
        signal.signal(signal.SIGCONT, lambda *_: watch.lose())  # a shell wrote its prompt meanwhile
    code = run(options, report, sys.orig_argv)
    if watch.problem is not None:
        raise of_problem(watch.problem)
    return Exit.FAILED if watch.left else code


def run_until_exit(context: Context, project: Project) -> int:
    """Stops the mesh when the program of the project's only service has ended; returns its exit code."""
    (name,) = project.services
    ending = Ending(project.root, leader=name)
    options = UpOptions(project.root, project=project)
    style = Style(bare=True, quiet=context.quiet, file=False)
    return run_here(context, options, style, ending) or ending.code or Exit.OK
