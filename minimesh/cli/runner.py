"""`minimesh run`: gateway and records before one program, with no file at all."""

from __future__ import annotations

from minimesh.cli.context import Context
from minimesh.cli.options import Command, Option
from minimesh.cli.values import port as port_number


def run(context: Context, *, port: int | None, program: tuple[str, ...]) -> int:
    """Returns the program's exit code when it ends, 0 after Ctrl-C. `port`: where it listens; None: on $PORT."""
    from minimesh.cli.foreground import run_until_exit  # noqa: PLC0415 - help does not need the mesh
    from minimesh.spec import default_project  # noqa: PLC0415

    return run_until_exit(context, default_project(program, context.folder(), port))


COMMANDS: dict[str, Command] = {
    "run": Command(
        run,
        "Gateway and records before one program, with no file at all: what comes to the gateway goes to\n"
        "its port. `stat`, `tap` and the others work in the same folder. Ends with the program, and returns\n"
        "its exit code.",
        (
            ("minimesh run --port 3000 -- npm start", "a program that listens on port 3000"),
            ("minimesh run -- python3 -m app", "one that listens on $PORT"),
        ),
        options=(
            Option(
                ("--port",), "where the program listens; left out: on $PORT, which it is given", "PORT", port_number
            ),
        ),
        takes_command=True,
        outputs=("table", "json"),
    ),
}
