"""`minimesh events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.logs import say_why_it_ended
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape, local_time, plural
from minimesh.cli.values import moment

if TYPE_CHECKING:
    from minimesh.control.views import EventView, ServiceView

MESH = "minimesh"
"""The service of events of the mesh itself."""


def events(context: Context, *, svc: tuple[str, ...], follow: bool, since: str | None) -> int:
    """What happened, oldest first. `since`: RFC 3339."""
    services: list[ServiceView] = context.get("/v1/services")
    names = [*svc] or [MESH, *(service["name"] for service in services)]
    room = max(len(escape(name)) for name in names)
    for item in context.stream("/v1/events", {"service": list(svc), "since": since, "follow": int(follow)}):
        if context.json:
            context.object(item)
        elif "dropped" in item:
            context.note(f"({plural(item['dropped'], 'event')} left out)")
        else:
            event = cast("EventView", item)
            words = (local_time(event["time"]), f"{escape(event['service']):<{room}}", f"{escape(event['kind']):<10}")
            message = "" if event["message"] == event["kind"] else escape(event["message"])
            context.out.line(f"{'  '.join(words)}  {message}".rstrip())
            if follow:
                context.out.flush()
    if follow:
        say_why_it_ended(context)
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "events": Command(
        events,
        "What happened to the services and to the mesh: starts, readiness, exits, restarts. Events of the\n"
        "mesh itself are those of the name minimesh.",
        (
            ("minimesh events --since 10m web", "what happened to web in the last ten minutes"),
            ("minimesh events -f --json", "one object a line, as it happens"),
        ),
        (Argument("SVC", "only these services; default all", many=True),),
        (
            Option(("-f", "--follow"), "go on with what happens, until Ctrl-C"),
            Option(("--since",), "only from then on: 10m (ago), or 2026-01-31T12:00:00Z", "TIME", moment),
        ),
        outputs=("table", "json"),
    ),
}
