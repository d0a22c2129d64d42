"""Lengths of time as Go and compose write them (`1m30s`), as minimesh.toml does (`90s`)."""

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h|d)", re.ASCII)
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST = 999_999_999.0


def seconds(text: str) -> float | None:
    """The seconds in a text of compose; None if it is none, or too long to be meant."""
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        return None
    total = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
    return total if total <= _MOST else None


def written(length: float) -> str:
    """Seconds as minimesh.toml has them; at least a millisecond, for nothing there is shorter."""
    if length >= 1 and length == int(length):
        return f"{int(length)}s"
    return f"{max(1, round(length * 1000))}ms" if length < 1000 else f"{round(length)}s"
