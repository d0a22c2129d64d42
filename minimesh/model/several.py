"""Names in a line for people, however many there are."""

from collections.abc import Sequence

MOST = 8


def several(names: Sequence[str], most: int = MOST) -> str:
    """`web, api`, or the first ones: `web, api and 992 more`."""
    if len(names) <= most + 1:  # "and 1 more" takes no less room than the name
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
