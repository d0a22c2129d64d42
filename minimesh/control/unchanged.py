"""Whether the files of a project still say what runs: the next image of a mesh takes their word for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from minimesh.control.programs import programs
from minimesh.control.watched import files_of
from minimesh.control.world import World
from minimesh.model.project import Project
from minimesh.supervise.watching.fingerprint import Fingerprint, fingerprint

Prints: TypeAlias = Mapping[Path, Fingerprint | None]
"""Of each file that is read, what it is now; None: it is not there."""


def prints(world: World, now: float) -> Prints:
    """Of all files that are read to make this world. now: wall seconds."""
    return {path: fingerprint(str(path), None, now) for path in files_of(world)}


def are_same(before: Prints, after: Prints) -> bool:
    return before.keys() == after.keys() and all(_is_same(before[path], after[path]) for path in before)


def difference_of(world: World, project: Project) -> str:
    """What is not what runs any more, when the project has just been read; "" where all is. Raises SpecError."""
    if project != world.loaded.project:
        return world.project.file.name
    if tuple(programs(world.project, world.layout, world.inherited)) != world.programs:
        return "an env_file"
    return ""


def _is_same(before: Fingerprint | None, after: Fingerprint | None) -> bool:
    return before is after or (before is not None and after is not None and after.is_same(before))
