"""`minimesh stat` and `minimesh edges`: traffic over a window of time."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from minimesh.cli.block import Live
from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.known import check_known
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.ps import MANY
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, count, milliseconds, percent, rate, size
from minimesh.cli.values import choice, share, window

if TYPE_CHECKING:
    from minimesh.control.client import Parameters
    from minimesh.control.views import EdgeView, ServiceView, StatView

STAT_COLUMNS = (
    Column("NAME"),
    Column("READY", drop=1),
    Column("SUCCESS", right=True),
    Column("RPS", right=True),
    Column("LATENCY_P50", right=True, drop=4),
    Column("LATENCY_P95", right=True, drop=5),
    Column("LATENCY_P99", right=True),
    Column("RETRIES", right=True, drop=3),
    Column("TCP_CONN", right=True, drop=2),
    Column("REQUESTS", right=True, wide=True, drop=2),
    Column("BYTES_IN", right=True, wide=True, drop=6),
    Column("BYTES_OUT", right=True, wide=True, drop=7),
    Column("REASONS", wide=True, shrink=12, drop=1),
    Column("GRPC", wide=True, shrink=12, drop=3),
    Column("MESSAGES", right=True, wide=True, drop=8),
)
ROUTE = Column("ROUTE", shrink=12)
CALLER = Column("CALLER")
EDGE_COLUMNS = (
    Column("SRC"),
    Column("DST"),
    Column("RPS"),
    Column("SUCCESS"),
    Column("P50", wide=True, drop=4),
    Column("P99"),
    Column("SECURED", drop=2),
    Column("REQUESTS", wide=True, drop=3),
    Column("ACTIVE", wide=True, drop=5),
    Column("REASONS", wide=True, shrink=12, drop=1),
    Column("GRPC", wide=True, shrink=12, drop=3),
    Column("MESSAGES", wide=True, drop=6),
    Column("CLIENT_ID", shrink=16, drop=1),
)
REFRESH = 2.0
"""Seconds between two tables of `--watch`."""


def stat(
    context: Context,
    *,
    svc: tuple[str, ...],
    source: str | None,
    to: str | None,
    by: str,
    time_window: float,
    watch: bool,
    fail_below: float | None,
) -> int:
    """Rows of traffic; `time_window` in seconds, `fail_below` a share from 0 to 1."""
    parameters: Parameters = {"window_ms": time_window * 1000, "service": list(svc), "from": source, "to": to, "by": by}
    live = Live(context.out) if watch and not context.json else None
    while True:
        rows: list[StatView] = context.get("/v1/stat", parameters)
        if live is None:
            _show_stat(context, rows, by, watch)
        else:
            live.show(_table(context._replace(out=context.out.measured()), rows, by))
        _check(rows, fail_below)
        if not watch:
            return Exit.OK
        context.out.flush()
        time.sleep(REFRESH)


def _show_stat(context: Context, rows: list[StatView], by: str, watch: bool) -> None:
    if context.json:
        if watch:
            context.out.line(json.dumps(rows))
        else:
            context.array(rows)
        return
    for line in _table(context, rows, by):
        context.out.line(line)
    if len(rows) > MANY and context.err.width is not None and by == "service" and context.output != "name":
        called = sum(row["requests"] > 0 for row in rows)
        context.note(f"{called} of {len(rows)} had traffic; minimesh edges shows who called them")


def _table(context: Context, rows: list[StatView], by: str) -> list[str]:
    shown = [row for row in rows if row["kind"] != "task" or row["requests"]]  # tasks are hardly ever called
    if context.output == "name":
        return [row["name"] for row in shown]
    if by == "route":
        cells = [(row["name"], row.get("route", NONE), *stat_row(row)[1:]) for row in shown]
        return context.rows((STAT_COLUMNS[0], ROUTE, *STAT_COLUMNS[1:]), cells)
    if by == "caller":
        cells = [(row["name"], row.get("caller", NONE), *stat_row(row)[1:]) for row in shown]
        return context.rows((STAT_COLUMNS[0], CALLER, *STAT_COLUMNS[1:]), cells)
    return context.rows(STAT_COLUMNS, [stat_row(row) for row in shown])


def stat_row(row: StatView) -> tuple[str, ...]:
    """The cells of one row, in the order of STAT_COLUMNS; `-` for all that has no traffic behind it."""
    seen = row["requests"] > 0
    ready = NONE if row["ready"] is None or row["replicas"] is None else f"{row['ready']}/{row['replicas']}"
    return (
        row["name"],
        ready,
        percent(row["success"]) if seen else NONE,
        f"{rate(row['rps'])}rps" if seen and row["rps"] is not None else NONE,
        milliseconds(row["p50_ms"]) if seen else NONE,
        milliseconds(row["p95_ms"]) if seen else NONE,
        milliseconds(row["p99_ms"]) if seen else NONE,
        str(row["retries"]) if seen else NONE,
        count(row["connections"]),
        str(row["requests"]) if seen else NONE,
        size(row["bytes_in"]) if seen or row["bytes_in"] else NONE,
        size(row["bytes_out"]) if seen or row["bytes_out"] else NONE,
        reasons(row["reasons"]),
        reasons(row["grpc"]),
        messages(row),
    )


def messages(row: StatView | EdgeView) -> str:
    """Of gRPC calls, in and out: `12/15`."""
    return f"{row['messages_in']}/{row['messages_out']}" if row["grpc"] or row["messages_in"] else NONE


def reasons(counts: dict[str, int]) -> str:
    """`timeout x4,upstream_refused x1`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ",".join(f"{reason}:{times}" for reason, times in ordered if times) or NONE


