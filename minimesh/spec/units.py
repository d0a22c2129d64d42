"""Quantities with their units, as text in minimesh.toml and as numbers inside."""

import re

from minimesh.spec import codes
from minimesh.spec.text_error import TextError

Units = dict[str, float]

DURATIONS: Units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
SIZES: Units = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

_QUANTITY = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", re.ASCII)

# What people write elsewhere, and what they mean.
_DURATION_ALIASES = {
    **dict.fromkeys(("", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
}
_SIZE_ALIASES = {
    **dict.fromkeys(("", "byte", "bytes"), "B"),
    **dict.fromkeys(("k", "kb"), "KiB"),
    **dict.fromkeys(("m", "mb"), "MiB"),
    **dict.fromkeys(("g", "gb"), "GiB"),
}


def duration(text: str) -> float:
    """Seconds of "250ms", "2s", "5m" or "24h"; longer than none."""
    seconds = duration_or_zero(text)
    if not seconds:
        raise TextError(codes.VALUE, f'"{text}" is no time at all; expected a longer duration', fix='"1s"')
    return seconds


def duration_or_zero(text: str) -> float:
    """Seconds, as `duration`, where none at all makes sense too."""
    return _quantity(text, "duration", DURATIONS, _DURATION_ALIASES)


def size(text: str) -> int:
    """Bytes of "512B", "64KiB", "50MiB" or "1GiB"; at least one."""
    count = int(_quantity(text, "size", SIZES, _SIZE_ALIASES))
    if not count:
        raise TextError(codes.VALUE, f'"{text}" is no size at all; expected at least a byte', fix='"64KiB"')
    return count


def duration_range(text: str) -> tuple[float, float]:
    """Seconds of "1s..30s"; a single duration is both ends."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    try:
        low = duration(first)
        high = duration(last) if dots else low
    except TextError as error:
        message = f'invalid range "{text}"; expected two durations such as "1s..30s"'
        raise TextError(error.code, message, fix=f'"{_meant_duration(first)}..{_meant_duration(last)}"') from None
    if low > high:
        raise TextError(codes.VALUE, f'the range "{text}" begins above its end', fix=f'"{last}..{first}"')
    return low, high


def _quantity(text: str, noun: str, units: Units, aliases: dict[str, str]) -> float:
    match = _QUANTITY.fullmatch(text)
    if match and f"{match[1]}{match[2]}" == text and match[2] in units:
        return float(match[1]) * units[match[2]]
    *most, last = units
    expected = f"expected NUMBER and unit, unit {', '.join(most)} or {last}"
    fix = _meant(text, units, aliases)
    raise TextError(codes.UNIT, f'invalid {noun} "{text}"; {expected}', fix=f'"{fix}"' if fix else None)


def _meant(text: str, units: Units, aliases: dict[str, str]) -> str | None:
    match = _QUANTITY.fullmatch(text)
    unit = match and ({unit.lower(): unit for unit in units} | aliases).get(match[2].lower())
    return f"{match[1]}{unit}" if match and unit else None


def _meant_duration(text: str) -> str:
    return _meant(text, DURATIONS, _DURATION_ALIASES) or "30s"
