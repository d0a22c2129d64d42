"""What comes from the mesh: the streams that the screens follow, and what is shown of a mesh that has gone."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from minimesh.control.client import NotRunningError, Parameters, RefusedError, segment
from minimesh_tui import commands
from minimesh_tui.api import Source
from minimesh_tui.frame import Clock, Frame
from minimesh_tui.look import Look, Role

EVERY_MS = 500
HIDDEN_MS = 2_000
"""Where only the top line tells of it."""
RETRY = 1.0
"""Seconds between two looks for a mesh that has gone."""
GATHER = 0.2
"""Seconds for which lines of a log are left to gather, so that a flood of them is drawn five times a second."""
TAIL = 5_000
EVENTS_KEPT = 1_000
LIVE = "/v1/live"


class Streams(Frame, inherit_bindings=False):
    """Feeds the views; when it follows what, and what keys do, is for its heir."""

    def __init__(self, source: Source, appearance: Look, *, start: str, read_only: bool, clock: Clock) -> None:
        super().__init__(appearance, start=start, read_only=read_only, clock=clock)
        self._source = source
        self._generation = (0, 0)
        """Of the mesh process, and of what it was configured with: commands may differ after."""
        self._hides: bool | None = None
        """The services: they are not on screen, and need not be told so often."""

    async def _follow(
        self, path: str, parameters: Callable[[], Parameters], take: Callable[[list[Any]], None], gather: float = 0.0
    ) -> None:
        """One stream after the other, for ever. gather: seconds that are left for more to come at once."""
        while True:
            try:
                async for views in self._source.stream(path, parameters()):
                    take(views)
                    if gather:
                        await asyncio.sleep(gather)
            except NotRunningError:
                pass
            except RefusedError as error:
                self.say(f"the mesh refuses {path}: {error}", Role.DOWN)
            if path == LIVE:
                self._went()
            await asyncio.sleep(RETRY)

    async def _live(self) -> None:
        def parameters() -> Parameters:
            self.board.begin()
            every = HIDDEN_MS if self._hides else EVERY_MS
            return {"every_ms": every, "window_ms": commands.WINDOWS[self.window]}

        def take(views: list[Any]) -> None:
            for view in views:
                self.board.take(view)
            self._here()

        await self._follow(LIVE, parameters, take)

    async def _logs(self) -> None:
        """While they are on screen; comes back to where it was."""
        again = 0

        def parameters() -> Parameters:
            nonlocal again
            again = self.logs.seen_of_latest
            return {"follow": 1, "tail": TAIL, "since": self.logs.since}

        def take(views: list[Any]) -> None:
            nonlocal again
            again = self.logs.add(views, again)

        await self._follow("/v1/logs", parameters, take, GATHER)

    async def _events(self) -> None:
        def parameters() -> Parameters:
            self.services.events.clear()
            self.happened.clear()
            return {"follow": 1}

        def take(views: list[Any]) -> None:
            told = [view for view in views if "kind" in view]
            self.services.events += told
            del self.services.events[:-EVENTS_KEPT]
            self.happened.take(told)

        await self._follow("/v1/events", parameters, take)

    def _here(self) -> None:
        if self.gone:
            self.gone = ""
            self.show_gone()
        generation = (self.board.mesh["pid"], self.board.mesh["generation"]) if self.board.mesh else (0, 0)
        if generation != self._generation:
            self._generation = generation
            self.services.env.clear()
        names = [row.name for row in self.board.rows]
        self.logs.know(names)
        self.happened.know(["minimesh", *names])
        self._show_services()
        self.show_bars()

    def _went(self) -> None:
        if not self.gone and self.board.mesh is not None:
            asked = self.board.mesh["state"] == "stopping"
            self.gone = f"mesh {'stopped' if asked else 'lost'} {self.clock():%H:%M:%S}"
            self.show_gone()
        self.show_bars()

    def _show_services(self) -> None:
        if self.services.display:
            self.services.show()
            self._fetch_env()

    def _fetch_env(self) -> None:
        row = self.services.selected
        if row is not None and row.name not in self.services.env and not self.gone:
            self.begin("env", partial(self._env, row.name))

    async def _env(self, name: str) -> None:
        with suppress(NotRunningError, RefusedError):
            self.services.env[name] = await self._source.get(f"/v1/services/{segment(name)}/env")
            self.services.show_detail()
