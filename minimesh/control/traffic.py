"""Rows of `stat` and `edges` out of a window of counters. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from minimesh.control.views import EdgeView, Kind, StatView
from minimesh.model.identity import Identity
from minimesh.telemetry.accesslog import milliseconds
from minimesh.telemetry.counters import CounterKey
from minimesh.telemetry.windows import Sums, Window, total

_QUANTILES = (0.5, 0.95, 0.99)


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
    return [_row(window, subject, window.total(_is_traffic_of(subject))) for subject in subjects]


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
    seen = [(key.source, key.destination) for key in window.sums]
    wanted = [
        pair
        for pair in dict.fromkeys((*pairs, *seen))
        if (source is None or pair[0] == source) and (destination is None or pair[1] == destination)
    ]
    names = [pair[1] if source is not None else pair[0] for pair in wanted]
    return [
        _row(window, subjects[name], window.total(_is_between(*pair)))
        for name, pair in zip(names, wanted, strict=True)
        if name in subjects
    ]


def route_rows(window: Window, subjects: Mapping[str, Subject], wanted: Callable[[CounterKey], bool]) -> list[StatView]:
    """A row for each route that had traffic, under the name of its destination."""
    rows: list[StatView] = []
    for name, route in sorted({(key.destination, key.route) for key in window.sums if wanted(key)}):
        if name in subjects:
            sums = total(
                sums
                for key, sums in window.sums.items()
                if wanted(key) and (key.destination, key.route) == (name, route)
            )
            rows.append({**_row(window, subjects[name], sums), "route": route})
    return rows


def edge_rows(window: Window, active: Mapping[CounterKey, int], identity: Callable[[str], Identity]) -> list[EdgeView]:
    """Every pair that has traffic now or had it in the window, by name. active: exchanges that run."""
    running = [key for key, count in active.items() if count]
    between = sorted({(key.source, key.destination) for key in (*window.sums, *running) if key.destination})
    return [_edge(window, active, identity, *pair) for pair in between]


def _edge(
    window: Window, active: Mapping[CounterKey, int], identity: Callable[[str], Identity], source: str, destination: str
) -> EdgeView:
    is_mine = _is_between(source, destination)
    sums = window.total(is_mine)
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
        "active": sum(count for key, count in active.items() if is_mine(key)),
        "reasons": sums.reasons,
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
    }


def _quantiles(sums: Sums) -> list[float | None]:
    return [None if value is None else milliseconds(value) for value in sums.quantiles(_QUANTILES)]


def _is_traffic_of(subject: Subject) -> Callable[[CounterKey], bool]:
    if subject.kind == "gateway":
        return lambda key: key.source == subject.name
    return lambda key: key.destination == subject.name


def _is_between(source: str, destination: str) -> Callable[[CounterKey], bool]:
    return lambda key: key.source == source and key.destination == destination
