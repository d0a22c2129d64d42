"""The application: what keys and commands do."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import events

from minimesh.control.client import NotRunningError, RefusedError, segment
from minimesh_tui import clipboard, commands
from minimesh_tui.api import Source
from minimesh_tui.frame import Clock, Frame, now
from minimesh_tui.keys import EVENTS, LOGS, SERVICES, key_of
from minimesh_tui.look import Look, Role
from minimesh_tui.model import Order, Row
from minimesh_tui.screens.boxes import Ask, Choose, Help
from minimesh_tui.screens.logs import LogsView
from minimesh_tui.screens.services import ServicesView
from minimesh_tui.streams import Streams


class MeshApp(Streams, inherit_bindings=False):
    """A client of one mesh. folder: where copied text is kept. again: the command that starts the mesh once more."""

    BINDINGS = Frame.BINDINGS

    def __init__(
        self,
        source: Source,
        folder: Path,
        appearance: Look,
        again: Sequence[str],
        *,
        start: str = SERVICES,
        read_only: bool = False,
        clock: Clock = now,
    ) -> None:
        super().__init__(source, appearance, start=start, read_only=read_only, clock=clock)
        self._folder = folder
        self._start = start
        self._again = again
        self._mouse_is_ours = True

    def on_mount(self) -> None:
        self._to(self._start)
        self.begin("events", self._events)

    # Keys

    @property
    def _lists(self) -> LogsView:
        return self.happened if self.at == EVENTS else self.logs

    @property
    def _view(self) -> ServicesView | LogsView:
        return self.services if self.at == SERVICES else self._lists

    def on_key(self, event: events.Key) -> None:
        if len(self.screen_stack) > 1 or self.prompt.asking:
            return
        pressed = event.character if event.character and event.character.isprintable() else event.key
        key = key_of(event.key, self.at) or key_of(pressed, self.at)
        if key is None:
            return
        event.stop()
        if self.too_small and key.id != "quit":
            return
        if key.changes and self.read_only:
            self.say(f"{key.shown}: not with --read-only", Role.DEGRADED)
        else:
            getattr(self, f"do_{key.id}")()
            self._fetch_env()

    def on_click(self) -> None:
        if len(self.screen_stack) == 1:
            self._view.show()
            self._fetch_env()

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
        if self.services.opened and self.at == SERVICES:
            self._open(False)
        elif self.at != SERVICES:
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
        if self.at != SERVICES:
            self._lists.lines.follow(not self._lists.lines.following)
            self._lists.show()
            return
        self.paused = not self.paused
        if self.paused:
            self.end("live")
        else:
            self.begin("live", self._live)
        self.show_bars()

    def do_find(self) -> None:
        self.prompt.ask(" find: ", self._lists.lines.needle, self._lists.find)

    def do_find_next(self) -> None:
        self._next(True)

    def do_find_previous(self) -> None:
        self._next(False)

    def do_choose(self) -> None:
        lists = self._lists
        names = [row.name for row in self.board.rows if row.service["kind"] != "gateway" or self.at == EVENTS]

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
        self._look_back(names[(names.index(self.window) + 1) % len(names)])

    def do_filter(self) -> None:
        self.prompt.ask(" filter: ", self._view.words, self._filter, live=True)

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
        if self.gone and self._again:
            self.say("starting the mesh" + self.look.glyphs.ellipsis)
            self.begin("again", self._start_again)
        elif not self.gone:
            self.say("the mesh is running", Role.DIM)

    def do_to_services(self) -> None:
        self._to(SERVICES)

    def do_to_logs(self) -> None:
        self._to(LOGS)

    def do_palette(self) -> None:
        names = [row.name for row in self.board.rows]
        self.prompt.ask(" :", "", self._obey, offers=commands.completions(names))

    def do_mouse(self) -> None:
        self._mouse_is_ours = not self._mouse_is_ours
        if self._driver is not None:
            switch = "h" if self._mouse_is_ours else "l"
            self._driver.write("".join(f"\x1b[?{mode}{switch}" for mode in (1000, 1003, 1015, 1006)))
        self.say(
            "the mouse is ours again" if self._mouse_is_ours else "the mouse is the terminal's: mark text; M again"
        )

    def do_help(self) -> None:
        self.push_screen(Help(self.look, self.at, self.read_only))

    def do_quit(self) -> None:
        self.exit()

    # What keys and commands have in common

    def _to(self, screen: str) -> None:
        hid, self._hides = self._hides, screen != SERVICES
        self.go_to(screen)
        if hid != self._hides and not self.paused:
            self.begin("live", self._live)
        if screen == LOGS:
            self.begin("logs", self._logs)
        else:
            self.end("logs")
        if screen != SERVICES:
            self._lists.show()
        else:
            self._show_services()
        self.show_bars()

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
        self.window = window
        if not self.paused:
            self.begin("live", self._live)
        self.show_bars()

    def _program(self) -> Row | None:
        """The service under the cursor, where it can be started and stopped."""
        row = self.services.selected
        if row is None:
            return None
        if self.gone:
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
            self.begin("change", partial(self._tell, verb, row.name), alone=False)
            return
        callers = ", ".join(edge["source"] for edge in self.board.callers(row.name) if edge["requests"])
        details = [f"{callers} called it in the last {self.window}" if callers else "nobody calls it now"]

        def answered(yes: bool | None) -> None:
            if yes:
                self.begin("change", partial(self._tell, verb, row.name), alone=False)

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
            first = next(iter(out.decode("utf-8", "replace").strip().splitlines()), "")
            self.say(f"minimesh up: exit {process.returncode}: {first}", Role.DOWN)
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
            case verb if self.read_only:
                self.say(f":{verb}: not with --read-only", Role.DEGRADED)
            case verb:
                self.services.table.select(order.words[0])
                if (row := self.board.row(order.words[0])) is not None:
                    self._change(verb, row)
