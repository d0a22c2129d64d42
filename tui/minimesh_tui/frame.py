"""What is around every screen: the top line, the row of screens, notes and keys, and a life that ends well."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher

from minimesh_tui import status
from minimesh_tui.keys import SERVICES
from minimesh_tui.look import Look, Role
from minimesh_tui.model import Board
from minimesh_tui.screens.logs import EventsView, LogsView
from minimesh_tui.screens.services import ServicesView
from minimesh_tui.widgets.bars import AlarmBar, Bar, Part
from minimesh_tui.widgets.prompt import Prompt

SAID_FOR = 4.0
"""Seconds."""
NARROWEST, LOWEST = 60, 15

Clock = Callable[[], datetime]


def now() -> datetime:
    """As a person's clock shows it."""
    return datetime.now(UTC).astimezone()


class Frame(App[None], inherit_bindings=False):
    """Knows what to show around the views; what they show, and what keys do, is for its heir.

    window: the name of the time that rates are of. gone: what is said of a mesh that has ended.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (status.WIDE, "-wide")]  # noqa: RUF012 - the base has it so
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "leave", priority=True, show=False)]

    def __init__(self, appearance: Look, *, start: str, read_only: bool, clock: Clock) -> None:
        super().__init__(ansi_color=True)
        self.look = appearance
        self.read_only = read_only
        self.board = Board()
        self.services = ServicesView(appearance, self.board)
        self.logs = LogsView(appearance)
        self.happened = EventsView(appearance, "events")
        self.prompt = Prompt(appearance, self._show_keys)
        self.window = "1m"
        self.gone = ""
        self.paused = False
        self.too_small = False
        """The terminal is: nothing else is shown, so nobody can see what a key would do."""
        self.clock = clock
        self._top = Bar(appearance, id="top")
        self._tabs = Bar(appearance, id="tabs")
        self._alarm = AlarmBar(appearance, id="alarm")
        self._views = ContentSwitcher(id="views", initial=start)
        self._keys = Bar(appearance, id="keys")
        self._small = Bar(appearance, id="small")
        self._said: list[Part] = []

    def compose(self) -> ComposeResult:
        yield self._top
        yield self._tabs
        yield self._alarm
        with self._views:
            yield self.services
            yield self.logs
            yield self.happened
        yield self.prompt
        yield self._keys
        yield self._small

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with suppress(ValueError, RuntimeError):  # not in the main thread: a test
                loop.add_signal_handler(number, self.exit)
        self.set_class(self.look.glyphs.corners == "++", "-ascii")
        self.set_class(self.look.theme == "mono", "-mono")
        self.services.show()
        self.set_interval(1.0, self.show_bars)
        self._unsaying = self.set_timer(SAID_FOR, self._unsay)

    def on_resize(self, event: events.Resize) -> None:
        self.too_small = event.size.width < NARROWEST or event.size.height < LOWEST
        self.screen.set_class(self.too_small, "-tiny")
        need = f"needs {NARROWEST}x{LOWEST}, is {event.size.width}x{event.size.height}"
        self._small.show([(need, Role.STRONG)])
        self.show_bars()
        self.call_after_refresh(self.services.show)

    def action_leave(self) -> None:
        self.exit()

    @property
    def at(self) -> str:
        """The screen that is shown."""
        return self._views.current or SERVICES

    def go_to(self, screen: str) -> None:
        self._views.current = screen
        self.show_bars()

    def say(self, text: str, role: Role = Role.STRONG) -> None:
        """For some seconds, where the keys are told otherwise."""
        self._said = [(f" {text}", role)]
        self._unsaying.stop()
        self._unsaying = self.set_timer(SAID_FOR, self._unsay)
        self._show_keys()

    def show_bars(self) -> None:
        width = self.size.width
        clock = f"{self.clock():%H:%M:%S}"
        self._top.show(*status.top_line(self.board, self.look, self.window, self._life(), clock, width))
        self._tabs.show(*status.tab_row(self.at, self.look, width))
        frozen = "data frozen, " if width >= 70 else ""
        again = "" if self.read_only else ", U starts it again"
        self._alarm.show([(f" {self.gone}: {frozen}q leaves{again}", Role.ALARM)])
        self._show_keys()

    def show_gone(self) -> None:
        """That the mesh has ended, or that it is there again."""
        self._alarm.set_class(bool(self.gone), "-shown")
        for view in (self.services, self.logs, self.happened):
            view.freeze(bool(self.gone))
        self.show_bars()

    def begin(self, group: str, work: Callable[[], Coroutine[None, None, None]], *, alone: bool = True) -> None:
        """alone: instead of what the group was doing."""
        self.run_worker(work, group=group, exclusive=alone)  # type: ignore[arg-type]  # cannot infer its result type

    def end(self, group: str) -> None:
        self.workers.cancel_group(self, group)

    def _life(self) -> tuple[str, Role]:
        if self.board.mesh is None:
            return "connecting", Role.STARTING
        if self.gone:
            return "GONE", Role.DOWN
        return ("PAUSED", Role.DEGRADED) if self.paused else ("LIVE", Role.OK)

    def _show_keys(self) -> None:
        self._keys.set_class(self.prompt.asking, "-hidden")
        self._keys.show(self._said or status.footer(self.at, self.size.width, self.read_only))

    def _unsay(self) -> None:
        self._said = []
        self._show_keys()
