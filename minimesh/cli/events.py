"""What a mesh reports, as JSON Lines: `minimesh up --json`."""

import json
from dataclasses import asdict

from minimesh.cli.terminal import Terminal
from minimesh.control.report import ConfigOk, Event, Problem, Stopped


class JsonWatch:
    """A `minimesh.control.report.Reporter`. Each event is an object with its name under `event`, times in ms."""

    def __init__(self, out: Terminal) -> None:
        self.problem: Problem | None = None
        self.left = 0
        self._out = out

    def __call__(self, event: Event, /) -> None:
        match event:
            case Problem():
                self.problem = event
                return
            case ConfigOk():
                facts: dict[str, object] = {"project": event.project.name, "seconds": event.seconds}
            case _:
                facts = asdict(event)
        if isinstance(event, Stopped):
            self.left = event.left
        seconds = facts.pop("seconds", None)
        if isinstance(seconds, float):
            facts["after_ms"] = round(seconds * 1000, 1)
        self._out.line(json.dumps({"event": type(event).__name__.removesuffix("Ok").lower(), **facts}))
        self._out.flush()
