"""Which lines `minimesh logs` shows: from when to when, how bad, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.levels import at_least
from minimesh.cli.text import plain

if TYPE_CHECKING:
    from minimesh.control.views import LogView


class Sieve:
    """Made for one reading of the logs: it remembers the level of each stream. grep is searched, colours aside."""

    def __init__(self, grep: re.Pattern[str] | None, level: str | None) -> None:
        self._grep = grep
        self._bad_enough = at_least(level) if level else None

    @property
    def looks_back(self) -> bool:
        """Whether a line passes depends on those before it."""
        return self._bad_enough is not None

    def passes(self, service: str, replica: int, stream: str, line: str) -> bool:
        bad_enough = self._bad_enough is None or self._bad_enough((service, replica, stream), line)
        return bad_enough and (self._grep is None or self._grep.search(plain(line)) is not None)

    def views(self, items: Iterable[dict[str, object]]) -> Iterator[dict[str, object]]:
        """Of a live view; what was left out passes."""
        for item in items:
            if "dropped" in item:
                yield item
            else:
                view = cast("LogView", item)
                if self.passes(view["service"], view["replica"], view["stream"], view["line"]):
                    yield item


def pattern(text: str) -> re.Pattern[str]:
    """A Python regular expression. Raises CommandError that points at what is wrong with it."""
    try:
        return re.compile(text)
    except re.error as error:
        at = error.pos or 0
        where = [text, f"{' ' * at}^"] if "\n" not in text else []
        raise CommandError(
            "MM402",
            f"--grep: {error.msg} at position {at + 1}",
            exit_code=Exit.USAGE,
            evidence=where,
            help=f"--grep '{re.escape(text)}' looks for the text itself",
        ) from None
