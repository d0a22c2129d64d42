"""`minimesh recover`: goes on after a loss, with what is whole."""

from __future__ import annotations

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, of_problem
from minimesh.cli.options import Command
from minimesh.cli.project import load
from minimesh.cli.text import escape


def recover(context: Context) -> int:
    from minimesh.control import codes  # noqa: PLC0415 - what it takes is not for the other commands
    from minimesh.control.lock import LockedError  # noqa: PLC0415
    from minimesh.control.recover import recover as begin  # noqa: PLC0415
    from minimesh.control.settle import StartError  # noqa: PLC0415
    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    project = load(context).project
    try:
        done = begin(project, SystemClock().wall())
    except LockedError:
        raise CommandError(
            codes.ALREADY_RUNNING, f"a mesh is running in {project.root}", help="minimesh down"
        ) from None
    except StartError as error:
        raise of_problem(error.problem) from error
    except OSError as error:
        raise CommandError("MM411", f"{error.filename}: {error.strerror}") from error
    if context.json:
        context.object({"done": done})
    else:
        for line in done or ["nothing is wrong with what is kept here"]:
            context.out.line(escape(line))
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "recover": Command(
        recover,
        "Go on after a loss: where .minimesh/state.db is damaged it is put aside, and the copy that was made after\n"
        "the last change takes its place; where the key of the project's root is lost, the next `up` makes another\n"
        "root. What that means is said. Where nothing is wrong nothing is done.",
        (
            ("minimesh recover", "what `minimesh up` asks for where it refuses to start"),
            ("minimesh recover --json", "what was done, for a script"),
        ),
        outputs=("table", "json"),
    )
}
