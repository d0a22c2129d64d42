"""How things look: glyphs and styles by what they mean, for terminals with and without colours or Unicode.

Colours are the sixteen that every terminal names itself; none means anything alone.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rich.style import Style


class Health(StrEnum):
    """How a service is, worst first. The values are the words of the top line."""

    DOWN = "down"
    DEGRADED = "degraded"
    STARTING = "starting"
    STOPPED = "stopped"
    OK = "ok"


class Role(StrEnum):
    """What a piece of text is; the look says how that is shown."""

    TEXT = "text"
    DIM = "dim"
    STRONG = "strong"
    HEAD = "head"
    KEY = "key"
    OK = "ok"
    DEGRADED = "degraded"
    STARTING = "starting"
    STOPPED = "stopped"
    DOWN = "down"
    SPARK = "spark"
    CURSOR = "cursor"
    FOUND = "found"
    BAR = "bar"
    ALARM = "alarm"


_MONO: dict[Role, str] = {
    Role.TEXT: "",
    Role.DIM: "dim",
    Role.STRONG: "bold",
    Role.HEAD: "bold",
    Role.KEY: "bold",
    Role.OK: "",
    Role.DEGRADED: "bold",
    Role.STARTING: "",
    Role.STOPPED: "dim",
    Role.DOWN: "bold",
    Role.SPARK: "",
    Role.CURSOR: "reverse",
    Role.FOUND: "reverse",
    Role.BAR: "reverse",
    Role.ALARM: "reverse bold",
}
_COLOURS = _MONO | {
    Role.HEAD: "bright_black",
    Role.KEY: "cyan",
    Role.OK: "green",
    Role.DEGRADED: "yellow bold",
    Role.STARTING: "cyan",
    Role.STOPPED: "bright_black",
    Role.DIM: "bright_black",
    Role.DOWN: "red bold",
    Role.SPARK: "cyan",
    Role.FOUND: "black on yellow",
    Role.ALARM: "bright_white on red bold",
}
_CVD = _COLOURS | {
    Role.OK: "blue",
    Role.DEGRADED: "yellow",
    Role.DOWN: "bright_yellow bold",
    Role.ALARM: "black on bright_yellow bold",
}
_SERVICES = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Single columns. bars: from little to much."""

    health: Mapping[Health, str]
    bars: str
    line: str
    corners: str
    ellipsis: str


UNICODE = Glyphs(
    {Health.OK: "●", Health.DEGRADED: "▲", Health.DOWN: "x", Health.STOPPED: "○", Health.STARTING: "…"},
    "▁▂▃▄▅▆▇",
    "─",
    "┌┐",
    "…",
)
ASCII = Glyphs(
    {Health.OK: "*", Health.DEGRADED: "!", Health.DOWN: "x", Health.STOPPED: "o", Health.STARTING: "~"},
    "_.:-=+*#",
    "-",
    "++",
    "~",
)


class Look:
    """`of(role)` is cached, so that styles are parsed once."""

    def __init__(self, glyphs: Glyphs = UNICODE, theme: str = "ansi") -> None:
        self.glyphs = glyphs
        self.theme = theme
        texts = {"ansi": _COLOURS, "cvd": _CVD, "mono": _MONO}[theme]
        self._styles = {role: Style.parse(text or "none") for role, text in texts.items()}

    def of(self, role: Role) -> Style:
        return self._styles[role]

    def service(self, place: int) -> Style:
        """The colour of a service's name in the logs, by its place in the list."""
        return self.of(Role.STRONG) if self.theme == "mono" else Style.parse(_SERVICES[place % len(_SERVICES)])


def look(ascii_only: bool, colour: bool, environ: Mapping[str, str] = os.environ) -> Look:
    """As the terminal can: --ascii, no UTF-8 or the Linux console take plain characters; MINIMESH_THEME=cvd has
    blue and yellow in place of green and red."""
    plain = ascii_only or environ.get("TERM") == "linux" or not _is_utf8()
    theme = "mono" if not colour else "cvd" if environ.get("MINIMESH_THEME") == "cvd" else "ansi"
    return Look(ASCII if plain else UNICODE, theme)


def _is_utf8() -> bool:
    return (getattr(sys.__stderr__, "encoding", None) or "").lower().replace("-", "") == "utf8"
