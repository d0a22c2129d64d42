"""`minimesh exec`: a program as a service."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.values import assignment

if TYPE_CHECKING:
    from minimesh.control.views import EnvView

OURS = ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "SSH_TTY")
"""Variables of the terminal where the command is typed, not of the one where the mesh was started."""


def execute(
    context: Context,
    *,
    svc: str,
    program: tuple[str, ...],
    env: tuple[tuple[str, str], ...],
    workdir: str | None,
    **_terminal: bool,
) -> int:
    """Becomes the program, with the environment and folder of the service; so its exit code is ours.

    `_terminal`: what compose wants to be told of it; here the program has the terminal of this command as it is.
    """
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    view: EnvView = context.get(f"/v1/services/{segment(svc)}/env")
    vouch(context, svc)
    environment = {**(view["env"] or os.environ), **view["mesh_env"]}
    environment.update({name: os.environ[name] for name in OURS if name in os.environ})
    environment.update(env)
    if folder := os.path.join(view["cwd"] or "", workdir or ""):  # noqa: PTH118 - an empty Path would be "."
        os.chdir(folder)
    if context.no_input:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
    become(program, environment)


def vouch(context: Context, svc: str) -> None:
    """Has this process, and what it becomes or starts, known as one that may call as a service."""
    from minimesh.control.client import RefusedError, segment  # noqa: PLC0415 - the client costs 60 ms

    try:
        context.client().post(f"/v1/services/{segment(svc)}/vouch")
    except RefusedError as error:
        context.note(f"the mesh will take its calls for a stranger's: {error}")


def become(program: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    """Replaces this process. Raises CommandError with a shell's exit code if it cannot."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(program[0], program, environment)
    except FileNotFoundError:
        raise CommandError("MM407", f"there is no program {program[0]!r}", exit_code=Exit.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(
            "MM407", f"cannot run {program[0]!r}: {error.strerror}", exit_code=Exit.NOT_EXECUTABLE
        ) from None


COMMANDS: dict[str, Command] = {
    "exec": Command(
        execute,
        "Run a program as a service of the running mesh: in its folder, with its environment, so that its\n"
        "calls are that service's calls. Returns the program's exit code; the -- may be left out.",
        (
            ("minimesh exec web -- sh -c 'curl $ORDERS_URL/orders/1'", "call orders as web"),
            ("minimesh exec migrate -- python manage.py shell", "a shell with a task's environment"),
        ),
        (Argument("SVC", "a service, a task or gateway"),),
        (
            Option(("-e", "--env"), "one more variable", "NAME=VALUE", assignment, repeat=True),
            Option(("-w", "--workdir"), "another folder, from the service's own", "DIR"),
            Option(("-i", "--interactive"), "as with compose; the program has this terminal anyway"),
            Option(("-t", "--tty"), "the same"),
            Option(("-T", "--no-tty"), "the same: a pipe stays a pipe"),
        ),
        takes_command=True,
        outputs=("table", "json"),
    ),
}
