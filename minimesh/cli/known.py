"""Names that a command was given, against those that there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.text import nearest, some


def check_known(
    names: Sequence[str],
    known: Collection[str],
    complaint: str = "there is no service",
    heading: str = "services and tasks",
) -> None:
    """Raises CommandError, with what was probably meant, for the first name that is not known."""
    for name in names:
        if name not in known:
            guess = nearest(name, known)
            raise CommandError(
                "MM403",
                f"{complaint} {name!r}" + (f"; did you mean {guess}?" if guess else ""),
                exit_code=Exit.USAGE,
                evidence=[f"{heading}: {some([*known])}"] if known else [],
            )
