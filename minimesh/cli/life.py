"""`minimesh down`, `start`, `stop` and `restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape
from minimesh.cli.values import duration

if TYPE_CHECKING:
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


def _change(verb: str, done: str) -> Command:
    def change(context: Context, *, svc: tuple[str, ...]) -> int:
        from minimesh.control.client import segment  # noqa: PLC0415

        client = context.client()
        services = cast("list[ServiceView]", client.get("/v1/services"))
        known = [service["name"] for service in services if service["kind"] in ("service", "task")]
        for name in svc or known:
            client.post(f"/v1/services/{segment(name)}/{verb}")
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
