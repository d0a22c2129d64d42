"""A place in a configuration file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """Line and column from 1; line 0: no place of its own (a default, an option of a command).

    `file`: its path from the project's folder where it is in there, whoever reads it from wherever.
    """

    file: str
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Where("")
