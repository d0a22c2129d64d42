"""One thing that a codec must do."""

from collections.abc import Callable
from dataclasses import dataclass

from minimesh.dataplane.codec import Codec


@dataclass(frozen=True)
class Case:
    """`check` raises AssertionError when the codec does not."""

    name: str
    check: Callable[[Codec], None]

    def __str__(self) -> str:
        return self.name


def case_of(check: Callable[[Codec], None]) -> Case:
    """A case called after its function."""
    return Case(check.__name__.replace("_", " "), check)
