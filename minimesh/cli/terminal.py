"""What the other end of a stream can show."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple, TextIO

from minimesh.cli.text import wrap

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


_COLUMNS, _ROWS = 80, 24
"""Where a terminal does not tell."""


class Terminal(NamedTuple):
    """A stream to write lines to. `width` None: not a terminal, so nothing is shortened or coloured."""

    stream: TextIO
    colour: bool
    width: int | None

    def line(self, text: str = "") -> None:
        self.stream.write(text + "\n")

    def flush(self) -> None:
        self.stream.flush()

    def paint(self, text: str, *styles: str) -> str:
        """The text in one of the 16 colours, where the stream shows any."""
        if not self.colour or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    @property
    def rewrites(self) -> bool:
        """Lines may be rewritten in place: without colours, what a screen reader has read stays as it was."""
        return self.width is not None and self.colour

    @property
    def ellipsis(self) -> str:
        """The console of Linux has no glyph for the proper one."""
        utf8 = (self.stream.encoding or "").lower().replace("-", "") == "utf8"
        return "…" if utf8 and os.environ.get("TERM") != "linux" else "~"

    def size(self) -> tuple[int, int]:
        """Columns and rows as they are now: a window may have been resized since."""
        columns, rows = _size(self.stream)
        return columns or self.width or _COLUMNS, rows or _ROWS

    def fitting(self, text: str) -> list[str]:
        """A sentence in lines that the window has room for. Without colours in it."""
        return [text] if self.width is None else wrap(text, self.size()[0])

    def measured(self) -> "Terminal":
        """The same, as wide as its window is now."""
        return self if self.width is None else self._replace(width=self.size()[0])


def terminal(stream: TextIO, no_colour: bool) -> Terminal:
    """Looks at the stream, NO_COLOR (no-color.org) and TERM."""
    if not stream.isatty():
        return Terminal(stream, colour=False, width=None)
    plain = no_colour or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return Terminal(stream, not plain, _size(stream)[0] or _COLUMNS)


def nowhere() -> Terminal:
    """Takes what nobody reads any more."""
    return Terminal(Path(os.devnull).open("w", encoding="utf-8"), colour=False, width=None)


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows; 0 for what is not known."""
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0


def quiet_on_broken_pipe() -> None:
    """The reader of stdout left (`| head`): let nothing more be written when Python closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def spell_what_cannot_be_shown(stream: TextIO) -> None:
    """A character that the locale's encoding does not have is spelt out, as on stderr, rather than an error."""
    if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
