"""The mesh in this process: `minimesh up` and `minimesh run`."""

from __future__ import annotations

from collections.abc import Callable

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, of_problem
from minimesh.cli.events import JsonWatch
from minimesh.cli.watch import DOWN, Style, Watch
from minimesh.control.client import Client
from minimesh.control.daemon import run
from minimesh.control.report import Event, ServiceEvent, UpOptions
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

    code = run(options, report)
    if watch.problem is not None:
        raise of_problem(watch.problem)
    return Exit.FAILED if watch.left else code


def run_until_exit(context: Context, project: Project) -> int:
    """Stops the mesh when the program of the project's only service has ended; returns its exit code."""
    (name,) = project.services
    client = Client(project.root)
    ended: list[int] = []

    def also(event: Event) -> None:
        if isinstance(event, ServiceEvent) and event.kind in DOWN and not ended:
            ended.append(_exit_code(client, name))
            client.post("/v1/down")

    code = run_here(context, UpOptions(project.root, project=project), Style(bare=True, quiet=context.quiet), also)
    return code or (ended[0] if ended else Exit.OK)


def _exit_code(client: Client, name: str) -> int:
    """As a shell has it: 128 and the signal's number where that ended the program, 127 where it did not start."""
    services = client.get("/v1/services")
    instance = next(service for service in services if service["name"] == name)["instances"][0]
    code = instance["exit_code"]
    if code is None:
        return Exit.NOT_FOUND
    return 128 - int(code) if code < 0 else int(code)
