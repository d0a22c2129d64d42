"""`minimesh logs` and `minimesh events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.prefix import Prefixes
from minimesh.cli.text import escape, local_time, plural, service_output
from minimesh.cli.values import moment, number

if TYPE_CHECKING:
    from minimesh.control.client import Parameters
    from minimesh.control.views import EventView, LogView, ServiceView


def logs(
    context: Context, *, svc: tuple[str, ...], follow: bool, tail: int, timestamps: bool, since: str | None
) -> int:
    """Lines of the services, each after its service's name. `since`: RFC 3339."""
    services: list[ServiceView] = context.get("/v1/services")
    prefixes = Prefixes(
        {service["name"]: service["replicas"] for service in services if not svc or service["name"] in svc}
    )
    parameters: Parameters = {"service": list(svc), "tail": tail, "since": since, "follow": int(follow)}
    for item in context.stream("/v1/logs", parameters):
        if context.json:
            context.object(item)
        elif "dropped" in item:
            context.note(f"({plural(item['dropped'], 'line')} left out: more than 1,000 a second)")
        else:
            entry = cast("LogView", item)
            time = f"{local_time(entry['time'])} " if timestamps else ""
            text = service_output(entry["line"], context.out.colour)
            context.out.line(f"{prefixes.of(context.out, entry['service'], entry['replica'])}{time}{text}")
            if follow:
                context.out.flush()
    return Exit.OK


def events(context: Context, *, follow: bool) -> int:
    """What happened, oldest first."""
    services: list[ServiceView] = context.get("/v1/services")
    room = max(len(service["name"]) for service in services)
    for item in context.stream("/v1/events", {"follow": int(follow)}):
        if context.json:
            context.object(item)
        elif "dropped" in item:
            context.note(f"({plural(item['dropped'], 'event')} left out)")
        else:
            event = cast("EventView", item)
            words = (local_time(event["time"]), f"{escape(event['service']):<{room}}", f"{escape(event['kind']):<10}")
            context.out.line(f"{'  '.join(words)}  {escape(event['message'])}".rstrip())
            if follow:
                context.out.flush()
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "logs": Command(
        logs,
        "What services wrote on stdout and stderr, and what the mesh says about them. The whole logs are\n"
        "files: .minimesh/logs/SERVICE.log.",
        (
            ("minimesh logs -f web orders", "two services, as they write"),
            ("minimesh logs payments -n 20 -t", "the last 20 lines, with times"),
        ),
        (Argument("SVC", "only these services; default all", many=True),),
        (
            Option(("-f", "--follow"), "go on with what comes, until Ctrl-C"),
            Option(("-n", "--tail"), "begin with so many lines; default 100", "N", number, default=100),
            Option(("-t", "--timestamps"), "the time before each line"),
            Option(("--since",), "only from then on: 10m (ago), or 2026-01-31T12:00:00Z", "TIME", moment),
        ),
        outputs=("table", "json"),
    ),
    "events": Command(
        events,
        "What happened to the services and to the mesh: starts, readiness, exits, restarts.",
        (
            ("minimesh events", "everything since the start"),
            ("minimesh events -f --json", "one object a line, as it happens"),
        ),
        (),
        (Option(("-f", "--follow"), "go on with what happens, until Ctrl-C"),),
        outputs=("table", "json"),
    ),
}
