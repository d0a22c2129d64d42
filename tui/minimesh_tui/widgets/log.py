"""A log that grows at its end: a ring for each service, filtered, found in, wrapped, drawn by the line."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from rich.ansi import AnsiDecoder
from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from minimesh.cli.text import escape, local_time
from minimesh_tui.look import Look, Role
from minimesh_tui.widgets.entry import ERROR, WARN, Entry
from minimesh_tui.widgets.lines import NOTHING, Lines

KEPT = 5_000
"""Lines of each service."""
KEPT_IN_ALL = 50_000
TIDY_EVERY = 1_000
STEP = 20
"""Columns that left and right move."""

Row = tuple[Entry, int, int]
"""A line of the screen: characters of an entry from, to."""
Wanted = Callable[[Entry], bool]

_ROLES: Mapping[int | None, Role] = {WARN: Role.DEGRADED, ERROR: Role.DOWN}


def _role(entry: Entry) -> Role:
    """Of its text: what the mesh says stands out, and so do warnings and errors that call themselves so."""
    return Role.STRONG if entry.source == "mesh" else _ROLES.get(entry.said_level, Role.TEXT)


class LogLines(Lines):
    """Follows its end until told otherwise. `news`: rows that came since it does not."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(look, id=id)
        self.following = True
        self.wrapped = False
        self.news = 0
        self.needle = ""
        self.matches: list[int] = []
        self._entries: list[Entry] = []
        self._shown: list[Row] = []
        self._wanted: Wanted | None = None
        self.matching = 0
        """Entries that are wanted; wrapped ones take more rows than one."""
        self._last: tuple[Entry, str, Text] | None = None
        self._added = 0
        self._shift = 0
        self._names = 8
        self._styles: Mapping[str, Style] = {}

    @property
    def count(self) -> int:
        return len(self._shown)

    @property
    def kept(self) -> int:
        return len(self._entries)

    @property
    def selected(self) -> Entry | None:
        """Under the cursor; else the last one on screen."""
        if not self._shown:
            return None
        row = self.cursor if self.cursor is not None else (self.on_screen or range(1))[-1]
        return self._shown[row][0]

    def name_services(self, styles: Mapping[str, Style]) -> None:
        """Whose lines there may be, and how their names look."""
        names = max([8, *map(len, styles)])
        if styles != self._styles or names != self._names:
            self._styles, self._names = styles, names
            self._arrange()

    def add(self, entries: Iterable[Entry]) -> None:
        """At the end, as they came."""
        new = [*entries]
        before = len(self._shown)
        self._entries += new
        for entry in new:
            if self._wanted is None or self._wanted(entry):
                self._show(entry)
        self._grown(before)
        self._added += len(new)
        if self._added >= TIDY_EVERY:
            self._tidy()

    def clear(self) -> None:
        self._entries.clear()
        self._arrange()

    def want(self, wanted: Wanted | None) -> None:
        self._wanted = wanted
        self._arrange()

    def wrap(self, wrapped: bool) -> None:
        self.wrapped, self._shift = wrapped, 0
        self._arrange()

    def follow(self, following: bool) -> None:
        self.following = following
        if following:
            self.news = 0
            if self.cursor is not None:
                before, self.cursor = self.cursor, None
                self.changed([before])
            self._to_end()
        elif self.cursor is None and self.count:
            self.cursor = (self.on_screen or range(self.count))[-1]
            self.changed([self.cursor])

    def clicked(self, row: int) -> None:
        self.follow(False)
        self.move_to(row)

    def on_mouse_scroll_up(self) -> None:
        self.following = False

    def shift(self, steps: int) -> None:
        """To the right, to the left; not where lines are wrapped."""
        if not self.wrapped:
            self._shift = max(0, self._shift + STEP * steps)
            self.all_changed()

    def find(self, needle: str) -> None:
        """Marks what matches, in any case of letters."""
        self.needle = needle.lower()
        self.matches = [row for row in range(len(self._shown)) if self._is_match(row)] if needle else []
        self.all_changed()

    def next_match(self, forwards: bool) -> int | None:
        """The place in `matches` of the next one after the cursor, round the end."""
        if not self.matches:
            return None
        here = self.cursor if self.cursor is not None else (self.on_screen or range(1))[-1]
        later = [place for place, row in enumerate(self.matches) if (row > here if forwards else row < here)]
        if not later:
            later = [0, len(self.matches) - 1]
        place = later[0] if forwards else later[-1]
        self.following = False
        self.move_to(self.matches[place])
        return place

    def draw(self, index: int) -> Strip:
        entry, start, end = self._shown[index]
        head = self._head(entry, start)
        body = self._body(entry, start, end)
        if self._shift:
            body = body.crop(min(self._shift, body.cell_length))
        return Strip.join([head, body])

    def on_resize(self) -> None:
        if self.wrapped:
            self._arrange()
        super().on_resize()
        if self.following:
            self._to_end()

    def _head(self, entry: Entry, start: int) -> Strip:
        room = self._names
        edge = Segment(" | ", self.look.of(Role.DIM))
        if start:
            return Strip([Segment(" " * (14 + room), NOTHING), edge])
        style = self._styles.get(entry.service, NOTHING)
        return Strip(
            [
                Segment(f" {local_time(entry.time)} ", self.look.of(Role.DIM)),
                Segment(escape(entry.service)[:room].ljust(room), style),
                edge,
            ]
        )

    def _body(self, entry: Entry, start: int, end: int) -> Strip:
        base = self.look.of(_role(entry))
        if entry.raw is entry.plain and (not self.needle or self.needle not in entry.plain.lower()):
            return Strip([Segment(entry.plain[start:end], base)])
        text = self._decoded(entry)
        pieces = text[start:end].render(self.app.console)
        return Strip(
            [Segment(piece.text, base + piece.style if piece.style else base) for piece in pieces if piece.text]
        )

    def _decoded(self, entry: Entry) -> Text:
        """Its colours and what is found in it. The last one is kept: a wrapped line asks for each of its rows."""
        if self._last is not None and self._last[:2] == (entry, self.needle):
            return self._last[2]
        coloured = entry.raw is not entry.plain and self.look.theme != "mono"
        text = AnsiDecoder().decode_line(entry.raw) if coloured else Text(entry.plain)
        if self.needle:
            text.highlight_regex(re.compile(re.escape(self.needle), re.IGNORECASE), self.look.of(Role.FOUND))
        self._last = (entry, self.needle, text)
        return text

    def _show(self, entry: Entry) -> None:
        self.matching += 1
        if not self.wrapped:
            self._row(entry, 0, len(entry.plain))
            return
        room = max(10, self.room - self._names - 17)
        if len(entry.plain) * 2 <= room:
            self._row(entry, 0, len(entry.plain))
        elif entry.plain.isascii():
            for start in range(0, len(entry.plain), room):
                self._row(entry, start, min(len(entry.plain), start + room))
        elif cell_len(entry.plain) <= room:
            self._row(entry, 0, len(entry.plain))
        else:
            start = 0
            for part in chop_cells(entry.plain, room):
                self._row(entry, start, start + len(part))
                start += len(part)

    def _row(self, entry: Entry, start: int, end: int) -> None:
        self._shown.append((entry, start, end))
        if self.needle and self._is_match(len(self._shown) - 1):
            self.matches.append(len(self._shown) - 1)

    def _is_match(self, row: int) -> bool:
        entry, start, _ = self._shown[row]
        return start == 0 and self.needle in entry.plain.lower()

    def _grown(self, before: int) -> None:
        if len(self._shown) == before:
            return
        self._resize()
        if self.following:
            self._to_end()
        else:
            self.news += len(self._shown) - before
        self.changed(range(before, min(len(self._shown), before + self.size.height)))

    def _to_end(self) -> None:
        self.scroll_to(y=max(0, self.count - self._rows), animate=False, force=True)

    def _tidy(self) -> None:
        """Lets go of what is too old; what is looked at stays where it is."""
        self._added = 0
        count: Counter[str] = Counter()
        left: list[Entry] = []
        gone = {id(entry) for entry in self._entries[:-KEPT_IN_ALL]}
        for entry in reversed(self._entries[-KEPT_IN_ALL:]):
            count[entry.service] += 1
            if count[entry.service] <= KEPT:
                left.append(entry)
            else:
                gone.add(id(entry))
        if gone:
            self._entries = left[::-1]
            self._let_go(gone)

    def _let_go(self, gone: set[int]) -> None:
        """Rows of these entries (by identity)."""

        def moved(row: int) -> int:
            return row - sum(id(entry) in gone for entry, _, _ in self._shown[:row])

        top = 0 if self.following else moved(self.scroll_offset.y)
        if self.cursor is not None:
            self.cursor = moved(self.cursor)
        self.matching -= sum(start == 0 and id(entry) in gone for entry, start, _ in self._shown)
        self._shown = [row for row in self._shown if id(row[0]) not in gone]
        self.matches = [row for row in range(len(self._shown)) if self._is_match(row)] if self.needle else []
        if self.cursor is not None and self.cursor >= self.count:
            self.cursor = None
        self.all_changed()
        if not self.following:
            self.scroll_to(y=top, animate=False, force=True)

    def _arrange(self) -> None:
        """All rows anew; what was at the top of the screen, or under the cursor, stays there."""
        anchor = self._shown[self.cursor][0] if self.cursor is not None and self.cursor < self.count else None
        top = self._shown[self.scroll_offset.y][0] if self.scroll_offset.y < self.count else None
        self._shown, self.matches, self.matching = [], [], 0
        for entry in self._entries:
            if self._wanted is None or self._wanted(entry):
                self._show(entry)
        places = {id(entry): row for row, (entry, start, _) in enumerate(self._shown) if start == 0}
        self.cursor = places.get(id(anchor)) if anchor is not None else None
        self.all_changed()
        if self.following:
            self._to_end()
        elif top is not None and id(top) in places:
            self.scroll_to(y=places[id(top)], animate=False, force=True)
