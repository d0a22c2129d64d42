"""What rules under audit would have decided otherwise, counted until somebody tells of it."""

from dataclasses import dataclass

MOST = 1_000
REST = 60.0
"""Seconds in which the same is told once."""


@dataclass(frozen=True, slots=True)
class Audit:
    """allowed: what would have been. where: the line of minimesh.toml that would have decided. call: the latest one."""

    source: str
    destination: str
    allowed: bool
    where: str
    call: str
    count: int

    def __str__(self) -> str:
        what = "allow" if self.allowed else "refuse"
        times = "" if self.count == 1 else f", {self.count} times, the last"
        return f"{self.where} would {what} {self.source} -> {self.destination}{times}: {self.call}"


class Audits:
    """Bounded: whoever comes when it is full is not told of."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, bool, str], Audit] = {}
        self._told: dict[tuple[str, str, bool, str], float] = {}

    def note(self, source: str, destination: str, allowed: bool, where: str, call: str) -> None:
        key = (source, destination, allowed, where)
        before = self._counted.get(key)
        if before is not None or len(self._counted) < MOST:
            self._counted[key] = Audit(*key, call, 1 if before is None else before.count + 1)

    def news(self, now: float) -> list[Audit]:
        """What was not told in the last minute. now: monotonic seconds."""
        if not self._counted:
            return []
        due = [key for key in self._counted if now - self._told.get(key, -REST) >= REST]
        self._told = {key: at for key, at in self._told.items() if now - at < REST} | dict.fromkeys(due, now)
        return [self._counted.pop(key) for key in due]
