"""The live views: what has been, then what happens, until the reader leaves or the mesh has stopped."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio

from minimesh.control.feed import PER_SECOND, Feed
from minimesh.control.mesh import Mesh
from minimesh.control.show import LiveTraffic
from minimesh.control.views import DroppedView, EventView, LiveView, LogView, TapView
from minimesh.model.grpc import counts_as
from minimesh.model.record import Record
from minimesh.policy.resend import MOST_CONNECT_TRIES
from minimesh.supervise.logs import LogLine
from minimesh.telemetry.accesslog import access_line, timestamp

TAP_EVERY = 0.1
_GRPC = "grpc:"
_Item = TypeVar("_Item")
_View = TypeVar("_View")


@contextmanager
def undone(undo: Callable[[], None]) -> Iterator[None]:
    """Calls `undo` when the context is left."""
    try:
        yield
    finally:
        undo()


@dataclass(frozen=True, slots=True)
class TapFilter:
    """Which exchanges to show; "" means any. status: see `is_status`."""

    service: str = ""
    source: str = ""
    destination: str = ""
    path: str = ""
    method: str = ""
    status: str = ""

    def matches(self, record: Record) -> bool:
        return (
            self.service in ("", record.source, record.destination)
            and self.source in ("", record.source)
            and self.destination in ("", record.destination)
            and record.target.startswith(self.path)
            and self.method in ("", record.method)
            and (not self.status or _fits(self.status, record))
        )


def is_status(text: str) -> bool:
    """`503`; `5xx`, which a gRPC call has by what its status counts as; `grpc:14`."""
    if text.startswith(_GRPC):
        return text[len(_GRPC) :].isdecimal() and len(text) <= len(_GRPC) + 3
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or text[1:].isdecimal())


def _fits(wanted: str, record: Record) -> bool:
    status, grpc = record.status, record.grpc_status
    if wanted.startswith(_GRPC):
        return grpc >= 0 and grpc == int(wanted[len(_GRPC) :])
    if wanted.endswith("xx"):
        return int(wanted[0]) == (status // 100 if grpc < 0 else counts_as(grpc))
    return wanted == str(status)


async def everything(mesh: Mesh, every: float, window: float) -> AsyncIterator[LiveView]:
    """At once, then each `every` seconds, and once more when the mesh has stopped. window: seconds."""
    traffic = LiveTraffic(mesh, window)
    while True:
        yield traffic.view()
        if mesh.ended.is_set():
            return
        with anyio.move_on_after(every):
            await mesh.ended.wait()


async def tap(mesh: Mesh, wanted: TapFilter, most: int | None) -> AsyncIterator[TapView | DroppedView]:
    """Exchanges that finish from now on; `most`: end after so many."""
    position = mesh.telemetry.ring.total
    offset = mesh.telemetry.ring.wall_offset
    allowed = int(PER_SECOND * TAP_EVERY)
    shown = 0
    while not mesh.ended.is_set():
        with anyio.move_on_after(TAP_EVERY):
            await mesh.ended.wait()
        batch = mesh.telemetry.ring.since(position)
        position = batch.next
        matching = [record for record in batch.records if wanted.matches(record)]
        now = allowed if most is None else min(allowed, most - shown)
        for record in matching[:now]:
            yield access_line(record, offset, MOST_CONNECT_TRIES)
        shown += min(now, len(matching))
        if most is not None and shown >= most:
            return
        if dropped := batch.dropped + len(matching[now:]):
            yield {"dropped": dropped}


async def log_lines(
    mesh: Mesh, services: Sequence[str], tail: int, since: float | None, follow: bool
) -> AsyncIterator[LogView | DroppedView]:
    """The latest `tail` lines of all these services together (none named: of all), not older than `since`."""
    feed: Feed[LogLine] = Feed(mesh.clock)

    def wanted(line: LogLine) -> bool:
        return (not services or line.service in services) and (since is None or line.time >= since)

    with undone(mesh.logs.follow(lambda lines: feed.put(filter(wanted, lines)))):
        kept = sorted(
            (line for log in mesh.logs if not services or log.service in services for line in log.tail(tail)),
            key=lambda line: line.at,
        )
        for line in deque(filter(wanted, kept), maxlen=tail):
            yield log_view(line)
        if follow:
            async for view in _live(mesh, feed, log_view):
                yield view


async def events(
    mesh: Mesh, services: Sequence[str], since: float | None, follow: bool
) -> AsyncIterator[EventView | DroppedView]:
    """What is remembered of these services (none named: of all) from `since` on, wall seconds; with `follow` what
    comes until the mesh has stopped."""
    feed: Feed[EventView] = Feed(mesh.clock)
    earliest = "" if since is None else timestamp(since)

    def wanted(event: EventView) -> bool:
        return (not services or event["service"] in services) and event["time"] >= earliest

    with undone(mesh.journal.follow(lambda event: feed.put(filter(wanted, (event,))))):
        for event in filter(wanted, mesh.journal.kept()):
            yield event
        if follow:
            async for view in _live(mesh, feed, lambda event: event):
                yield view


async def _live(mesh: Mesh, feed: Feed[_Item], view: Callable[[_Item], _View]) -> AsyncIterator[_View | DroppedView]:
    """What the feed brings; after the end of the mesh what it still holds."""
    with undone(mesh.at_end(feed.close)):
        while (taken := await feed.take()) is not None:
            items, dropped = taken
            for item in items:
                yield view(item)
            if dropped:
                yield {"dropped": dropped}


def log_view(line: LogLine) -> LogView:
    """A line as the API shows it."""
    return {
        "time": timestamp(line.time),
        "service": line.service,
        "replica": line.replica,
        "stream": line.stream.value,
        "line": line.text,
    }