def _check(rows: list[StatView], fail_below: float | None) -> None:
    if fail_below is None:
        return
    under = [row for row in rows if row["success"] is not None and row["requests"] and row["success"] < fail_below]
    if under:
        names = ", ".join(f"{row['name']} {percent(row['success'])}" for row in under)
        raise CommandError(
            "MM408", f"success is below {percent(fail_below)}: {names}", help="minimesh tap --status 5xx"
        )


def edges(context: Context, *, svc: tuple[str, ...], time_window: float) -> int:
    """A row for each caller and callee; `time_window` in seconds."""
    if svc:
        services: list[ServiceView] = context.get("/v1/services")
        check_known(svc, [service["name"] for service in services])
    rows: list[EdgeView] = context.get("/v1/edges", {"window_ms": time_window * 1000})
    rows = [row for row in rows if not svc or row["source"] in svc or row["destination"] in svc]
    if context.json:
        context.array(rows)
    elif context.output == "name":
        context.names([f"{row['source']}->{row['destination']}" for row in rows])
    else:
        context.table(EDGE_COLUMNS, [edge_row(row) for row in rows])
        if not rows:
            context.note("nobody has called anybody yet")
    return Exit.OK


def edge_row(row: EdgeView) -> tuple[str, ...]:
    """The cells of one edge, in the order of EDGE_COLUMNS."""
    seen = row["requests"] > 0
    return (
        row["source"],
        row["destination"],
        rate(row["rps"]) if seen else NONE,
        percent(row["success"]) if seen else NONE,
        milliseconds(row["p50_ms"]) if seen else NONE,
        milliseconds(row["p99_ms"]) if seen else NONE,
        row["secured"] or NONE,
        str(row["requests"]) if seen else NONE,
        str(row["active"]),
        reasons(row["reasons"]),
        reasons(row["grpc"]),
        messages(row),
        row["client_id"] or NONE,
    )


_WINDOW = Option(("-t", "--time-window"), "how far to look back, at most 15m; default 1m", "TIME", window, default=60.0)

COMMANDS: dict[str, Command] = {
    "stat": Command(
        stat,
        "Success, rate and latency over the last minute: a line for each service, of the calls that\n"
        "it answered. `-` where there was no traffic. Success is the share of answers that are not 5xx,\n"
        "of gRPC calls by their status; GRPC and MESSAGES, with -o wide, are of those.",
        (
            ("minimesh stat -t 10s -w", "the last ten seconds, again every two"),
            ("minimesh stat --from web --fail-below 99%", "exit 1 where web's calls fail too often"),
        ),
        (Argument("SVC", "only these services; default all", many=True),),
        (
            Option(("--from",), "only calls of this service, a line for each it calls", "SVC", name="source"),
            Option(("--to",), "only calls to this service, a line for each caller", "SVC"),
            Option(
                ("--by",),
                "a line for each service, route or caller; default service",
                "WHAT",
                choice("service", "route", "caller"),
                default="service",
            ),
            _WINDOW,
            Option(("-w", "--watch"), "again every 2 s, until Ctrl-C"),
            Option(("--fail-below",), "exit 1 where success is lower than this", "PCT", share),
        ),
    ),
    "edges": Command(
        edges,
        "Who calls whom: a line for each caller and callee, over the last minute. SECURED is `memory`\n"
        "where both proxies are in this process: the same checks, and nothing on a wire.",
        (
            ("minimesh edges", "every edge of the mesh"),
            ("minimesh edges -t 15m -o json", "the last quarter of an hour, for a script"),
        ),
        (Argument("SVC", "only calls to or of these services; default all", many=True),),
        (_WINDOW,),
    ),
}
