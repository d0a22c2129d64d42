"""The files of other tools in a folder, and who reads which."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from minimesh.integrations import compose, dapr, packagejson, processcompose, procfile
from minimesh.integrations.draft import Draft
from minimesh.spec.files import is_plain_file


class Origin(NamedTuple):
    """A kind of file: its names, the preferred one first, and its importer."""

    files: tuple[str, ...]
    read: Callable[[Path], Draft]


ORIGINS: Mapping[str, Origin] = {
    "compose": Origin(compose.FILES, compose.compose),
    "process-compose": Origin(processcompose.FILES, processcompose.process_compose),
    "dapr": Origin(dapr.FILES, dapr.dapr),
    "procfile": Origin(procfile.FILES, procfile.procfile),
    "package.json": Origin(packagejson.FILES, packagejson.package_json),
}
"""By name, in the order in which they are believed."""


def drafts(folder: Path, kinds: tuple[str, ...] = tuple(ORIGINS)) -> list[Draft]:
    """What the files of some kinds say, those that say nothing left out. Raises MalformedError and OSError."""
    found: list[Draft] = []
    for kind in kinds:
        origin = ORIGINS[kind]
        file = next((folder / name for name in origin.files if is_plain_file(folder / name)), None)
        draft = origin.read(file) if file else None
        if draft and (draft.entries or draft.left_out):
            found.append(draft)
    return found
