"""The widget under every live list: rows that are drawn once and kept until they change.

The terminal library's own table and log cost six to eleven times as much when rows change twice a second.
"""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from minimesh_tui.look import Look, Role

NOTHING = Style()


class Lines(ScrollView, can_focus=False):
    """Gives `count`, `draw` and, where there is one, `draw_head`; then says what has changed.

    `head`: lines at the top that stay while the rest scrolls. empty: what is told where there is no row.
    """

    head = 0

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(id=id)
        self.look = look
        self.cursor: int | None = None
        self.frozen = False
        """Its program has gone: everything is dim."""
        self._kept: dict[int, Strip] = {}
        self._empty = ""

    @property
    def count(self) -> int:
        raise NotImplementedError

    def draw(self, index: int) -> Strip:
        """A row as it is without the cursor, of any width."""
        raise NotImplementedError

    def draw_head(self) -> Strip:
        raise NotImplementedError

    @property
    def room(self) -> int:
        return self.scrollable_content_region.width

    @property
    def on_screen(self) -> range:
        """Rows on screen."""
        top = self.scroll_offset.y
        return range(top, min(self.count, top + self._rows))

    @property
    def at_end(self) -> bool:
        return self.scroll_offset.y >= self.count - self._rows

    def say_when_empty(self, text: str) -> None:
        if text != self._empty:
            self._empty = text
            if not self.count:
                self.refresh()

    def freeze(self, frozen: bool) -> None:
        if frozen != self.frozen:
            self.frozen = frozen
            self.all_changed()

    def all_changed(self) -> None:
        """Rows, their number and the head are new."""
        self._kept.clear()
        self._resize()
        self.refresh()

    def changed(self, rows: Iterable[int]) -> None:
        """These are to be drawn again; nothing else is."""
        for row in rows:
            self._kept.pop(row, None)
            self._refresh_row(row)

    def head_changed(self) -> None:
        for line in range(self.head):
            self.refresh(Region(0, line, self.size.width, 1))

    def move_to(self, row: int) -> None:
        """The cursor, and as much scrolling as it needs."""
        if not self.count:
            return
        before, self.cursor = self.cursor, max(0, min(self.count - 1, row))
        if before == self.cursor:
            return
        self.changed([each for each in (before, self.cursor) if each is not None])
        self.show_row(self.cursor)

    def show_row(self, row: int) -> None:
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + self._rows:
            self.scroll_to(y=row - self._rows + 1, animate=False)

    def page(self) -> int:
        return max(1, self._rows - 1)

    def render_line(self, y: int) -> Strip:
        if y < self.head:
            return self._fitted(self.draw_head())
        row = self.scroll_offset.y + y - self.head
        if row < self.count:
            strip = self._kept.get(row)
            if strip is None:
                if len(self._kept) >= 4 * max(1, self._rows):  # somebody scrolls through all of it
                    self._kept.clear()
                strip = self._kept[row] = self._finished(row)
            return strip
        if not self.count and y == self.head + min(1, self._rows - 1):
            return self._fitted(Strip([Segment(f"  {self._empty}", self.look.of(Role.DIM))]))
        return Strip.blank(self.room, NOTHING)

    def on_click(self, event: events.Click) -> None:
        row = self.scroll_offset.y + event.y - self.head
        if event.y >= self.head and row < self.count:
            self.clicked(row)

    def clicked(self, row: int) -> None:
        """Somebody points at a row."""

    def on_resize(self) -> None:
        self._kept.clear()
        self._resize()

    @property
    def _rows(self) -> int:
        """Room for rows."""
        return max(0, self.scrollable_content_region.height - self.head)

    def _finished(self, row: int) -> Strip:
        strip = self._fitted(self.draw(row))
        return self.marked(strip) if row == self.cursor else strip

    def marked(self, strip: Strip) -> Strip:
        """As under the cursor."""
        return Strip([Segment(strip.text, self.look.of(Role.CURSOR))], strip.cell_length)

    def _fitted(self, strip: Strip) -> Strip:
        fitted = strip.crop(0, self.room).extend_cell_length(self.room, NOTHING)
        return fitted.apply_style(self.look.of(Role.DIM)) if self.frozen else fitted

    def _refresh_row(self, row: int) -> None:
        line = row - self.scroll_offset.y + self.head
        if self.head <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def _resize(self) -> None:
        size = Size(self.room, self.count + self.head)
        if size != self.virtual_size:
            self.virtual_size = size
