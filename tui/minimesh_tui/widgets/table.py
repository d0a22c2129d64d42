"""A table whose rows have names: the cursor stays with its row, whatever moves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.segment import Segment
from textual.strip import Strip

from minimesh.cli.text import shorten, width
from minimesh_tui.look import Look, Role
from minimesh_tui.widgets.lines import NOTHING, Lines

GAP = "  "
Cell: TypeAlias = tuple[object, Role]
"""What is shown, and as what."""


@dataclass(frozen=True, slots=True)
class Column:
    """drop: where columns do not all fit, the highest goes first; 0 never. most: wider values are cut.

    paint: for values that are not text: drawn for the room there is, which is the whole rest of the line.
    """

    title: str
    right: bool = False
    drop: int = 0
    most: int = 40
    least: int = 1
    paint: Callable[[object, int], str] | None = None


def fit(columns: Sequence[Column], widths: Sequence[int], room: int) -> dict[int, int]:
    """The columns that are shown, by their place, and how wide; a painted one takes what is left."""
    shown = dict(enumerate(widths))

    def taken() -> int:
        return sum(shown.values()) + len(GAP) * (len(shown) - 1)

    for place in sorted((place for place in shown if columns[place].drop), key=lambda place: -columns[place].drop):
        if taken() <= room:
            break
        del shown[place]
    for place, least in shown.items():
        if columns[place].paint is not None:
            shown[place] = least + max(0, min(columns[place].most - least, room - taken()))
    return shown


class Table(Lines):
    """Columns get wider as values need it and never narrower, so that nothing dances."""

    head = 1

    def __init__(self, look: Look, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id)
        self._columns = columns
        self._widths = [max(column.least, width(column.title)) for column in columns]
        self._shown: dict[int, int] = {}
        self._names: list[str] = []
        self._rows_of: list[tuple[Cell, ...]] = []

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def selected(self) -> str | None:
        """The name of the row under the cursor."""
        return self._names[self.cursor] if self.cursor is not None and self.cursor < len(self._names) else None

    def select(self, name: str) -> None:
        if name in self._names:
            self.move_to(self._names.index(name))

    def show(self, rows: Mapping[str, tuple[Cell, ...]]) -> None:
        """By name, in order. Only lines that differ from before are drawn again."""
        selected = self.selected
        before, names = self._rows_of, [*rows]
        self._rows_of = [*rows.values()]
        moved = names != self._names
        self._names = names
        if self._widen() or len(before) != len(names):
            self._keep_cursor(selected)
            self.all_changed()
        else:
            place = self.cursor
            self._keep_cursor(selected)
            differing = {index for index, row in enumerate(self._rows_of) if row != before[index]}
            if moved and place != self.cursor:
                differing |= {each for each in (place, self.cursor) if each is not None}
            self.changed(sorted(differing))
        if moved and self.cursor is not None:
            self.show_row(self.cursor)

    def draw_head(self) -> Strip:
        style = self.look.of(Role.HEAD)
        parts = [self._aligned(place, self._columns[place].title, room) for place, room in self._shown.items()]
        return Strip([Segment(" " + GAP.join(parts), style)])

    def draw(self, index: int) -> Strip:
        segments = [Segment(" ", NOTHING)]
        for place, room in self._shown.items():
            value, role = self._rows_of[index][place]
            paint = self._columns[place].paint
            text = paint(value, room) if paint else shorten(str(value), room, self.look.glyphs.ellipsis)
            segments.append(Segment(self._aligned(place, text, room) + GAP, self.look.of(role)))
        return Strip(segments)

    def clicked(self, row: int) -> None:
        self.move_to(row)

    def marked(self, strip: Strip) -> Strip:
        """What is painted stays as it is: turned round it would say something else."""
        painted = sum(room for place, room in self._shown.items() if self._columns[place].paint)
        if not painted:
            return super().marked(strip)
        edge = 1 + sum(self._shown.values()) + len(GAP) * (len(self._shown) - 1) - painted
        return Strip.join([super().marked(strip.crop(0, edge - 1)), strip.crop(edge - 1)])

    def on_resize(self) -> None:
        self._refit()
        super().on_resize()

    def _aligned(self, place: int, text: str, room: int) -> str:
        space = " " * max(0, room - width(text))
        return space + text if self._columns[place].right else text + space

    def _keep_cursor(self, name: str | None) -> None:
        if name in self._names:
            self.cursor = self._names.index(name)
        elif self._names:
            self.cursor = min(self.cursor or 0, len(self._names) - 1)
        else:
            self.cursor = None

    def _widen(self) -> bool:
        grew = False
        for place, column in enumerate(self._columns):
            if column.paint is None:
                widest = max((width(str(row[place][0])) for row in self._rows_of), default=0)
                if (wanted := min(widest, column.most)) > self._widths[place]:
                    self._widths[place] = wanted
                    grew = True
        if grew:
            self._refit()
        return grew

    def _refit(self) -> None:
        self._shown = fit(self._columns, self._widths, self.room - 2)
