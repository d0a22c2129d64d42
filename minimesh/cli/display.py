"""The lines of `minimesh up`: what stands, and below it what still waits, rewritten in place on a terminal."""

import math
from collections.abc import Iterable
from itertools import islice

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import escape, shorten, width

_MARKS = {"ok": "green", "..": "dim", "!!": "red", "--": "dim"}
_ROOM = 100
PATIENCE = 2.0
MOST_SHOWN = 10
"""Waiting names with a line each: more would not fit on a screen, and what has left it cannot be rewritten."""


class Display:
    """Progress goes to `err`, output of services to `out`; on a terminal, both are the same screen.

    `wait` keeps a line for a name below all others until `settle` or `drop`, for the first MOST_SHOWN of them; off a
    terminal it prints one for each that waits for PATIENCE seconds, and for those first ones again after as many.
    """

    def __init__(self, out: Terminal, err: Terminal) -> None:
        self._out = out
        self._err = err
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}
        self._shown = 0
        self._name_width = 8
        self._rewrites = err.width is not None and err.colour

    def align(self, names: Iterable[str]) -> None:
        """Makes room for the longest name."""
        self._name_width = max([self._name_width, *map(len, names)])

    def output(self, text: str) -> None:
        """A line of a service. Not escaped: the caller has."""
        self._above(self._out, text)

    def line(self, text: str) -> None:
        """A line of progress that stays. Not escaped either."""
        self._above(self._err, text)

    def settle(self, mark: str, name: str, text: str, took: str = "") -> None:
        """A line of progress that stays, with its mark (ok, !! or --), and how long it took at the right."""
        self._erase()
        self._waiting.pop(name, None)
        self._told.pop(name, None)
        self.line(self._compose(mark, name, text, took))

    def wait(self, name: str, text: str, now: float) -> None:
        """What a name waits for; `now` in seconds, of any one clock."""
        if self._rewrites:
            self._erase()
            self._waiting[name] = text
            self._paint()
            self._err.flush()
        elif now - self._told.setdefault(name, now) >= PATIENCE:
            self._told[name] = now if name in islice(self._told, MOST_SHOWN) else math.inf
            self._err.line(self._compose("..", name, text))
            self._err.flush()

    def drop(self) -> None:
        """Nothing waits any more."""
        self._erase()
        self._waiting.clear()
        self._err.flush()

    def _above(self, stream: Terminal, text: str) -> None:
        self._erase()
        self._err.flush()
        stream.line(text)
        stream.flush()
        self._paint()
        self._err.flush()

    def _compose(self, mark: str, name: str, text: str, took: str = "") -> str:
        body = f"{escape(name):<{self._name_width}}  {escape(text)}"
        room = min(self._err.width or _ROOM, _ROOM) - 6 - (len(took) + 2 if took else 0)
        if self._err.width is not None:
            body = shorten(body, room, self._err.ellipsis)
        padding = " " * max(room - width(body), 0) if took else ""
        return f"  {self._err.paint(mark, _MARKS[mark])}  {body}{padding}{'  ' + took if took else ''}"

    def _erase(self) -> None:
        if self._shown:
            self._err.stream.write(f"\x1b[{self._shown}A\x1b[J")
            self._shown = 0

    def _paint(self) -> None:
        if not self._rewrites:
            return
        for name, text in islice(self._waiting.items(), MOST_SHOWN):
            self._err.line(self._compose("..", name, text))
        self._shown = min(len(self._waiting), MOST_SHOWN)
        if (others := len(self._waiting) - self._shown) > 0:
            self._err.line(f"  {self._err.paint('..', 'dim')}  and {others} more that are not ready yet")
            self._shown += 1
