"""How long and how often; the defaults take some ten minutes in all."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    rounds: int = 5
    """Of each contest; odd, so that the median is one of them."""
    seconds: int = 3
    """Of load in a round."""
    body: int = 2**30
    """Bytes of a large body."""
    connections: int = 5000
    """Idle ones."""
    idle: float = 10.0
    """Seconds of watching the shop do nothing."""
    starts: int = 10
    """How often a command is started."""
    requests: int = 100_000
    """At the shop, before it rests."""
    rest: float = 60.0
    """Seconds of it."""
