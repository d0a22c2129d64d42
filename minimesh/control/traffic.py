"""Rows of `stat` and `edges` out of a window of counters. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from minimesh.control.views import EdgeView, Kind, StatView, TickView
from minimesh.model.identity import Identity
from minimesh.model.project import GATEWAY
from minimesh.telemetry.accesslog import milliseconds
from minimesh.telemetry.counters import CounterKey
from minimesh.telemetry.windows import Sums, Tick, Window, total

_QUANTILES = (0.5, 0.95, 0.99)
_Group = TypeVar("_Group", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody with a row, as the rest of the mesh knows it. None: does not apply."""

    name: str
    kind: Kind
    ready: int | None
    replicas: int | None
    connections: int | None


def inbound_rows(window: Window, subjects: Iterable[Subject]) -> list[StatView]:
    """For each subject what others asked of it; for the gateway what came in by it."""
    by_source, by_destination = (_grouped(window, attrgetter(end)) for end in ("source", "destination"))
    return [
        _row(window, subject, total((by_source if subject.kind == "gateway" else by_destination).get(subject.name, ())))
        for subject in subjects
    ]


def call_rows(
    window: Window,
    subjects: Mapping[str, Subject],
    source: str | None,
    destination: str | None,
    pairs: Sequence[tuple[str, str]],
) -> list[StatView]:
    """Calls of `source`, a row to each destination; or, without one, calls to `destination` by source.

    pairs: who may call whom, so that a pair without traffic has its row too.
    """
    seen = _grouped(window, _ends)
    wanted = [
        pair
        for pair in dict.fromkeys((*pairs, *seen))
        if (source is None or pair[0] == source) and (destination is None or pair[1] == destination)
    ]
    names = [pair[1] if source is not None else pair[0] for pair in wanted]
    return [
        _row(window, subjects[name], total(seen.get(pair, ())))
        for name, pair in zip(names, wanted, strict=True)
        if name in subjects
    ]


def route_rows(window: Window, subjects: Mapping[str, Subject], wanted: Callable[[CounterKey], bool]) -> list[StatView]:
    """A row for each route that had traffic, under the name of its destination."""
    seen = _grouped(window, lambda key: (key.destination, key.route) if wanted(key) else ("", ""))
    return [
        {**_row(window, subjects[name], total(parts)), "route": route}
        for (name, route), parts in sorted(seen.items())
        if name in subjects
    ]


def caller_rows(
    window: Window,
    subjects: Mapping[str, Subject],
    wanted: Callable[[CounterKey], bool],
) -> list[StatView]:
    """A row for each service and who called it, where there was traffic."""
    seen = _grouped(window, lambda key: (key.destination, key.source) if wanted(key) else ("", ""))
    return [
        {**_row(window, subjects[name], total(parts)), "caller": source}
        for (name, source), parts in sorted(seen.items())
        if name in subjects
    ]


def edge_rows(window: Window, active: Mapping[CounterKey, int], identity: Callable[[str], Identity]) -> list[EdgeView]:
    """Every pair that has traffic now or had it in the window, by name. active: exchanges that run."""
    seen = _grouped(window, _ends)
    running: Counter[tuple[str, str]] = Counter()
    for key, count in active.items():
        if count:
            running[_ends(key)] += count
    between = sorted(pair for pair in seen.keys() | running.keys() if pair[1])
    return [_edge(window, total(seen.get(pair, ())), running[pair], identity, *pair) for pair in between]


def tick_view(tick: Tick) -> TickView:
    """Of the gateway: what came in by it."""
    requests: dict[str, int] = {}
    for key, sums in tick.sums.items():
        for name in (key.destination, key.source if key.source == GATEWAY else ""):
            if name and sums.requests:
                requests[name] = requests.get(name, 0) + sums.requests
    return {"seconds": tick.ended - tick.began, "requests": requests}


def _edge(
    window: Window, sums: Sums, active: int, identity: Callable[[str], Identity], source: str, destination: str
) -> EdgeView:
    p50, _, p99 = _quantiles(sums)
    return {
        "source": source,
        "destination": destination,
        "rps": window.per_second(sums),
        "success": sums.success,
        "p50_ms": p50,
        "p99_ms": p99,
        "secured": "memory",
        "client_id": identity(source).spiffe_id,
        "requests": sums.requests,
        "active": active,
        "reasons": sums.reasons,
        "grpc": sums.grpc,
        "messages_in": sums.messages_in,
        "messages_out": sums.messages_out,
    }


def _row(window: Window, subject: Subject, sums: Sums) -> StatView:
    p50, p95, p99 = _quantiles(sums)
    return {
        "name": subject.name,
        "kind": subject.kind,
        "ready": subject.ready,
        "replicas": subject.replicas,
        "success": sums.success,
        "rps": window.per_second(sums),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "retries": sums.retries,
        "connections": subject.connections,
        "requests": sums.requests,
        "bytes_in": sums.bytes_in,
        "bytes_out": sums.bytes_out,
        "reasons": sums.reasons,
        "grpc": sums.grpc,
        "messages_in": sums.messages_in,
        "messages_out": sums.messages_out,
    }


def _quantiles(sums: Sums) -> list[float | None]:
    return [None if value is None else milliseconds(value) for value in sums.quantiles(_QUANTILES)]


def _grouped(window: Window, group: Callable[[CounterKey], _Group]) -> dict[_Group, list[Sums]]:
    """The sums of each group: looked through once, however many rows there are."""
    found: dict[_Group, list[Sums]] = {}
    for key, sums in window.sums.items():
        found.setdefault(group(key), []).append(sums)
    return found


def _ends(key: CounterKey) -> tuple[str, str]:
    return key.source, key.destination
