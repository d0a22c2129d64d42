"""Lines at the end of a terminal that are rewritten in place."""

from collections.abc import Iterable, Sequence
from functools import partial

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import plain, width

_ERASE_REST = "\x1b[K"


class Block:
    """Each change is one write, so that nothing flickers. The block is never higher than the window, and is found
    again after the window was resized by terminals that break long lines anew, as most do.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown: list[int] = []

    def replace(self, lines: Sequence[str], above: Iterable[str] = ()) -> None:
        """Puts these lines where those of the last call were, below the lines `above`, which stay."""
        columns, rows = self._terminal.size()
        shown = self._fit(lines, columns, max(rows - 1, 1))
        text = "".join(map(partial(_over, columns=columns), (*above, *shown)))
        self._terminal.stream.write(f"{self._back(columns)}{text}\x1b[J" if self._shown else f"\r{text}")
        self._terminal.flush()
        self._shown = [width(plain(line)) for line in shown]

    def lose(self) -> None:
        """Somebody else has written since: what was shown stays."""
        self._shown = []

    def _fit(self, lines: Sequence[str], columns: int, room: int) -> Sequence[str]:
        heights = [_height(width(plain(line)), columns) for line in lines]
        if sum(heights) <= room:
            return lines
        kept, used = 0, 1
        while used + heights[kept] <= room:
            used += heights[kept]
            kept += 1
        return [*lines[:kept], f"{self._terminal.ellipsis} and {len(lines) - kept} more"]

    def _back(self, columns: int) -> str:
        """From where the cursor is, or where the echo of what was typed has left it, to where the block begins."""
        up = sum(_height(each, columns) for each in self._shown)
        return f"\r\x1b[{up}A"


class Live:
    """A picture that is shown again and again: in place where that can be, else each below the one before."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._block = Block(terminal) if terminal.rewrites else None

    def show(self, lines: Sequence[str]) -> None:
        if self._block is not None:
            self._block.replace(lines)
            return
        for line in ("", *lines):
            self._terminal.line(line)
        self._terminal.flush()


def _over(line: str, columns: int) -> str:
    """The line, with nothing left of what it is written over.

    Each row is erased by itself: of a screen that is erased from its first row some terminals keep a copy, and a row
    of which only the end is erased counts as a long one when the window becomes narrower. Behind a full row there is
    nothing to erase, and the cursor still stands on its last character.
    """
    taken = width(plain(line))
    return f"\x1b[2K{line}{_ERASE_REST if taken > columns and taken % columns else ''}\n"


def _height(columns: int, window: int) -> int:
    return max(1, -(-columns // window))
