"""Floor 1: what is counted and kept of the traffic; nothing is written to disk here."""

from minimesh.model.clock import Clock
from minimesh.telemetry.audits import Audit, Audits
from minimesh.telemetry.counters import CounterKey, Counters, RouteCounters
from minimesh.telemetry.ring import Batch, Ring

__all__ = ["Audit", "Audits", "Batch", "CounterKey", "Counters", "Ring", "RouteCounters", "Telemetry"]


class Telemetry:
    """The three things that the data plane writes to."""

    def __init__(self, clock: Clock) -> None:
        self.counters = Counters()
        self.audits = Audits()
        self.ring = Ring(clock.wall() - clock.monotonic())
