"""Single lines: the top line, the screens there are, headings of boxes, the keys."""

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from minimesh.cli.text import escape
from minimesh_tui.look import Look, Role
from minimesh_tui.widgets.lines import NOTHING

Part = tuple[str, Role]


class Bar(Widget, can_focus=False):
    """One line: parts from the left, parts at the right end. Drawn again only when they differ."""

    def __init__(self, look: Look, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.look = look
        self._left: tuple[Part, ...] = ()
        self._right: tuple[Part, ...] = ()

    def show(self, left: Iterable[Part], right: Iterable[Part] = ()) -> None:
        shown = tuple(left), tuple(right)
        if shown != (self._left, self._right):
            self._left, self._right = shown
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render_line(self, y: int) -> Strip:
        if y:
            return Strip.blank(self.size.width, NOTHING)
        room = self.size.width
        right = self._strip(self._right)
        left = self._strip(self._left).crop(0, max(0, room - right.cell_length))
        middle = Strip([self.filling(room - left.cell_length - right.cell_length)])
        return Strip.join([left, middle, right]).crop(0, room)

    def filling(self, columns: int) -> Segment:
        return Segment(" " * max(0, columns), NOTHING)

    def _strip(self, parts: Sequence[Part]) -> Strip:
        return Strip([Segment(escape(text), self.look.of(role)) for text, role in parts if text])


class AlarmBar(Bar):
    """All of one colour."""

    def filling(self, columns: int) -> Segment:
        return Segment(" " * max(0, columns), self.look.of(Role.ALARM))


class Heading(Bar):
    """The upper edge of a box, with text at both ends."""

    def render_line(self, y: int) -> Strip:
        edge = self.look.of(Role.HEAD)
        glyphs = self.look.glyphs
        room = max(0, self.size.width - 4)
        right = self._strip([(" ", Role.TEXT), *self._right, (" ", Role.TEXT)] if self._right else [])
        left = self._strip([(" ", Role.TEXT), *self._left, (" ", Role.TEXT)])
        if left.cell_length > room:
            left = left.crop(0, room - 1)
            left = Strip.join([left, Strip([Segment(glyphs.ellipsis, edge)])])
        if left.cell_length + right.cell_length > room:
            right = Strip([])
        line = glyphs.line * (room - left.cell_length - right.cell_length)
        return Strip.join(
            [
                Strip([Segment(glyphs.corners[0] + glyphs.line, edge)]),
                left,
                Strip([Segment(line, edge)]),
                right,
                Strip([Segment(glyphs.line + glyphs.corners[1], edge)]),
            ]
        )


class Paragraph(Widget, can_focus=False):
    """Some lines of parts, cut at the right."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.look = look
        self._lines: list[list[Part]] = []

    def show(self, lines: list[list[Part]]) -> None:
        if lines != self._lines:
            self._lines = lines
            self.refresh(layout=self.styles.height is None or self.styles.height.is_auto)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return max((sum(len(text) for text, _ in line) for line in self._lines), default=0)

    def render_line(self, y: int) -> Strip:
        parts = self._lines[y] if y < len(self._lines) else []
        strip = Strip([Segment(escape(text), self.look.of(role)) for text, role in parts if text])
        return strip.crop(0, self.size.width).extend_cell_length(self.size.width, NOTHING)
