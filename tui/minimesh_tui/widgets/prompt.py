"""The line that is typed into, in the place of the keys."""

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.suggester import SuggestFromList
from textual.widgets import Input

from minimesh_tui.look import Look, Role
from minimesh_tui.widgets.bars import Bar

Then = Callable[[str], None]


class Prompt(Horizontal):
    """Hidden until it asks. `turned` is called when it begins to ask, and when it no longer does."""

    def __init__(self, look: Look, turned: Callable[[], None]) -> None:
        super().__init__(id="prompt")
        self._label = Bar(look, id="prompt-label")
        self._field = Input(compact=True, select_on_focus=False)
        self._turned = turned
        self._then: Then | None = None
        self._live = False
        self._before = ""

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._field

    @property
    def asking(self) -> bool:
        return self._then is not None

    def ask(self, label: str, text: str, then: Then, *, live: bool = False, offers: Sequence[str] = ()) -> None:
        """then: is told what was typed, with `live` at every letter as well. offers: lines that may be meant."""
        self._then, self._live, self._before = then, live, text
        self._label.show([(label, Role.KEY)])
        self._label.styles.width = len(label)
        self._field.suggester = SuggestFromList(offers, case_sensitive=False) if offers else None
        with self.prevent(Input.Changed):
            self._field.value = text
        self._field.cursor_position = len(text)
        self.add_class("-shown")
        self._turned()
        self._field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._then is not None and self._live:
            self._then(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close(event.value)

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self._close(self._before if self._live else None)

    def _close(self, answer: str | None) -> None:
        """None: as if nothing had been asked."""
        then, self._then = self._then, None
        self.remove_class("-shown")
        self.screen.set_focus(None)
        self._turned()
        if then is not None and answer is not None:
            then(answer)
