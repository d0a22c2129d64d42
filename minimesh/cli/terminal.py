"""What the other end of a stream can show."""

import os
import sys
from typing import NamedTuple, TextIO

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
    def ellipsis(self) -> str:
        return "…" if (self.stream.encoding or "").lower().replace("-", "") == "utf8" else "~"


def terminal(stream: TextIO, no_colour: bool) -> Terminal:
    """Looks at the stream, NO_COLOR (no-color.org) and TERM."""
    if not stream.isatty():
        return Terminal(stream, colour=False, width=None)
    plain = no_colour or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "dumb") == "dumb"
    return Terminal(stream, not plain, _columns(stream))


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def quiet_on_broken_pipe() -> None:
    """The reader of stdout left (`| head`): let nothing more be written when Python closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
