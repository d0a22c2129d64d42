"""`minimesh down`, `start`, `stop` and `restart`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape
from minimesh.cli.values import duration

if TYPE_CHECKING:
    from minimesh.control.client import Client
    from minimesh.control.views import ServiceView


def down(context: Context, *, timeout: float | None) -> int:
    """Stops the mesh and waits until it has stopped. `timeout`: seconds for each service, None: its own."""
    from minimesh.control.client import NotRunningError, RefusedError  # noqa: PLC0415 - the client costs 60 ms

    client = context.client()
    client.post("/v1/down", {"within_ms": None if timeout is None else timeout * 1000})
    try:
        for event in client.stream("/v1/events", {"follow": 1}):
            context.detail(escape(str(event.get("message", ""))))
    except (NotRunningError, RefusedError):
        pass  # it has stopped already, or answers nobody any more
    context.note("stopped")
    return Exit.OK


# States of a service that has got where it was going, or will not get there.
_UP = frozenset({"running", "completed"})
_STUCK = frozenset({"failed", "crash-loop", "backoff", "exited"})
_PATIENCE = 60.0
_LOOK_EVERY = 0.05


def _until_up(client: Client, name: str) -> None:
    """Waits until a service is up. Raises CommandError with its reason when it is not."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        services = cast("list[ServiceView]", client.get("/v1/services"))
        (service,) = [service for service in services if service["name"] == name]
        state, reason = service["state"], service["reason"] or ""
        if state in _UP:
            return
        help_ = f"minimesh logs {name} -n 20"
        if state in _STUCK:
            raise CommandError("MM405", f"{name} did not come up: {reason or state}", help=help_)
        if time.monotonic() > deadline:
            message = f"{name} is not up after {_PATIENCE:g} s: {reason or state}"
            raise CommandError("MM404", message, exit_code=Exit.TIMED_OUT, help=help_)
        time.sleep(_LOOK_EVERY)


def _change(verb: str, done: str) -> Command:
    def change(context: Context, *, svc: tuple[str, ...]) -> int:
        from minimesh.control.client import segment  # noqa: PLC0415

        client = context.client()
        services = cast("list[ServiceView]", client.get("/v1/services"))
        known = [service["name"] for service in services if service["kind"] in ("service", "task")]
        for name in svc or known:
            client.post(f"/v1/services/{segment(name)}/{verb}")
            if verb != "stop":
                _until_up(client, name)
            context.note(f"{done} {name}")
        return Exit.OK

    return Command(
        change,
        f"{verb.capitalize()} services of the running mesh, which itself goes on. Without a name: all of them.",
        ((f"minimesh {verb} web", "one service"), (f"minimesh {verb}", "all of them")),
        (Argument("SVC", "these services; default all", many=True),),
        outputs=("table", "json"),
    )


COMMANDS: dict[str, Command] = {
    "down": Command(
        down,
        "Stop every service, in reverse order of start, and the mesh. Returns when nothing is left of it.",
        (
            ("minimesh down", "each service gets the time that its `stop` says"),
            ("minimesh down -t 1", "a second each, then SIGKILL"),
        ),
        options=(Option(("-t", "--timeout"), "how long services get to stop: 10, 500ms", "TIME", duration),),
        outputs=("table", "json"),
    ),
    "start": _change("start", "started"),
    "stop": _change("stop", "stopped"),
    "restart": _change("restart", "restarted"),
}
