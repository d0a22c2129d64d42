"""The minimesh.toml that a command is about, loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from minimesh.cli.context import FILE_NAME, Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.known import check_known
from minimesh.cli.options import Option
from minimesh.cli.text import plural

if TYPE_CHECKING:
    from minimesh.model.project import Project
    from minimesh.spec import Loaded
    from minimesh.spec.node import Node


SET = Option(("--set",), "another value for this run, such as gateway.http=7444", "K=V", repeat=True, name="overrides")


def load(context: Context, overrides: tuple[str, ...] = ()) -> Loaded:
    """The project and the warnings about it. Raises SpecError, or CommandError where there is no file."""
    from minimesh.spec import load  # noqa: PLC0415 - for the commands that read the file

    return load(file_of(context), os.environ, further_of(context), overrides)


def load_document(context: Context, overrides: tuple[str, ...] = ()) -> tuple[Project, Node]:
    """The project and the document that says it, for those who tell where each value comes from."""
    loaded = load(context, overrides)
    assert loaded.document is not None, "it has just been read"
    return loaded.project, loaded.document


def file_of(context: Context) -> Path:
    """The file of -f, or the nearest upwards; absolute. Raises CommandError where there is none."""
    from minimesh.spec.find import find_file  # noqa: PLC0415 - for the commands that read the file

    if context.file is not None:
        return _named(context, context.file)
    found = find_file(context.folder())
    if found is None:
        raise CommandError("MM412", "no minimesh.toml here or above", exit_code=Exit.USAGE, help="minimesh init")
    return found


def further_of(context: Context) -> tuple[Path, ...]:
    """The files of each further -f, absolute. Raises CommandError for one that is not there."""
    return tuple(_named(context, file) for file in context.further)


def _named(context: Context, name: str) -> Path:
    from minimesh.spec.files import is_folder, is_plain_file, is_there  # noqa: PLC0415 - as above

    file = context.folder() / name
    if is_plain_file(file):
        return (
            file.parent.resolve() / file.name
        )  # a link stands for a file of its own folder, as one that is found does
    why = f"there is no file {name}"
    if is_there(file):
        why = f"{name} is a folder, not a file" if is_folder(file) else f"{name} is a pipe or a device, not a file"
    inside = is_plain_file(file / FILE_NAME)
    raise CommandError("MM412", why, exit_code=Exit.USAGE, help=f"-f {Path(name, FILE_NAME)}" if inside else "")


def summary(project: Project) -> str:
    """`4 services, 1 task, 1 gateway with 3 routes`"""
    parts = [plural(len(project.services), "service")]
    if project.tasks:
        parts.append(plural(len(project.tasks), "task"))
    if project.gateway is not None:
        parts.append(f"1 gateway with {plural(len(project.gateway.routes), 'route')}")
    return ", ".join(parts)


def check_names(project: Project, names: tuple[str, ...], *also: str) -> None:
    """Raises CommandError for a name that is no service or task of the project, and none of `also`."""
    known = [*also, *project.services, *project.tasks]
    check_known(names, known)


def check_profiles(project: Project, profiles: tuple[str, ...]) -> None:
    """Raises CommandError for a profile that no service has."""
    from minimesh.spec import known_profiles  # noqa: PLC0415 - for the commands that read the file

    check_known(profiles, known_profiles(project), "no service has the profile", "profiles")
