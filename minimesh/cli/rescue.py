"""The one place where what went wrong below becomes what a person is told."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from minimesh.cli.errors import CommandError, Exit, Told

if TYPE_CHECKING:
    from minimesh.spec import Problem


def rescue(error: Exception, columns: int | None = None) -> tuple[list[Told], Exit]:
    """What to show for any exception that a command let through, and its exit code. `columns`: the terminal's."""
    if not isinstance(error, CommandError):
        if told := _told_by_the_mesh(error):
            return told, Exit.USAGE
        if "minimesh.spec" in sys.modules:  # most errors are about no file
            told = _of_the_file(error, columns)
            if told:
                return told, Exit.USAGE
        error = explain(error)
    return [error.told()], error.exit_code


def _of_the_file(error: Exception, columns: int | None) -> list[Told]:
    from minimesh.spec import SpecError  # noqa: PLC0415

    return tell(error.problems, columns) if isinstance(error, SpecError) else []


def tell(problems: Iterable[Problem], columns: int | None = None) -> list[Told]:
    """The mistakes of a minimesh.toml, each rendered with its line."""
    from minimesh.spec import as_json, render  # noqa: PLC0415

    return [Told(render(problem, columns), as_json(problem)) for problem in problems]


def _told_by_the_mesh(error: Exception) -> list[Told]:
    """The mistakes of a file that a running mesh refused to take over."""
    from minimesh.control.client import RefusedError  # noqa: PLC0415

    problems = error.body.get("problems", []) if isinstance(error, RefusedError) else []
    return [Told(each["text"], {key: value for key, value in each.items() if key != "text"}) for each in problems]


def explain(error: Exception) -> CommandError:
    """The error to show for what came out of the client, the operating system or a bug."""
    told = _of_the_mesh(error)
    if told is not None:
        return told
    if isinstance(error, OSError):
        name = f" {error.filename}" if error.filename else ""
        return CommandError("MM411", f"cannot use{name}: {error.strerror or error}")
    return CommandError(
        "MM500",
        f"minimesh made a mistake: {type(error).__name__}: {error}",
        help="run it again with MINIMESH_DEBUG=1 and report what it prints",
    )


def _of_the_mesh(error: Exception) -> CommandError | None:
    from minimesh.control.client import NotRunningError, RefusedError  # noqa: PLC0415
    from minimesh.control.holder import holder  # noqa: PLC0415

    match error:
        case NotRunningError() if (pid := holder(error.root)) is not None:
            return CommandError(
                "MM414",
                f"the mesh in {error.root} does not answer",
                exit_code=Exit.NOT_RUNNING,
                evidence=[f"pid {pid} starts, or stops, or somebody has removed its control socket"],
                help="minimesh down",
            )
        case NotRunningError():
            return CommandError("MM401", str(error), exit_code=Exit.NOT_RUNNING, help="minimesh up")
        case RefusedError(status=404):
            return CommandError("MM403", error.message, exit_code=Exit.USAGE, help=error.help or "minimesh ps")
        case RefusedError():
            own = error.code.startswith("MM")
            return CommandError(
                error.code if own else "MM409",
                error.message,
                where=error.body.get("where", ""),
                evidence=error.body.get("evidence", ()),
                help=error.help or "",
            )
        case _:
            return None
