"""What is counted of the traffic: a set of plain numbers for each route of each edge."""

from typing import NamedTuple

from minimesh.telemetry.histogram import BUCKETS


class CounterKey(NamedTuple):
    """Who calls whom by which route of which listener."""

    source: str
    destination: str
    route: str


class RouteCounters:
    """Cumulative counts since the mesh started; the data plane adds to them in place.

    classes[n]: answers with status n00 to n99, classes[0]: no head was sent. latency counts the time to the
    answer's head. bytes are of bodies. tries counts requests sent to endpoints, so retries = tries - requests
    that reached one. reasons: mesh-made answers and cuts by their code.
    grpc: statuses of gRPC calls by name; messages are theirs.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "classes",
        "grpc",
        "key",
        "latency",
        "messages_in",
        "messages_out",
        "reasons",
        "requests",
        "retries",
    )

    def __init__(self, key: CounterKey) -> None:
        self.key = key
        self.requests = 0
        self.retries = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages_in = 0
        self.messages_out = 0
        self.classes = [0] * 10
        self.latency = [0] * BUCKETS
        self.reasons: dict[str, int] = {}
        self.grpc: dict[str, int] = {}

    @property
    def active(self) -> int:
        """Exchanges that run: begun, and not in a class yet."""
        return self.requests - sum(self.classes)


class Counters:
    """All counters by key; they outlive snapshots, and a key once made stays."""

    def __init__(self) -> None:
        self._by_key: dict[CounterKey, RouteCounters] = {}

    def of(self, key: CounterKey) -> RouteCounters:
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = RouteCounters(key)
        return found

    def all(self) -> tuple[RouteCounters, ...]:
        return tuple(self._by_key.values())
