"""Values as people read them. `-` is no data; nothing here writes a control character."""

import re
from collections.abc import Iterable, Sequence

# Whoever lays out text has the measures from here too.
from minimesh.model.cells import shorten as shorten  # noqa: PLC0414 - exported again
from minimesh.model.cells import width as width  # noqa: PLC0414

NONE = "-"
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI: cursor, erase, modes
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and its like: titles, links
    r"|[ -/]+[0-~]|[7-9=>DEHMNOZc])"  # character sets, keypad, single moves
)
_TO_THE_START = re.compile(r"\r+|\x1b\[(?:[01]?G|2K)")
_HARMLESS = frozenset("\xa0\u1680\u202f\u205f\u3000\u200c\u200d").union(map(chr, range(0x2000, 0x200B)))
"""Spaces of all kinds, and the joiners that Persian, Hindi and emoji are written with."""


def escape(text: str) -> str:
    """The text with everything that a terminal might act on (C0, C1, bidi controls, lone surrogates) spelt out."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spell(character) for character in text)


def _spell(character: str) -> str:
    if character in _HARMLESS:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def service_output(line: str, colour: bool) -> str:
    """A line of a service's own output, as it would look, and with no power over the terminal.

    Tabs stay, colours (SGR) stay where wanted; of what a progress bar has overwritten the last is left; other
    sequences that a terminal would act on are taken out, and what remains of control characters is spelt out.
    """
    if line.isprintable():
        return line
    pieces: list[str] = []
    end = 0
    line = _last_overwritten(line)
    for match in _SGR.finditer(line):
        pieces += (_plain_output(line[end : match.start()]), match[0] if colour else "")
        end = match.end()
    pieces.append(_plain_output(line[end:]))
    return "".join(pieces) + ("\x1b[0m" if colour and end else "")


def _last_overwritten(line: str) -> str:
    first, *later = _TO_THE_START.split(line)
    return next((part for part in reversed(later) if _SEQUENCE.sub("", part).strip()), first)


def _plain_output(text: str) -> str:
    return "\t".join(map(escape, _SEQUENCE.sub("", text).split("\t")))


def plain(text: str) -> str:
    """The text without its colours."""
    return _SGR.sub("", text)


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most so many columns, broken between words; a longer word is left whole."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if lines[-1] and width(lines[-1]) + width(word) > columns:
            lines.append(word.lstrip())
        else:
            lines[-1] += word
    return lines


def milliseconds(value: float | None) -> str:
    """A latency: `0.4ms`, `31ms`, `2000ms`, `12.3s`."""
    if value is None:
        return NONE
    if value < 0.95:
        return f"{value:.1f}ms" if value >= 0.05 else "0ms"
    return f"{value:.0f}ms" if value < 9_999.5 else f"{value / 1000:.1f}s"


def elapsed(seconds: float) -> str:
    """How long a step took: `6ms`, `0.9s`, `2m05s`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    return f"{whole // 60}m{whole % 60:02}s"


def age(ms: float | None) -> str:
    """How long something has been up: `0s`, `59s`, `12m`, `3h`, `2d`."""
    if ms is None:
        return NONE
    seconds = int(ms / 1000)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def lasting(seconds: float) -> str:
    """A length as it is written in minimesh.toml: `24h`, `90m`, `20s`."""
    unit, name = next(
        (each for each in ((3600, "h"), (60, "m")) if seconds >= each[0] and seconds % each[0] == 0), (1, "s")
    )
    return f"{seconds / unit:g}{name}"


def percent(share: float | None) -> str:
    """A share from 0 to 1 with two decimals, rounded down: only what never failed is `100.00%`."""
    if share is None:
        return NONE
    hundredths = int(share * 10_000 + 1e-6)
    return f"{hundredths // 100}.{hundredths % 100:02}%"


def rate(value: float | None) -> str:
    """Requests a second: `27.0`, or `0.02` where one decimal would hide it."""
    if value is None:
        return NONE
    return f"{value:.2f}" if 0 < value < 0.05 else f"{value:.1f}"


def size(octets: int | None) -> str:
    """Bytes: `91B`, `1.2KiB`, `3.0MiB`."""
    if octets is None:
        return NONE
    if octets < 1024:
        return f"{octets}B"
    amount = float(octets)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1023.95:
            return f"{amount:.1f}{unit}"
    return f"{amount / 1024:.1f}TiB"


def count(number: int | None) -> str:
    return NONE if number is None else str(number)


def plural(number: int, noun: str) -> str:
    """`1 service`, `4 services`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 20) -> str:
    """`a, b, c`, or the first of very many: `a, b and 998 more`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def local_time(stamp: str) -> str:
    """An RFC 3339 time as a person's clock shows it, with milliseconds: `14:02:10.412`."""
    from datetime import datetime  # noqa: PLC0415 - only lists with times pay for it

    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return escape(stamp)


def local_stamp(seconds: float) -> str:
    """Seconds since 1970 as a person's clock shows them: `14:02:10.412`."""
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S.%f")[:-3]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What was probably meant."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes pay for it

    return next(iter(get_close_matches(word, list(known), 1, 0.6)), None)
