"""Converters for what options take. Each raises ValueError with a sentence for people."""

import re

from minimesh.cli.text import nearest

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|)", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_WINDOW = 900.0
"""Seconds. The mesh keeps a quarter of an hour of counts."""


class choice:  # noqa: N801 - a converter like the others, that can be asked for its words
    """A converter for one of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, text: str) -> str:
        if text not in self.words:
            guess = nearest(text, self.words)
            meant = f"; did you mean {guess}?" if guess else ""
            raise ValueError(f"{text!r} is not one of {', '.join(self.words)}{meant}")
        return text


def number(text: str) -> int:
    """A whole number, from 0."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def lines(text: str) -> int:
    """How many lines, -1 for all."""
    return -1 if text == "all" else number(text)


def port(text: str) -> int:
    value = number(text)
    if not 1 <= value <= 65535:
        raise ValueError(f"{text!r} is not a port from 1 to 65535")
    return value


def duration(text: str) -> float:
    """Seconds of `250ms`, `2s`, `5m`, `24h`; a bare number is seconds, as in compose.

    Not by `minimesh.spec`, which takes 0.1 s to import.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 10s, 5m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def window(text: str) -> float:
    """A duration to look back, in seconds."""
    seconds = duration(text)
    if not 1 <= seconds <= LONGEST_WINDOW:
        raise ValueError(f"{text!r} is not from 1s to 15m, which is what is kept")
    return seconds


def moment(text: str) -> str:
    """`10m` (ago) or an RFC 3339 time, as an RFC 3339 time in UTC."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - for --since alone

    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    try:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = datetime.fromtimestamp(SystemClock().wall(), UTC) - timedelta(seconds=duration(text))
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise ValueError(f"{text!r} is before the year 1") from None


def share(text: str) -> float:
    """`99.5` or `99.5%` as a share from 0 to 1."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ValueError(f"{text!r} is not a percentage from 0 to 100")
    return value / 100


def header(text: str) -> tuple[str, str]:
    """`Name: value`"""
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name.strip()):
        raise ValueError(f"{text!r} is not a header such as 'Accept: text/html'")
    if "\r" in value or "\n" in value:
        raise ValueError(f"{name} has a line end in its value")
    return name.strip(), value.strip()


def method(text: str) -> str:
    """In capitals."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is not a method such as GET")
    return text.upper()


def assignment(text: str) -> tuple[str, str]:
    """`NAME=value`"""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value


def status(text: str) -> str:
    """`503`, a class, `5xx`, or a status of gRPC by number or name, as `grpc:14`."""
    from minimesh.model.grpc import NAMES  # noqa: PLC0415 - for --status alone

    code = text.lower().removeprefix("grpc:")
    known = [name.lower() for name in NAMES]
    if code in known:
        return f"grpc:{known.index(code)}"
    if code != text.lower() and code.isascii() and code.isdecimal() and len(code) <= 3:
        return f"grpc:{int(code)}"
    if len(text) == 3 and text[0] in "12345" and (text[1:].isdecimal() or text[1:].lower() == "xx"):
        return text.lower()
    guess = nearest(text.upper(), NAMES)
    meant = f"; did you mean {guess}?" if guess else ""
    raise ValueError(f"{text!r} is neither a status (503), a class of them (5xx) nor one of gRPC (UNAVAILABLE){meant}")


def claim(text: str) -> tuple[str, object]:
    """`plan=paid`; a number, true, false, a list or a table as JSON writes them is one."""
    name, value = assignment(text)
    if value[:1] in "[{-0123456789" or value in ("true", "false"):
        from json import loads  # noqa: PLC0415 - for --claim alone

        try:
            return name, loads(value)
        except ValueError:
            return name, value
    return name, value


def lifetime(text: str) -> float:
    """Seconds of `30d`, or of any other duration, above zero."""
    days = text.removesuffix("d")
    seconds = number(days) * 86_400.0 if days != text else duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} is over as it begins")
    return seconds
