"""When `minimesh up` or `run` ends with a program, and with which exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minimesh.cli.errors import Exit, shell_code
from minimesh.cli.watch import DOWN
from minimesh.control.client import Client
from minimesh.control.report import Event, ServiceEvent


class Ending:
    """Told every event of a mesh, on a thread that may wait. `code`: to exit with; None as long as nothing ended it.

    `leader`: the mesh ends with this service or task, and has its exit code. on_failure: it ends with whatever
    fails first, and has that one's. `say` is told why.
    """

    def __init__(
        self,
        root: Path,
        *,
        leader: str | None = None,
        on_failure: bool = False,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.code: int | None = None
        self._client = Client(root)
        self._leader = leader
        self._on_failure = on_failure
        self._say = say

    def __call__(self, event: Event) -> None:
        if self.code is not None or not isinstance(event, ServiceEvent):
            return
        ended = event.kind in DOWN or event.kind == "completed"
        if event.service == self._leader and ended:
            self._end(event.service, self._exit_code(event))
        elif self._on_failure and event.kind in DOWN:
            code = self._exit_code(event)
            if code or event.kind != "exited":
                self._end(event.service, code or Exit.FAILED)

    def _end(self, name: str, code: int) -> None:
        self.code = code
        self._say(f"{name} ended with exit code {code}: stopping the rest")
        self._client.post("/v1/down")

    def _exit_code(self, event: ServiceEvent) -> int:
        """As a shell has it; 127 where the program did not start."""
        services = self._client.get("/v1/services")
        instances = next(service for service in services if service["name"] == event.service)["instances"]
        code = next(each["exit_code"] for each in instances if each["replica"] == event.replica)
        if code is None:
            return Exit.FAILED if event.pid is not None else Exit.NOT_FOUND
        return shell_code(code)
