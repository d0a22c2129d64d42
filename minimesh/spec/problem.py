"""A mistake in a configuration file, as a value."""

from dataclasses import dataclass
from enum import StrEnum

from minimesh.model.where import Where


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """One of several lines that make a mistake together, and its part in it."""

    where: Where
    part: str


@dataclass(frozen=True, slots=True)
class Problem:
    """`source` is the line of the file and `width` how many of its characters, from `where.column`, are meant.

    `places` is filled where several lines are at fault; then no single one is shown. `help` can be pasted.
    """

    code: str
    message: str
    where: Where
    width: int = 1
    source: str = ""
    places: tuple[Place, ...] = ()
    help: str = ""
    severity: Severity = Severity.ERROR


class SpecError(Exception):
    """The file cannot be used. `problems`: everything found in it, warnings too, in the order of its lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(f"{problem.where}: {problem.message}" for problem in self.problems)
