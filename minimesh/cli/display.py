"""The lines of `minimesh up`: what stands, and below it what still waits, rewritten in place on a terminal."""

import math
import os
from collections.abc import Iterable, Sequence
from itertools import islice

from minimesh.cli.block import Block
from minimesh.cli.terminal import Terminal, nowhere
from minimesh.cli.text import escape, shorten, width, wrap

_MARKS = {"ok": "green", "..": "dim", "!!": "red", "--": "dim"}
_ROOM = 100
_GAP = "   "
PATIENCE = 2.0
MOST_SHOWN = 10
"""Waiting names with a line each, and at most half of a window: the services have something to say, too."""


class Display:
    """Progress goes to `err`, output of services to `out`, which often are the same screen.

    `wait` keeps a line for a name below all others until `settle` or `forget`, for the first MOST_SHOWN of them; where
    nothing can be rewritten it prints one for each that waits for PATIENCE seconds, and for those first ones again
    after as many. A stream whose reader has gone is written to no more.
    """

    def __init__(self, out: Terminal, err: Terminal) -> None:
        self._out = out
        self._err = err
        self._block = Block(err) if err.rewrites else None
        self._one_screen = self._block is not None and _same(out, err)
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}
        self._name_width = 8

    def align(self, names: Iterable[str]) -> None:
        """Makes room for the longest name."""
        self._name_width = max([self._name_width, *map(len, names)])

    def output(self, text: str) -> None:
        """A line of a service. Not escaped: the caller has."""
        if self._one_screen:
            self._put(text)
            return
        try:
            self._out.line(text)
            self._out.flush()
        except OSError:
            self._out = nowhere()

    def line(self, text: str) -> None:
        """A line of progress that stays, or several. Not escaped either."""
        self._put(*text.split("\n"))

    def settle(self, mark: str, name: str, parts: Sequence[str], took: str = "") -> None:
        """Lines of progress that stay: an `ok` is one, with how long it took at the right; all else is told in full.

        parts: what is said, the dearest first; where the window is narrow, those after the second are left out.
        """
        self._waiting.pop(name, None)
        self._told.pop(name, None)
        self._put(*(self._good(name, parts, took) if mark == "ok" else self._full(mark, name, _GAP.join(parts))))

    def wait(self, name: str, text: str, now: float) -> None:
        """What a name waits for; `now` in seconds, of any one clock."""
        if self._block is not None:
            self._waiting[name] = text
            self._put()
            return
        if now - self._told.setdefault(name, now) >= PATIENCE:
            self._told[name] = now if name in islice(self._told, MOST_SHOWN) else math.inf
            self._put(*self._full("..", name, text))

    def forget(self, name: str) -> None:
        """A name waits no more, and there is nothing to say about it."""
        self._told.pop(name, None)
        if self._waiting.pop(name, None) is not None:
            self._put()

    def drop(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()
        self._told.clear()
        if self._block is not None:
            self._put()

    def lose(self) -> None:
        """Somebody else, a shell maybe, has written on the screen."""
        if self._block is not None:
            self._block.lose()

    def _put(self, *above: str) -> None:
        try:
            if self._block is not None:
                self._block.replace(self._lines(), above)
            else:
                lead = "" if self._err.width is None else "\r"  # over the ^C that the terminal echoes
                self._err.stream.write("".join(f"{lead}{line}\n" for line in above))
                self._err.flush()
        except OSError:
            self._err, self._block, self._one_screen = nowhere(), None, False

    def _lines(self) -> list[str]:
        """What waits, in a row each."""
        columns, rows = self._err.size()
        most = min(MOST_SHOWN, max(rows // 2 - 1, 1))
        lines = []
        for name, text in islice(self._waiting.items(), most):
            head, indent = self._head("..", name)
            lines.append(head + shorten(escape(text), columns - indent, self._err.ellipsis))
        if (others := len(self._waiting) - most) > 0:
            lines.append(f"  {self._err.paint('..', 'dim')}  and {others} more that are not ready yet")
        return lines

    def _full(self, mark: str, name: str, text: str) -> list[str]:
        head, indent = self._head(mark, name)
        if self._err.width is None:
            return [head + escape(text)]
        columns, _ = self._err.size()
        first, *rest = wrap(escape(text), max(columns - indent, 20))
        return [head + first, *(" " * indent + line for line in rest)]

    def _good(self, name: str, parts: Sequence[str], took: str) -> list[str]:
        head, indent = self._head("ok", name)
        first, *rest = map(escape, parts)
        if self._err.width is not None:
            room = min(self._err.size()[0], _ROOM) - indent - len(took) - 2
            while len(rest) > 1 and width(_GAP.join((first, *rest))) > room:
                rest.pop()
            first = shorten(first, max(room - sum(len(_GAP) + width(each) for each in rest), 1), self._err.ellipsis)
        else:
            room = _ROOM - indent - len(took) - 2
        text = _GAP.join((first, *rest))
        return [f"{head}{text}{' ' * max(room - width(text), 0)}  {took}".rstrip()]

    def _head(self, mark: str, name: str) -> tuple[str, int]:
        """What a line begins with, and its columns."""
        padded = f"{escape(name):<{self._name_width}}"
        return f"  {self._err.paint(mark, _MARKS[mark])}  {padded}  ", 8 + len(padded)


def _same(one: Terminal, other: Terminal) -> bool:
    try:
        return one.rewrites and os.ttyname(one.stream.fileno()) == os.ttyname(other.stream.fileno())
    except (OSError, ValueError):
        return False
