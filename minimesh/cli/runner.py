"""`minimesh run`: a task now; or gateway and records before one program, with no file at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, shell_code, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape, plural, service_output
from minimesh.cli.values import port as port_number

if TYPE_CHECKING:
    from minimesh.control.views import ServiceView


def run(context: Context, *, task: str | None, port: int | None, program: tuple[str, ...]) -> int:
    """Returns the exit code of the task or program, 0 after Ctrl-C of a program.

    `port`: where the program listens; None: on $PORT.
    """
    if program and task is not None:
        raise usage(f"run takes a task ({task}) or a program after --, not both", "minimesh run --help")
    if program:
        from minimesh.cli.foreground import run_until_exit  # noqa: PLC0415 - help does not need the mesh
        from minimesh.spec import default_project  # noqa: PLC0415

        return run_until_exit(context, default_project(program, context.folder(), port))
    if task is None:
        raise usage("run needs a task, or a program after --", "minimesh run --port 3000 -- npm start")
    if port is not None:
        raise usage("--port goes with a program after --: a task takes no calls")
    return _run_task(context, task)


def _run_task(context: Context, task: str) -> int:
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    client = context.client()
    services: list[ServiceView] = client.get("/v1/services")
    before = next((service for service in services if service["name"] == task), None)
    if before is not None and before["pid"] is not None and before["kind"] == "task":
        context.note(f"{task} is running already: this follows it")
    end: dict[str, Any] = {}
    try:
        for item in client.stream(f"/v1/tasks/{segment(task)}/run", method="POST"):
            if "ended" in item:
                end = item
            if context.json:
                context.object(item)
            elif "dropped" in item:
                context.note(f"({plural(item['dropped'], 'line')} left out here; minimesh logs {task} has them)")
            elif "line" in item:
                _show(context, item)
    except KeyboardInterrupt:
        client.post(f"/v1/services/{segment(task)}/stop")
        raise
    return _code(task, end)


def _show(context: Context, item: dict[str, Any]) -> None:
    """Output goes where the task wrote it; what the mesh says of the task is a note."""
    if item["stream"] == "mesh":
        context.detail(escape(item["line"]))
        return
    target = context.out if item["stream"] == "stdout" else context.err
    target.line(service_output(item["line"], target.colour))
    target.flush()


def _code(task: str, end: dict[str, Any]) -> int:
    """The task's own exit code, as a shell has it."""
    if not end:
        raise CommandError("MM405", f"the mesh stopped before {task} had ended", help="minimesh up")
    code = end["exit_code"]
    if end["ended"] == "stopped" and code is None:
        raise CommandError("MM405", f"{task} was stopped before it ran", help=f"minimesh run {task}")
    if code is None:
        raise CommandError(
            "MM407", f"{task} could not be started: {end['reason'] or end['ended']}", exit_code=Exit.NOT_FOUND
        )
    return shell_code(code)


COMMANDS: dict[str, Command] = {
    "run": Command(
        run,
        "Run a task of the running mesh now, show what it writes, and return its exit code.\n"
        "Or, after --, any program with gateway and records before it, and no file at all: what comes to the\n"
        "gateway goes to its port, and the command ends with it.",
        (
            ("minimesh run migrate", "a task of minimesh.toml, again"),
            ("minimesh run --port 3000 -- npm start", "a program that listens on port 3000"),
        ),
        (Argument("TASK", "a task of the running mesh", optional=True),),
        (Option(("--port",), "where the program listens; left out: on $PORT, which it is given", "PORT", port_number),),
        takes_command=True,
        outputs=("table", "json"),
    ),
}
