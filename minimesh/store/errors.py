"""What can be wrong with a store: each error says it in a sentence."""

from enum import StrEnum


class Flaw(StrEnum):
    """Why a file cannot be used as it is."""

    DAMAGED = "damaged"
    FOREIGN = "foreign"
    NEWER = "newer"
    IN_USE = "in_use"
    UNREADABLE = "unreadable"


class UnusableError(Exception):
    """A store that cannot be opened. Nothing was changed."""

    def __init__(self, flaw: Flaw, message: str) -> None:
        super().__init__(message)
        self.flaw = flaw


class NotWrittenError(Exception):
    """A change that the disk did not take, so it has not happened."""
