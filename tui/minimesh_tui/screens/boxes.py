"""Boxes over a screen: a question, the keys, a choice of services."""

from collections.abc import Sequence
from textwrap import wrap

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from minimesh_tui.keys import told
from minimesh_tui.look import Look, Role
from minimesh_tui.screens.detail import Facts
from minimesh_tui.widgets.bars import Paragraph, Part

KEYS = 13
"""Columns for the keys of the help."""
MOST_OF_HELP = 92


class Ask(ModalScreen[bool]):
    """A question that only `y`, or Enter where yes is the default, says yes to."""

    def __init__(self, look: Look, question: str, details: Sequence[str], default: bool) -> None:
        super().__init__()
        self._look = look
        self._question = question
        self._details = details
        self._default = default

    def compose(self) -> ComposeResult:
        lines: list[list[Part]] = [[(self._question, Role.STRONG)]]
        lines += [[(detail, Role.DIM)] for detail in self._details]
        yes = [("y", Role.KEY), (" yes", Role.TEXT)]
        no = [("n", Role.KEY), (" no", Role.TEXT)]
        (yes if self._default else no).append((" (Enter)", Role.DIM))
        paragraph = Paragraph(self._look)
        paragraph.show([*lines, [], [*yes, ("    ", Role.TEXT), *no]])
        with Vertical(classes="window"):
            yield paragraph

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if event.key in ("y", "Y"):
            self.dismiss(True)
        elif event.key in ("n", "N", "escape", "q"):
            self.dismiss(False)
        elif event.key == "enter":
            self.dismiss(self._default)


class Help(ModalScreen[None]):
    """The keys of a screen. Moving scrolls, any other key closes it."""

    def __init__(self, look: Look, screen: str, read_only: bool) -> None:
        super().__init__()
        self._of = screen
        self._keys = [key for key in told(screen) if not (read_only and key.changes)]
        self._facts = Facts(look)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield self._facts

    def on_mount(self) -> None:
        self.on_resize()

    def on_resize(self) -> None:
        width, height = self.app.size
        room = min(MOST_OF_HELP, width - 6)
        lines: list[list[Part]] = [[(f"keys of {self._of}", Role.STRONG)], []]
        for key in self._keys:
            for place, piece in enumerate(wrap(key.about, room - KEYS - 2)):
                lines.append([(f"{'' if place else key.shown:<{KEYS}}", Role.KEY), (piece, Role.TEXT)])
        self._facts.styles.width = room
        self._facts.styles.height = min(len(lines), height - 2)
        self._facts.show(lines)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        steps = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": self._facts.page(), "pageup": -self._facts.page()}
        if event.key in steps:
            self._facts.scroll_to(y=self._facts.scroll_offset.y + steps[event.key], animate=False)
        else:
            self.dismiss()


class Choose(ModalScreen["tuple[str, ...] | None"]):
    """Some of several; none chosen means all. None: as before."""

    def __init__(self, look: Look, names: Sequence[str], chosen: Sequence[str]) -> None:
        super().__init__()
        self._look = look
        self._names = names
        self._chosen = set(chosen)
        self._cursor = next((place for place, name in enumerate(names) if name in self._chosen), 0)
        self._paragraph = Paragraph(look)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield self._paragraph

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        if event.key in ("j", "down"):
            self._cursor = min(self._cursor + 1, len(self._names) - 1)
        elif event.key in ("k", "up"):
            self._cursor = max(self._cursor - 1, 0)
        elif event.key == "space" and self._names:
            self._chosen ^= {self._names[self._cursor]}
        elif event.key == "a":
            self._chosen.clear()
        elif event.key == "enter":
            self.dismiss(tuple(name for name in self._names if name in self._chosen))
        elif event.key in ("escape", "q"):
            self.dismiss(None)
        self._show()

    def _show(self) -> None:
        room = max(3, self.app.size.height - 8)
        top = max(0, min(self._cursor - room // 2, len(self._names) - room))
        lines: list[list[Part]] = [[("whose lines", Role.STRONG), ("  none marked: all", Role.DIM)], []]
        for place, name in enumerate(self._names[top : top + room], top):
            mark = f"[{'x' if name in self._chosen else ' '}] {name:<20}"
            lines.append([(mark, Role.CURSOR if place == self._cursor else Role.TEXT)])
        keys = (("Space", " mark   "), ("a", " all   "), ("Enter", " show   "), ("Esc", " back"))
        lines += [[], [part for key, label in keys for part in ((key, Role.KEY), (label, Role.TEXT))]]
        self._paragraph.show(lines)
