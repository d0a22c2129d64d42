"""The logs of all services or of some; and the events, which are lines as well."""

from collections.abc import Iterable, Sequence
from typing import cast

from textual.app import ComposeResult
from textual.containers import Vertical

from minimesh.control.views import DroppedView, EventView, LogView
from minimesh_tui.look import Look, Role
from minimesh_tui.widgets.bars import Heading, Part
from minimesh_tui.widgets.entry import LEVELS, Entry
from minimesh_tui.widgets.log import KEPT, LogLines


class LogsView(Vertical):
    """Lines with a heading that says which ones. `chosen`: these services only; empty: all."""

    title = "Logs"

    def __init__(self, look: Look, id: str = "logs") -> None:  # noqa: A002 - the base's name
        super().__init__(id=id)
        self.look = look
        self.lines = LogLines(look)
        self.head = Heading(look)
        self.chosen: tuple[str, ...] = ()
        self.level = 0
        self.words = ""
        self.filtering = True
        self.dropped = 0
        self._match: int | None = None
        self._names: list[str] = []
        self._latest = ("", 0)

    def compose(self) -> ComposeResult:
        self.lines.add_class("box", "fills")
        yield self.head
        yield self.lines

    @property
    def since(self) -> str | None:
        """From when on lines are wanted that are not here yet."""
        return self._latest[0] or None

    def freeze(self, frozen: bool) -> None:
        self.lines.freeze(frozen)

    def know(self, names: Sequence[str]) -> None:
        """The services there are."""
        if list(names) != self._names:
            self._names = list(names)
            self.lines.name_services({name: self.look.service(place) for place, name in enumerate(names)})

    def add(self, views: Iterable[LogView | DroppedView], again: int = 0) -> int:
        """Lines of a stream. again: how many of the latest moment have come before and come once more.

        Returns how many of those are still to come.
        """
        entries = []
        for view in views:
            if "dropped" in view:
                self.dropped += cast("DroppedView", view)["dropped"]
                continue
            if again and view["time"] == self._latest[0]:
                again -= 1
                continue
            again = 0
            same = self._latest[1] if view["time"] == self._latest[0] else 0
            self._latest = (view["time"], same + 1)
            entries.append(Entry(view["time"], view["service"], view["line"], view["stream"]))
        self.lines.add(entries)
        self.show()
        return again

    @property
    def seen_of_latest(self) -> int:
        return self._latest[1]

    def choose(self, names: Iterable[str]) -> None:
        self.chosen = tuple(names)
        self._sift()

    def next_level(self) -> None:
        self.level = (self.level + 1) % len(LEVELS)
        self._sift()

    def filter(self, words: str, on: bool = True) -> None:
        self.words, self.filtering = words, on
        self._sift()

    def find(self, needle: str) -> None:
        self._match = None
        self.lines.find(needle)
        if self.lines.matches:
            self.next_match(False)
        self.show()

    def next_match(self, forwards: bool) -> None:
        self._match = self.lines.next_match(forwards)
        self.show()

    def move(self, step: int) -> None:
        lines = self.lines
        lines.follow(False)
        lines.move_to((lines.cursor if lines.cursor is not None else lines.count - 1) + step)
        self.show()

    def page(self) -> int:
        return self.lines.page()

    def go(self, end: bool) -> None:
        if end:
            self.lines.follow(True)
            self.show()
        else:
            self.move(-1_000_000)

    def clear(self) -> None:
        self.lines.clear()
        self.show()

    def copied(self) -> str | None:
        entry = self.lines.selected
        return entry.plain if entry else None

    def show(self) -> None:
        """The heading, and why there is nothing."""
        lines = self.lines
        left: list[Part] = [(self.title, Role.STRONG), (f"   {' + '.join(self.chosen) or 'all services'}", Role.TEXT)]
        if self.level:
            left.append((f"   level >= {LEVELS[self.level]}", Role.KEY))
        if self.words:
            left.append((f"   filter{'' if self.filtering else ' off'}: {self.words}", Role.KEY))
        left.append(("   follow" if lines.following else "   frozen", Role.DIM if lines.following else Role.KEY))
        if lines.news and not lines.following:
            left.append((f" +{lines.news:,} new", Role.KEY))
        if lines.wrapped:
            left.append(("   wrap", Role.DIM))
        if lines.needle:
            place = "" if self._match is None else f"{self._match + 1} of "
            left.append((f"   match {place}{len(lines.matches):,}: '{lines.needle}'", Role.KEY))
        part = "" if lines.matching == lines.kept else f"{lines.matching:,} of "
        right: list[Part] = [(f"{part}{lines.kept:,} lines", Role.DIM)]
        if self.dropped:
            right.insert(0, (f"{self.dropped:,} left out (over 1,000/s)   ", Role.DEGRADED))
        self.head.show(left, right)
        if lines.kept and not lines.count:
            lines.say_when_empty(self._why_hidden())
        else:
            lines.say_when_empty(self._nothing())

    def _nothing(self) -> str:
        return f"nothing written yet; what comes is kept here, {KEPT:,} lines of each service"

    def _why_hidden(self) -> str:
        if self.words and self.filtering:
            return f"filter hides all {self.lines.kept:,} lines: F shows them"
        keys = ("v other services" if self.chosen else "", "L all levels" if self.level else "")
        return f"none of the {self.lines.kept:,} lines is of these: {', '.join(filter(None, keys))}"

    def _sift(self) -> None:
        chosen, level = frozenset(self.chosen), self.level
        words = self.words.lower().split() if self.filtering else []
        if not chosen and not level and not words:
            self.lines.want(None)
        else:
            self.lines.want(
                lambda entry: (
                    (not chosen or entry.service in chosen)
                    and (not level or entry.level >= level)
                    and all(word in entry.plain.lower() for word in words)
                )
            )
        self.show()


class EventsView(LogsView):
    """What happened to services and mesh."""

    title = "Events"

    def take(self, events: Iterable[EventView]) -> None:
        self.lines.add([Entry(e["time"], e["service"], f"{e['kind']:<12}{e['message']}") for e in events])
        self.show()

    def _nothing(self) -> str:
        return "nothing has happened yet"
