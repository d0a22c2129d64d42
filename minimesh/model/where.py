"""A place in a configuration file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """File as the user named it, line and column from 1. Line 0: no place of its own (a default)."""

    file: str
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Where("")
