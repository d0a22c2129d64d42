"""minimesh.toml in, project out: the one way that everybody takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minimesh.model.project import Project
from minimesh.spec.dotenv import scan_env_file
from minimesh.spec.files import is_plain_file
from minimesh.spec.node import Reading
from minimesh.spec.problem import Problem, Severity, SpecError
from minimesh.spec.project import read_project
from minimesh.spec.source import read_source

ENV_FILE = ".env"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project that can run, and what its author may want to know."""

    project: Project
    warnings: tuple[Problem, ...]


def load(file: Path, environ: Mapping[str, str]) -> Loaded:
    """Reads and checks a minimesh.toml. ${NAME} comes from environ, else from the .env beside the file.

    Raises SpecError with every mistake in it. Starts nothing and writes nothing.
    """
    file = file.absolute()
    source = read_source(file)
    beside = file.with_name(ENV_FILE)
    variables, problems = scan_env_file(beside, ENV_FILE) if is_plain_file(beside) else ({}, ())
    reading = Reading(source, file.parent, {**variables, **environ})
    for problem in problems:
        reading.note(problem)
    project = read_project(reading, file)
    if any(problem.severity is Severity.ERROR for problem in reading.problems):
        raise SpecError(reading.problems)
    return Loaded(project, reading.problems)
