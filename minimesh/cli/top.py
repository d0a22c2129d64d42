"""`minimesh top`: the busiest and slowest paths, out of the requests that finish while it looks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from minimesh.cli.block import Live
from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.known import check_known
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.table import Column
from minimesh.cli.tap import WHICH
from minimesh.cli.text import milliseconds, percent
from minimesh.cli.values import duration, number
from minimesh.model.grpc import counts_as

if TYPE_CHECKING:
    from minimesh.control.views import ServiceView, TapView

COLUMNS = (
    Column("SOURCE"),
    Column("DESTINATION"),
    Column("METHOD"),
    Column("PATH", shrink=10),
    Column("COUNT", right=True),
    Column("BEST", right=True, drop=2),
    Column("WORST", right=True, drop=1),
    Column("LAST", right=True, drop=3),
    Column("SUCCESS_RATE", right=True),
)
REFRESH = 1.0
"""Seconds between two pictures."""
TICK = 0.2
"""Seconds that one may be late where nothing is asked."""
MOST_KEPT = 2_000
"""Different paths; the rarest go first."""


@dataclass(slots=True)
class Tally:
    """Requests of one kind. Times in ms."""

    count: int = 0
    good: int = 0
    best: float = float("inf")
    worst: float = 0.0
    last: float = 0.0

    def add(self, took: float, good: bool) -> None:
        self.count += 1
        self.good += good
        self.best, self.worst, self.last = min(self.best, took), max(self.worst, took), took


@dataclass(slots=True)
class Board:
    """Source, destination, method and path (without its query) → what was seen of it. Bounded."""

    tallies: dict[tuple[str, str, str, str], Tally] = field(default_factory=dict)
    dropped: int = 0

    def take(self, item: Mapping[str, Any], hide_sources: bool) -> None:
        """What a tap tells of."""
        if "dropped" in item:
            self.dropped += item["dropped"]
        else:
            request = cast("TapView", item)
            self.add({**request, "source": "*"} if hide_sources else request)

    def add(self, request: TapView) -> None:
        path = request["path"].partition("?")[0]
        key = (request["source"], request["destination"], request["method"], path)
        if key not in self.tallies and len(self.tallies) >= MOST_KEPT:
            rare = sorted(self.tallies, key=lambda each: self.tallies[each].count)
            for each in rare[: MOST_KEPT // 4]:
                del self.tallies[each]
        grpc = request["grpc_status"]
        good = 0 < request["status"] < 500 if grpc is None else counts_as(grpc) < 5
        self.tallies.setdefault(key, Tally()).add(request["duration_ms"], good)

    def rows(self, most: int) -> list[tuple[tuple[str, str, str, str], Tally]]:
        """The most frequent first."""
        return sorted([*self.tallies.items()], key=lambda item: (-item[1].count, item[0]))[:most]


def top(
    context: Context,
    *,
    svc: str | None,
    source: str | None,
    to: str | None,
    path: str | None,
    method: str | None,
    time_window: float,
    max: int,  # noqa: A002 - the option's name
    hide_sources: bool,
) -> int:
    """Live on a terminal until Ctrl-C; elsewhere one picture after `time_window` seconds; with JSON a line each."""
    board = Board()
    filters = {"service": svc, "from": source, "to": to, "path": path, "method": method}
    services: list[ServiceView] = context.get("/v1/services")
    check_known([name for name in (svc, source, to) if name], [service["name"] for service in services])
    live = Live(context.out) if context.out.width is not None and not context.json else None
    every = time_window if live is None else REFRESH
    if live is not None:
        _show(context, board, max, live)
    elif not context.json:
        context.note(f"counting for {time_window:g} s")
    due = time.monotonic() + every
    for item in context.ticking("/v1/tap", filters, min(every, TICK)):
        if item is not None:
            board.take(item, hide_sources)
        if time.monotonic() < due:
            continue
        if live is None and not context.json:
            break
        _show(context, board, max, live)
        due = time.monotonic() + every
    _show(context, board, max, live)
    return Exit.OK


def _show(context: Context, board: Board, most: int, live: Live | None) -> None:
    context = context._replace(out=context.out.measured())
    rows = board.rows(most)
    if context.json:
        context.out.line(json.dumps([_facts(*item) for item in rows]))
        context.out.flush()
        return
    table = context.rows(COLUMNS, [_row(*item) for item in rows])
    if live is None:
        for line in table:
            context.out.line(line)
        return
    left_out = f"   {board.dropped} more were too many to count" if board.dropped else ""
    title = f"requests since the start of this command   {time.strftime('%H:%M:%S')}   Ctrl-C ends{left_out}"
    live.show([*context.out.fitting(title), *table])


def _row(key: tuple[str, str, str, str], tally: Tally) -> tuple[str, ...]:
    times = (milliseconds(tally.best), milliseconds(tally.worst), milliseconds(tally.last))
    return (*key, str(tally.count), *times, percent(tally.good / tally.count))


def _facts(key: tuple[str, str, str, str], tally: Tally) -> dict[str, Any]:
    names = dict(zip(("source", "destination", "method", "path"), key, strict=True))
    return {
        **names,
        "count": tally.count,
        "best_ms": tally.best,
        "worst_ms": tally.worst,
        "last_ms": tally.last,
        "success": tally.good / tally.count,
    }


COMMANDS: dict[str, Command] = {
    "top": Command(
        top,
        "The requests that finish from now on, by who, to whom, method and path: how many, how fast, how\n"
        "many well. Redrawn on a terminal until Ctrl-C; in a pipe one table after -t; with --json an array a line.",
        (
            ("minimesh top orders", "what orders is asked and asks"),
            ("minimesh top --to db -t 10s | head", "ten seconds of it, for a file"),
        ),
        (Argument("SVC", "only requests to or from this service", optional=True),),
        (
            *WHICH,
            Option(
                ("-t", "--time-window"), "off a terminal: how long to count; default 5s", "TIME", duration, default=5.0
            ),
            Option(("--max",), "at most so many rows; default 30", "N", number, default=30),
            Option(("--hide-sources",), "whoever asks, one row"),
        ),
        outputs=("table", "json"),
    )
}
