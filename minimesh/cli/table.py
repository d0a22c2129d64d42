"""Rows in aligned columns."""

from collections.abc import Sequence
from typing import NamedTuple

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import escape, shorten, width

GAP = "  "


class Column(NamedTuple):
    """A title and how the cells under it behave where the terminal is too narrow for all.

    `shrink`: the least width that the column may be cut to (0: never cut). `drop`: 0 stays; the highest number
    leaves first. `wide`: shown with `-o wide` only.
    """

    title: str
    right: bool = False
    shrink: int = 0
    drop: int = 0
    wide: bool = False


def render(columns: Sequence[Column], rows: Sequence[Sequence[str]], out: Terminal) -> list[str]:
    """Lines without trailing spaces: the titles, then the rows. Every cell is escaped."""
    cells = [[column.title for column in columns], *([escape(cell) for cell in row] for row in rows)]
    widths = [max(width(row[index]) for row in cells) for index in range(len(columns))]
    shown = list(range(len(columns)))
    if out.width is not None:
        shown = _fit(columns, widths, out.width)
    return [_line(columns, row, widths, shown, out.ellipsis) for row in cells]


def _fit(columns: Sequence[Column], widths: list[int], room: int) -> list[int]:
    """Which columns stay; first cuts those that may be cut (in `widths`), then leaves out columns."""
    shown = list(range(len(columns)))
    while True:
        natural = [widths[index] for index in shown]
        over = sum(natural) + len(GAP) * (len(shown) - 1) - room
        slack = {
            index: widths[index] - columns[index].shrink for index in shown if 0 < columns[index].shrink < widths[index]
        }
        droppable = [index for index in shown if columns[index].drop]
        if over <= sum(slack.values()) or not droppable:
            for index in sorted(slack, key=slack.__getitem__, reverse=True):
                cut = max(0, min(over, slack[index]))
                widths[index] -= cut
                over -= cut
            return shown
        shown.remove(max(droppable, key=lambda index: columns[index].drop))


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], shown: Sequence[int], mark: str) -> str:
    parts = []
    for index in shown:
        text = shorten(row[index], widths[index], mark)
        padding = " " * (widths[index] - width(text))
        parts.append(padding + text if columns[index].right else text + padding)
    return GAP.join(parts).rstrip()
