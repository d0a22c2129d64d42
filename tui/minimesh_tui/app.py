"""The application: which screen is shown, what a key does, and what comes from the mesh."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.suggester import SuggestFromList
from textual.widgets import ContentSwitcher, Input

from minimesh.control.client import NotRunningError, RefusedError, segment
from minimesh_tui import clipboard, commands, status
from minimesh_tui.api import Api, Source
from minimesh_tui.keys import EVENTS, LOGS, SERVICES, key_of
from minimesh_tui.look import Look, Role, look
from minimesh_tui.model import Board, Order, Row
from minimesh_tui.screens.boxes import Ask, Choose, Help
from minimesh_tui.screens.logs import EventsView, LogsView
from minimesh_tui.screens.services import ServicesView
from minimesh_tui.widgets.bars import AlarmBar, Bar, Part

EVERY_MS = 500
RETRY = 1.0
"""Seconds between two looks for a mesh that has gone."""
GATHER = 0.2
"""Seconds for which lines of a log are left to gather, so that a flood of them is drawn five times a second."""
TAIL = 5_000
SAID_FOR = 4.0
NARROWEST, LOWEST = 60, 15

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC).astimezone()


class MeshApp(App[None], inherit_bindings=False):
    """A client of one mesh. `again`: the command that starts it once more."""

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (status.WIDE, "-wide")]  # noqa: RUF012 - the base has it so
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "leave", priority=True, show=False)]

    def __init__(
        self,
        source: Source,
        folder: Path,
        appearance: Look,
        *,
        start: str = SERVICES,
        read_only: bool = False,
        again: Sequence[str] = (),
        clock: Clock = _now,
    ) -> None:
        super().__init__(ansi_color=True)
        self.look = appearance
        self.board = Board()
        self.services = ServicesView(appearance, self.board)
        self.logs = LogsView(appearance)
        self.happened = EventsView(appearance, EVENTS)
        self._top = Bar(appearance, id="top")
        self._tabs = Bar(appearance, id="tabs")
        self._alarm = AlarmBar(appearance, id="alarm")
        self._views = ContentSwitcher(id="views", initial=start)
        self._prompt_line = Horizontal(id="prompt")
        self._prompt_label = Bar(appearance, id="prompt-label")
        self._field = Input(compact=True, select_on_focus=False)
        self._keys = Bar(appearance, id="keys")
        self._small = Bar(appearance, id="small")
        self._source = source
        self._folder = folder
        self._start = start
        self._read_only = read_only
        self._again = again
        self._clock = clock
        self._window = "1m"
        self._gone = ""
        self._generation = (0, 0)
        """Of the mesh process, and of what it was configured with: commands may differ after."""
        self._frozen = False
        self._said: list[Part] = []
        self._asked: Callable[[str], None] | None = None
        self._mouse_is_ours = True
        self._prompt_before = ""
        self._live_prompt = False

    def compose(self) -> ComposeResult:
        yield self._top
        yield self._tabs
        yield self._alarm
        with self._views:
            yield self.services
            yield self.logs
            yield self.happened
        with self._prompt_line:
            yield self._prompt_label
            yield self._field
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
        self.set_interval(1.0, self._show_bars)
        self._unsaying = self.set_timer(SAID_FOR, self._unsay)
        self._begin("live", self._live)
        self._begin("events", self._events)
        self._to(self._start)

    def on_resize(self, event: events.Resize) -> None:
        tiny = event.size.width < NARROWEST or event.size.height < LOWEST
        self.screen.set_class(tiny, "-tiny")
        need = f"needs {NARROWEST}x{LOWEST}, this is {event.size.width}x{event.size.height}"
        self._small.show([(need, Role.STRONG)])
        self._show_bars()
        self._show_gone()
        self.call_after_refresh(self.services.show)

    # What comes from the mesh

    async def _live(self) -> None:
        """Follows the live view, and looks for the mesh while there is none."""
        while True:
            self.board.begin()
            with suppress(NotRunningError, RefusedError):
                parameters = {"every_ms": EVERY_MS, "window_ms": commands.WINDOWS[self._window]}
                async for views in self._source.stream("/v1/live", parameters):
                    for view in views:
                        self.board.take(view)
                    self._here()
            self._went()
            await asyncio.sleep(RETRY)

    async def _logs(self) -> None:
        """While the logs are on screen; comes back to where it was."""
        while True:
            with suppress(NotRunningError, RefusedError):
                again = self.logs.seen_of_latest
                parameters = {"follow": 1, "tail": TAIL, "since": self.logs.since}
                async for views in self._source.stream("/v1/logs", parameters):
                    again = self.logs.add(views, again)
                    await asyncio.sleep(GATHER)
            await asyncio.sleep(RETRY)

    async def _events(self) -> None:
        while True:
            with suppress(NotRunningError, RefusedError):
                self.services.events.clear()
                self.happened.clear()
                async for views in self._source.stream("/v1/events", {"follow": 1}):
                    told = [view for view in views if "kind" in view]
                    self.services.events += told
                    del self.services.events[:-1_000]
                    self.happened.take(told)
            await asyncio.sleep(RETRY)

    def _here(self) -> None:
        if self._gone:
            self._gone = ""
            self._show_gone()
        generation = (self.board.mesh["pid"], self.board.mesh["generation"]) if self.board.mesh else (0, 0)
        if generation != self._generation:
            self._generation = generation
            self.services.env.clear()
        names = [row.name for row in self.board.rows]
        self.logs.know(names)
        self.happened.know(["minimesh", *names])
        self._show_services()
        self._show_bars()

    def _went(self) -> None:
        if not self._gone and self.board.mesh is not None:
            asked = self.board.mesh["state"] == "stopping"
            self._gone = f"mesh {'stopped' if asked else 'lost'} {self._clock():%H:%M:%S}"
            self._show_gone()
        self._show_bars()

    def _show_gone(self) -> None:
        gone = bool(self._gone)
        again = "" if self._read_only or not self._again else ", U starts it again"
        frozen = "data frozen, " if self.size.width >= 70 else ""
        text = f" {self._gone}: {frozen}q leaves{again}"
        self._alarm.show([(text, Role.ALARM)])
        self._alarm.set_class(gone, "-shown")
        for view in (self.services, self.logs, self.happened):
            view.freeze(gone)

    def _show_services(self) -> None:
        if self.services.display:
            self.services.show()
            self._fetch_env()

    def _fetch_env(self) -> None:
        row = self.services.selected
        if row is not None and row.name not in self.services.env and not self._gone:
            self._begin("env", partial(self._env, row.name))

    async def _env(self, name: str) -> None:
        with suppress(NotRunningError, RefusedError):
            self.services.env[name] = await self._source.get(f"/v1/services/{segment(name)}/env")
            self.services.show_detail()

    def _begin(self, group: str, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Instead of what the group was doing."""
        self.run_worker(work, group=group, exclusive=True)  # type: ignore[arg-type]  # its result type cannot be inferred

    # Single lines

    def _show_bars(self) -> None:
        width = self.size.width
        life = ("GONE", Role.DOWN) if self._gone else ("PAUSED", Role.DEGRADED) if self._frozen else ("LIVE", Role.OK)
        if self.board.mesh is None:
            life = ("connecting", Role.STARTING)
        clock = f"{self._clock():%H:%M:%S}"
        self._top.show(*status.top_line(self.board, self.look, self._window, life, clock, width))
        self._tabs.show(*status.tab_row(self._at, self.look, width))
        keys = self._said or status.footer(self._at, width, self._read_only)
        self._keys.show(keys)

    def say(self, text: str, role: Role = Role.STRONG) -> None:
        """For some seconds, where the keys are told otherwise."""
        self._said = [(f" {text}", role)]
        self._show_bars()
        self._unsaying.stop()
        self._unsaying = self.set_timer(SAID_FOR, self._unsay)

    def _unsay(self) -> None:
        self._said = []
        self._show_bars()

    # Keys

    @property
    def _at(self) -> str:
        return self._views.current or SERVICES

    @property
    def _lists(self) -> LogsView:
        return self.happened if self._at == EVENTS else self.logs

    @property
    def _view(self) -> ServicesView | LogsView:
        return self.services if self._at == SERVICES else self._lists

    def on_key(self, event: events.Key) -> None:
        if len(self.screen_stack) > 1:
            return
        if self._asked is not None:
            if event.key == "escape":
                event.stop()
                self._close_prompt(self._prompt_before)
            return
        pressed = event.character if event.character and event.character.isprintable() else event.key
        key = key_of(event.key, self._at) or key_of(pressed, self._at)
        if key is None:
            return
        event.stop()
        if key.changes and self._read_only:
            self.say(f"{key.shown}: not with --read-only", Role.DEGRADED)
        else:
            getattr(self, f"do_{key.id}")()
            self._fetch_env()

    def on_click(self) -> None:
        if len(self.screen_stack) == 1:
            self._view.show()
            self._fetch_env()

    def action_leave(self) -> None:
        self.exit()

    def do_down(self) -> None:
        self._view.move(1)

    def do_up(self) -> None:
        self._view.move(-1)

    def do_page_down(self) -> None:
        self._view.move(self._view.page())

    def do_page_up(self) -> None:
        self._view.move(-self._view.page())

    def do_top(self) -> None:
        self._view.go(end=False)

    def do_end(self) -> None:
        self._view.go(end=True)

    def do_left(self) -> None:
        self._lists.lines.shift(-1)

    def do_right(self) -> None:
        self._lists.lines.shift(1)

    def do_open(self) -> None:
        if self.services.selected is not None:
            self._open(not self.services.opened)

    def do_back(self) -> None:
        if self.services.opened and self._at == SERVICES:
            self._open(False)
        elif self._at != SERVICES:
            if self._lists.lines.needle:
                self._lists.find("")
            else:
                self._to(SERVICES)

    def do_restart(self) -> None:
        if (row := self._program()) is not None:
            self._change("restart", row)

    def do_toggle(self) -> None:
        if (row := self._program()) is not None:
            self._change("start" if row.is_stopped else "stop", row)

    def do_logs(self) -> None:
        if (row := self.services.selected) is not None:
            self.logs.choose([row.name])
            self._to(LOGS)

    def do_sort(self) -> None:
        orders = [*Order]
        self.services.order = orders[(orders.index(self.services.order) + 1) % len(orders)]
        self.services.show()
        self.services.go(end=False)

    def do_freeze(self) -> None:
        if self._at != SERVICES:
            self._lists.lines.follow(not self._lists.lines.following)
            self._lists.show()
            return
        self._frozen = not self._frozen
        if self._frozen:
            self.workers.cancel_group(self, "live")
        else:
            self._begin("live", self._live)
        self._show_bars()

    def do_find(self) -> None:
        self._prompt("find", self._lists.lines.needle, self._lists.find, live=False)

    def do_find_next(self) -> None:
        self._next(True)

    def do_find_previous(self) -> None:
        self._next(False)

    def do_choose(self) -> None:
        lists = self._lists
        names = [row.name for row in self.board.rows if row.service["kind"] != "gateway" or self._at == EVENTS]

        def chosen(names: "tuple[str, ...] | None") -> None:
            if names is not None:
                lists.choose(names)

        self.push_screen(Choose(self.look, names, lists.chosen), chosen)

    def do_level(self) -> None:
        self.logs.next_level()

    def do_wrap(self) -> None:
        self._lists.lines.wrap(not self._lists.lines.wrapped)
        self._lists.show()

    def do_clear(self) -> None:
        self._lists.clear()

    def do_window(self) -> None:
        names = [*commands.WINDOWS]
        self._look_back(names[(names.index(self._window) + 1) % len(names)])

    def do_filter(self) -> None:
        self._prompt("filter", self._view.words, self._filter, live=True)

    def do_filter_toggle(self) -> None:
        if not self._view.words:
            self.say("there is no filter yet: f writes one", Role.DIM)
        else:
            self._filter(self._view.words, not self._view.filtering)

    def do_copy(self) -> None:
        text = self._view.copied()
        if text is None:
            self.say("nothing to copy", Role.DIM)
            return
        if self._driver is not None:
            self._driver.write(clipboard.sequence(text))
        path = clipboard.keep(self._folder, text)
        self.say("copied to the clipboard" + (f"; also in {path}" if path else ""))

    def do_again(self) -> None:
        if self._gone and self._again:
            self.say("starting the mesh" + self.look.glyphs.ellipsis)
            self._begin("again", self._start_again)
        elif not self._gone:
            self.say("the mesh is running", Role.DIM)

    def do_to_services(self) -> None:
        self._to(SERVICES)

    def do_to_logs(self) -> None:
        self._to(LOGS)

    def do_palette(self) -> None:
        names = [row.name for row in self.board.rows]
        self._prompt(":", "", self._obey, live=False, offers=commands.completions(names))

    def do_mouse(self) -> None:
        self._mouse_is_ours = not self._mouse_is_ours
        if self._driver is not None:
            switch = "h" if self._mouse_is_ours else "l"
            self._driver.write("".join(f"\x1b[?{mode}{switch}" for mode in (1000, 1003, 1015, 1006)))
        self.say(
            "the mouse is ours again" if self._mouse_is_ours else "the mouse is the terminal's: mark text; M again"
        )

    def do_help(self) -> None:
        self.push_screen(Help(self.look, self._at, self._read_only))

    def do_quit(self) -> None:
        self.exit()

    # What keys and commands have in common

    def _to(self, screen: str) -> None:
        self._views.current = screen
        if screen == LOGS:
            self._begin("logs", self._logs)
        else:
            self.workers.cancel_group(self, "logs")
        if screen != SERVICES:
            self._lists.show()
        else:
            self._show_services()
        self._show_bars()

    def _open(self, opened: bool) -> None:
        self.services.set_class(opened, "-opened")
        self.call_after_refresh(self.services.show_detail)

    def _next(self, forwards: bool) -> None:
        if self._lists.lines.matches:
            self._lists.next_match(forwards)
        else:
            self.say("no match" if self._lists.lines.needle else "nothing to find yet: / asks", Role.DIM)

    def _filter(self, words: str, on: bool = True) -> None:
        view = self._view
        if isinstance(view, ServicesView):
            view.words, view.filtering = words.strip(), on
            view.show()
        else:
            view.filter(words.strip(), on)

    def _look_back(self, window: str) -> None:
        self._window = window
        if not self._frozen:
            self._begin("live", self._live)
        self._show_bars()

    def _program(self) -> Row | None:
        """The service under the cursor, where it can be started and stopped."""
        row = self.services.selected
        if row is None:
            return None
        if self._gone:
            self.say("the mesh is not running", Role.DEGRADED)
            return None
        if row.service["kind"] in ("gateway", "address"):
            what = (
                "the mesh itself: `minimesh down` stops it" if row.service["kind"] == "gateway" else "not ours to start"
            )
            self.say(f"{row.name} is {what}", Role.DEGRADED)
            return None
        return row

    def _change(self, verb: str, row: Row) -> None:
        if verb == "start":
            self._begin("change", partial(self._tell, verb, row.name))
            return
        callers = ", ".join(edge["source"] for edge in self.board.callers(row.name) if edge["requests"])
        details = [f"{callers} called it in the last {self._window}" if callers else "nobody calls it now"]

        def answered(yes: bool | None) -> None:
            if yes:
                self._begin("change", partial(self._tell, verb, row.name))

        self.push_screen(Ask(self.look, f"{verb} {row.name}?", details, default=verb == "restart"), answered)

    async def _tell(self, verb: str, name: str) -> None:
        done = {"restart": "restarted", "stop": "stopped", "start": "started"}[verb]
        self.say(f"{name}: {verb}{self.look.glyphs.ellipsis}")
        try:
            await self._source.post(f"/v1/services/{segment(name)}/{verb}")
        except (NotRunningError, RefusedError) as error:
            self.say(f"{name}: {error}", Role.DOWN)
        else:
            self.say(f"{name} {done}", Role.OK)

    async def _start_again(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._again,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        if process.returncode:
            last = out.decode("utf-8", "replace").strip().splitlines() or [""]
            self.say(f"minimesh up: exit {process.returncode}: {last[0]}", Role.DOWN)
        else:
            self.say("the mesh is up", Role.OK)

    def _obey(self, line: str) -> None:
        try:
            order = commands.understand(line, [row.name for row in self.board.rows])
        except commands.MisunderstoodError as error:
            self.say(str(error), Role.DEGRADED)
            return
        if order is None:
            return
        match order.verb:
            case "services" | "events":
                self._to(order.verb)
            case "logs":
                self.logs.choose(order.words)
                self._to(LOGS)
            case "window":
                self._look_back(order.words[0])
            case "help":
                self.do_help()
            case "quit":
                self.exit()
            case verb if self._read_only:
                self.say(f":{verb}: not with --read-only", Role.DEGRADED)
            case verb:
                self.services.table.select(order.words[0])
                if (row := self.board.row(order.words[0])) is not None:
                    self._change(verb, row)

    # The line that is typed into

    def _prompt(
        self, label: str, text: str, then: Callable[[str], None], *, live: bool, offers: Sequence[str] = ()
    ) -> None:
        self._asked = then
        self._live_prompt = live
        self._prompt_before = text if live else ""
        shown = f" {label}" if label == ":" else f" {label}: "
        self._prompt_label.show([(shown, Role.KEY)])
        self._prompt_label.styles.width = len(shown)
        field = self._field
        field.suggester = SuggestFromList(offers, case_sensitive=False) if offers else None
        with self.prevent(Input.Changed):
            field.value = text
        field.cursor_position = len(text)
        self._prompt_line.add_class("-shown")
        self._keys.display = False
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._asked is not None and self._live_prompt:
            self._asked(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        asked = self._asked
        self._close_prompt(None)
        if asked is not None:
            asked(event.value)

    def _close_prompt(self, before: str | None) -> None:
        """before: what held before something was typed, to go back to."""
        asked, self._asked = self._asked, None
        self._prompt_line.remove_class("-shown")
        self._keys.display = True
        self.set_focus(None)
        if before is not None and asked is not None and self._live_prompt:
            asked(before)


def run(root: Path, *, screen: str, read_only: bool, ascii_only: bool, file: Path | None = None) -> int:
    """Until it is left; the exit code. file: the minimesh.toml that was named."""
    named = ["--file", str(file)] if file else ["--project", str(root)]
    app = MeshApp(
        Api(root),
        root / ".minimesh",
        look(ascii_only),
        start=screen,
        read_only=read_only,
        again=[sys.executable, "-m", "minimesh", *named, "up", "-d"],
    )
    app.run()
    return app.return_code or 0
