"""The files of a project in, project out: the one way that everybody takes.

What the files say is merged in this order; tables merge, everything else is replaced by what comes later:

1. the project's file (minimesh.toml, or the first -f), whose folder is the root,
2. those that it includes, in the order of `include` (those of one pattern by name),
3. minimesh.local.toml beside it, where it is there,
4. further files (each further -f),
5. overrides (each --set K=V).

`version` has to stand in the first alone, and only it includes. A table stands where it stood first (so a service
runs in the folder of the file that defines it); relative paths count from the folder of the file in which they are
written, those of overrides from the root.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minimesh.model.project import Project
from minimesh.spec import codes
from minimesh.spec.dotenv import scan_env_file
from minimesh.spec.files import is_plain_file
from minimesh.spec.gather import gather
from minimesh.spec.node import Node, Reading
from minimesh.spec.problem import Problem, Severity, SpecError
from minimesh.spec.project import read_project

ENV_FILE = ".env"

# What may look wrong only because a file that says more could not be read.
_HANGS_ON_OTHERS = frozenset({codes.MISSING, codes.UNKNOWN_NAME, codes.REFERENCE, codes.CONFLICT, codes.CONDITION})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project that can run, and what its author may want to know.

    `files`: all that were read, absolute, and where minimesh.local.toml and .env would be that are not there.
    `patterns`: of the files that `include` brings, so that new ones are noticed; absolute.
    `document`: all of them merged; None if the project comes from no file.
    """

    project: Project
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...] = ()
    patterns: tuple[Path, ...] = ()
    document: Node | None = None


def load(file: Path, environ: Mapping[str, str], further: Sequence[Path] = (), overrides: Sequence[str] = ()) -> Loaded:
    """Reads and checks a project: its file, `further` ones, and `overrides` such as "gateway.http=7444".

    ${NAME} comes from environ, else from the .env beside the file. Raises SpecError with every mistake in all of
    them. Starts nothing and writes nothing.
    """
    file = _plain(file)
    beside = file.with_name(ENV_FILE)
    variables, problems = scan_env_file(beside, ENV_FILE) if is_plain_file(beside) else ({}, ())
    reading = Reading(file.parent, {**variables, **environ})
    for problem in problems:
        reading.note(problem)
    gathered = gather(reading, file, [_plain(path) for path in further], overrides)
    if gathered.document is None:
        raise SpecError(reading.problems)
    project = read_project(gathered.document, file)
    problems = reading.problems
    if not gathered.whole:
        problems = tuple(problem for problem in problems if problem.code not in _HANGS_ON_OTHERS)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise SpecError(problems)
    return Loaded(project, problems, (*gathered.files, beside), tuple(gathered.patterns), gathered.document)


def _plain(file: Path) -> Path:
    """Absolute, without "..", so that a file is known again."""
    return Path(os.path.normpath(file.absolute()))
