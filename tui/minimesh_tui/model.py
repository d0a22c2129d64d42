"""What the services screen shows, out of the live view of the control API. No terminal and no clock in here."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from minimesh.control.views import EdgeView, LiveView, MeshView, ServiceView, StatView
from minimesh_tui.look import Health

SECONDS = 60
"""Of requests per second that are remembered of each service."""
GOOD_ENOUGH = 0.99
"""A running service whose share of good answers is lower is degraded."""

_DOWN = frozenset({"crash-loop", "failed", "backoff"})
_MOVING = frozenset({"waiting", "starting", "stopping"})
_STILL = frozenset({"pending", "stopped", "exited"})


class Order(StrEnum):
    """Of the services."""

    FILE = "as in the file"
    WORST = "worst first"
    BUSIEST = "most requests"
    SLOWEST = "slowest"


@dataclass(frozen=True, slots=True)
class Row:
    """A service and its traffic; `stat` has only what others ask of it. history: requests a second, latest last."""

    service: ServiceView
    stat: StatView | None
    health: Health
    history: tuple[float, ...]

    @property
    def name(self) -> str:
        return self.service["name"]

    @property
    def state(self) -> str:
        """The word of its state, which tells a service that runs badly from one that runs."""
        degraded = self.health is Health.DEGRADED and self.service["state"] == "running"
        return "degraded" if degraded else self.service["state"]

    @property
    def is_stopped(self) -> bool:
        return self.service["state"] in _STILL


class Board:
    """All services as the mesh last told them."""

    def __init__(self) -> None:
        self.mesh: MeshView | None = None
        self.time = ""
        self.edges: list[EdgeView] = []
        self.rows: list[Row] = []
        self._history: dict[str, deque[float]] = {}

    def begin(self) -> None:
        """A stream begins, and with it the history anew."""
        self._history.clear()

    def take(self, view: LiveView) -> None:
        """Lines of one stream in their order."""
        self.mesh, self.time, self.edges = view["mesh"], view["time"], view["edges"]
        names = [service["name"] for service in view["services"]]
        for tick in view["ticks"]:
            for name in names:
                history = self._history.setdefault(name, deque(maxlen=SECONDS))
                history.append(tick["requests"].get(name, 0) / max(tick["seconds"], 0.001))
        stats = {row["name"]: row for row in view["stat"]}
        self.rows = [
            Row(service, stat := stats.get(service["name"]), health(service, stat), self._of(service["name"]))
            for service in view["services"]
        ]

    def row(self, name: str | None) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    def counts(self) -> dict[Health, int]:
        """How many services are how; tasks left out, as they come and go."""
        found = dict.fromkeys(Health, 0)
        for row in self.rows:
            if row.service["kind"] != "task":
                found[row.health] += 1
        return found

    def callers(self, name: str) -> list[EdgeView]:
        return [edge for edge in self.edges if edge["destination"] == name]

    def callees(self, name: str) -> list[EdgeView]:
        return [edge for edge in self.edges if edge["source"] == name]

    def _of(self, name: str) -> tuple[float, ...]:
        return tuple(self._history.get(name, ()))


def health(service: ServiceView, stat: StatView | None) -> Health:
    """Of a state, how many replicas are ready, and how its calls end."""
    state = service["state"]
    if state in _DOWN or (state == "exited" and any(each["exit_code"] for each in service["instances"])):
        # Of several replicas the state is the worst one's: while others serve, the service is not down.
        return Health.DEGRADED if service["ready"] else Health.DOWN
    if state in _MOVING:
        return Health.DEGRADED if service["ready"] else Health.STARTING
    if state in _STILL:
        return Health.STOPPED
    if service["kind"] == "task":
        return Health.OK
    if service["ready"] < service["replicas"]:
        return Health.DEGRADED
    success = stat["success"] if stat else None
    return Health.DEGRADED if success is not None and success < GOOD_ENOUGH else Health.OK


_WORST = list(Health)
_ORDERS: dict[Order, Callable[[Row], float]] = {
    Order.FILE: lambda row: 0,
    Order.WORST: lambda row: _WORST.index(row.health),
    Order.BUSIEST: lambda row: -((row.stat and row.stat["rps"]) or 0),
    Order.SLOWEST: lambda row: -((row.stat and row.stat["p99_ms"]) or 0),
}


def arranged(rows: Iterable[Row], order: Order, words: str) -> list[Row]:
    """Those that have all the words in name, state or reason, in that order; alike ones as in the file."""
    wanted = words.lower().split()
    return sorted((row for row in rows if all(word in _text(row) for word in wanted)), key=_ORDERS[order])


def _text(row: Row) -> str:
    return f"{row.name} {row.state} {row.service['kind']} {row.service['reason'] or ''}".lower()


def bars(history: Sequence[float], columns: int, glyphs: str) -> str:
    """A sparkline of the last minute, the latest at the right; each column is the mean of its share of the time."""
    if not history or columns <= 0:
        return ""
    columns = min(columns, SECONDS)
    padded = [None] * (SECONDS - len(history)) + list(history)
    means: list[float | None] = []
    for column in range(columns):
        part = [v for v in padded[column * SECONDS // columns : (column + 1) * SECONDS // columns] if v is not None]
        means.append(sum(part) / len(part) if part else None)
    most = max(mean for mean in means if mean is not None)
    return "".join(" " if mean is None else _bar(mean, most, glyphs) for mean in means)


def _bar(mean: float, most: float, glyphs: str) -> str:
    return glyphs[0] if most <= 0 else glyphs[min(len(glyphs) - 1, int(mean / most * (len(glyphs) - 1) + 0.5))]
