"""`minimesh tap`: each request as it finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import NONE, age, escape, local_time, milliseconds, plural, size
from minimesh.cli.values import number
from minimesh.cli.values import status as status_value
from minimesh.model.grpc import counts_as

if TYPE_CHECKING:
    from minimesh.control.views import MeshView, TapView


def tap(
    context: Context,
    *,
    svc: str | None,
    source: str | None,
    to: str | None,
    path: str | None,
    method: str | None,
    status: str | None,
    max: int | None,  # noqa: A002 - the option's name
) -> int:
    """Lines until `max` requests, Ctrl-C or the end of the mesh."""
    filters = {"service": svc, "from": source, "to": to, "path": path, "method": method, "status": status}
    from minimesh.control.client import PATIENCE  # noqa: PLC0415 - the client costs 60 ms

    mesh: MeshView = context.get("/v1/mesh")
    silent = True
    for item in context.ticking("/v1/tap", {**filters, "max": max}, PATIENCE):
        if item is None:
            if silent:
                context.note(waiting_for(filters, mesh))
        elif context.json:
            context.object(item)
        elif "dropped" in item:
            context.note(f"({plural(item['dropped'], 'request')} left out: more than 1,000 a second)")
        else:
            context.out.line(line(context, cast("TapView", item)))
            context.out.flush()
        silent = False
    return Exit.OK


def waiting_for(filters: dict[str, str | None], mesh: MeshView) -> str:
    """What has not come yet, and how to make it come."""
    words = {
        "service": "to or from {}",
        "from": "from {}",
        "to": "to {}",
        "path": "with a path that begins {}",
        "method": "with method {}",
        "status": "with status {}",
    }
    wanted = [words[name].format(value) for name, value in filters.items() if value]
    gateway = mesh["gateway"]
    hint = f"; try: curl {gateway['url']}/" if gateway and not wanted else ""
    return " ".join(["no request yet, waiting for any" if not wanted else "waiting for requests", *wanted]) + hint


def line(context: Context, request: TapView) -> str:
    """`14:02:10.412 orders -> payments POST /charge 503 404ms try=3/3 secured=memory reason=… id=7f3a`, or of a
    connection `14:02:10.412 orders -> db tcp 1.2s in=3.0KB out=12KB secured=memory endpoint=db-1 id=7f3a`"""
    if request["protocol"] in ("tcp", "udp"):
        return _connection(context, request)
    status = str(request["status"] or NONE)
    kind = status[0]
    if request["grpc_status"] is not None:
        kind = str(counts_as(request["grpc_status"]))
        status = f"{status} grpc={request['grpc_status']} {request['grpc']}"
    colour = {"5": ("red",), "4": ("yellow",), NONE: ("red",)}.get(kind, ())
    words = [
        local_time(request["time"]),
        f"{request['source']} -> {request['destination'] or NONE}",
        escape(request["method"]) or NONE,
        escape(request["path"]) or NONE,
        context.out.paint(status, *colour),
        milliseconds(request["duration_ms"]),
        f"try={request['tries']}/{request['max_tries']}",
        f"secured={request['secured'] or NONE}",
    ]
    if request["messages_in"] is not None:
        words.append(f"messages={request['messages_in']}/{request['messages_out']}")
    elif context.output != "wide" and not request["protocol"].startswith("http/1"):
        words.append(f"protocol={request['protocol']}")
    words += [f"{name}={escape(value)}" for name in ("reason", "cut") if (value := request[name])]
    words.append(f"id={request['id']}")
    if context.output == "wide":
        words += [
            f"route={escape(request['route']) or NONE}",
            f"endpoint={request['endpoint'] or NONE}",
            f"in={request['bytes_in']}B",
            f"out={request['bytes_out']}B",
            f"protocol={request['protocol']}",
            f"trace={request['trace_id']}",
        ]
    return " ".join(words)


def _connection(context: Context, ended: TapView) -> str:
    """Of bytes there is nothing to show but how many; the mesh did not look."""
    why = [f"{name}={escape(value)}" for name in ("reason", "cut") if (value := ended[name])]
    colour = ("red",) if ended["fault"] in ("mesh", "app") else ("yellow",) if why else ()
    words = [
        local_time(ended["time"]),
        f"{ended['source']} -> {ended['destination'] or NONE}",
        context.out.paint(ended["protocol"], *colour),
        *([escape(ended["host"])] if ended["host"] else []),
        _lasted(ended["duration_ms"]),
        f"in={size(ended['bytes_in'])}",
        f"out={size(ended['bytes_out'])}",
        f"secured={ended['secured'] or NONE}",
        *why,
        f"endpoint={ended['endpoint'] or NONE}",
        f"id={ended['id']}",
    ]
    if context.output == "wide":
        words += [f"client={ended['client']}", f"tries={ended['tries']}", f"trace={ended['trace_id']}"]
    return " ".join(words)


def _lasted(ms: float) -> str:
    """`0.4ms`, `1.2s`, `12m`: connections last longer than requests."""
    if ms < 1000:
        return milliseconds(ms)
    return f"{ms / 1000:.1f}s" if ms < 60_000 else age(ms)


WHICH = (
    Option(("--from",), "only requests of this service", "SVC", name="source"),
    Option(("--to",), "only requests to this service", "SVC"),
    Option(("--path",), "only paths that begin so", "PATH"),
    Option(("--method",), "only this method", "METHOD", str.upper),
)
"""Of the requests that finish."""

COMMANDS: dict[str, Command] = {
    "tap": Command(
        tap,
        "Each request or connection as it finishes: when, who to whom, method and path, status, how long, and\n"
        "why where the mesh answered. With --json one object a line.",
        (
            ("minimesh tap payments", "what payments is asked and asks"),
            ("minimesh tap --to orders --status 5xx --max 1", "wait for the next failure"),
        ),
        (Argument("SVC", "only requests to or from this service", optional=True),),
        (
            *WHICH,
            Option(
                ("--status",),
                "only this status, class, or status of gRPC: 503, 5xx, UNAVAILABLE",
                "STATUS",
                status_value,
            ),
            Option(("--max",), "end after so many", "N", number),
        ),
        outputs=("table", "wide", "json"),
    )
}
