"""A line of a log as it is kept: nothing in it that a terminal acts on, and the level that it is of."""

import re

from minimesh.cli.text import service_output

CUT = 4_096
"""Characters of a line that are kept; the file has the rest."""
TAB = 4

_LEVEL = re.compile(
    r"\b(?:(trace|debug)|(info|notice)|(warn|warning)|(\w*error|\w*exception|err|fatal|critical|panic))\b",
    re.IGNORECASE,
)
LEVELS = ("all", "info", "warn", "error")
DEBUG, INFO, WARN, ERROR = range(4)


class Entry:
    """One line. `raw` may hold colours (SGR) and nothing else that a terminal acts on; `plain` has not even those."""

    __slots__ = ("plain", "raw", "service", "source", "time")

    def __init__(self, time: str, service: str, line: str, source: str = "") -> None:
        if len(line) > CUT:
            line = f"{line[:CUT]} … [cut at 4 kB; the file has all]"
        if not line.isprintable():
            line = line.replace("\t", " " * TAB)
        self.time = time
        self.service = service
        self.source = source
        self.raw = service_output(line, True)
        self.plain = service_output(line, False) if "\x1b" in line else self.raw

    @property
    def level(self) -> int:
        """Its place in LEVELS: of the first word that names one; else "info", of what goes to stderr "warn"."""
        said = self.said_level
        if said is not None:
            return said
        return WARN if self.source == "stderr" else INFO

    @property
    def said_level(self) -> int | None:
        """That of the first word that names one."""
        match = _LEVEL.search(self.plain, 0, 200)
        return None if match is None else (match.lastindex or 1) - 1
