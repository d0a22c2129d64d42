"""Which files a running mesh watches: those that its services name, and under `up --watch` its own."""

import os
from collections.abc import Iterable, Sequence
from glob import escape
from pathlib import Path

from minimesh.control.world import World
from minimesh.model.issuing import CaFiles
from minimesh.model.project import Project
from minimesh.model.service import Service, Task
from minimesh.spec.render import printable
from minimesh.supervise.watching.globs import is_magic
from minimesh.supervise.watching.target import Target

OWN = ""
"""Key of the files of the mesh itself. The others are the names of services."""


def targets(world: World, doubtful: Iterable[Path] = ()) -> tuple[Target, ...]:
    """doubtful: files of a reading that was refused, which may be what its author mends next."""
    services = [
        Target(service.name, service.watch.root, service.watch.paths, service.watch.ignore)
        for service in world.project.services.values()
        if service.process is not None and service.watch is not None
    ]
    if not world.options.watch or world.options.project is not None:
        return tuple(services)
    return (*services, *own_files(world, doubtful))


def own_files(world: World, doubtful: Iterable[Path] = ()) -> list[Target]:
    """As `files_of`, with the files that its patterns may bring; of a link both ends."""
    root = world.project.root
    files = [*files_of(world), *doubtful]
    files += [path.resolve() for path in files if path.is_symlink()]
    found = [_file(root, path) for path in files]
    found += [_pattern(root, pattern) for pattern in world.loaded.patterns]
    by_root: dict[Path, list[str]] = {}
    for folder, pattern in dict.fromkeys(found):
        by_root.setdefault(folder, []).append(pattern)
    return [Target(OWN, folder, tuple(patterns)) for folder, patterns in by_root.items()]


def files_of(world: World) -> list[Path]:
    """What was read to make this world, or would be read if it were there."""
    programs: tuple[Service | Task, ...] = (*world.project.services.values(), *world.project.tasks.values())
    return [
        *world.loaded.files,
        *(file.path for each in programs if each.process for file in each.process.env_files),
        *_authority_of(world.project),
        *(path for each in world.project.services.values() if (path := descriptors_of(each)) is not None),
    ]


def _authority_of(project: Project) -> tuple[Path, ...]:
    ca = project.issuing.ca
    return (ca.cert, ca.key) if isinstance(ca, CaFiles) else ()


def descriptors_of(service: Service) -> Path | None:
    return service.transcode.descriptors if service.transcode is not None else None


def changed_files(paths: Sequence[str], root: Path) -> str:
    """`web/app.py`, or `web/app.py and 3 more files`."""
    first, others = _from(root, paths[0]), len(paths) - 1
    return first if not others else f"{first} and {others} more file{'s' if others > 1 else ''}"


def _file(root: Path, path: Path) -> tuple[Path, str]:
    """A folder, and the name of the file from there."""
    path = Path(os.path.normpath(path))
    folder = root if path.is_relative_to(root) else path.parent
    name = str(path.relative_to(folder))
    return folder, escape(name) if is_magic(name) else name


def _pattern(root: Path, pattern: Path) -> tuple[Path, str]:
    """As `_file`; outside of the root from the last folder that the pattern names."""
    folder = root
    if not pattern.is_relative_to(root):
        folder = next(parent for parent in pattern.parents if not any(map(is_magic, parent.parts)))
    return folder, str(pattern.relative_to(folder))


def _from(root: Path, path: str) -> str:
    relative = os.path.relpath(path, root)
    return printable(path if relative.startswith("..") else relative)
