"""How bad a log line says it is, in the formats that programs usually write. Pure.

JSON with a level or severity (names, or the numbers of pino and bunyan), logfmt, and text with a level word in its
first part: `WARN`, `[error]`, `ERROR:`, `2026-01-31 - app - ERROR - …`, klog's `E0131`, a Python or Node exception.
"""

import json
import re
from collections.abc import Callable

from minimesh.cli.text import plain

LEVELS = ("debug", "info", "warn", "error")
SEEN = 120
"""Characters of a text line in which its level stands."""

_WORDS = {
    **dict.fromkeys(("trace", "verbose", "debug", "dbg", "finest", "finer", "fine", "silly"), "debug"),
    **dict.fromkeys(("info", "inf", "information", "notice", "log", "default"), "info"),
    **dict.fromkeys(("warn", "warning", "wrn"), "warn"),
    **dict.fromkeys(
        ("error", "err", "eror", "fatal", "ftl", "critical", "crit", "panic", "severe", "alert", "emerg", "emergency"),
        "error",
    ),
}
_KEYS = ("level", "severity", "lvl", "levelname", "log.level", "loglevel", "level_name")
_LOGFMT = re.compile(r'(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]+)"?(?=\s|$)')
_UPPER = re.compile(
    r"(?<![\w/.-])(TRACE|VERBOSE|DEBUG|DBG|INFO|INF|NOTICE|WARN(?:ING)?|WRN|ERR(?:OR)?|FATAL|FTL|CRIT(?:ICAL)?|PANIC|"
    r"SEVERE|ALERT|EMERG(?:ENCY)?)(?![\w/-])"
)
_ANY_CASE = re.compile(
    r"(?:^\W*|[\[(<])(trace|debug|info|notice|warn(?:ing)?|err(?:or)?|fatal|crit(?:ical)?|panic|alert|emerg)"
    r"(?=\s*[\])>:]|\s+-\s)",
    re.IGNORECASE | re.ASCII,
)
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_EXCEPTION = re.compile(
    r"(?:Traceback \(most recent call last\)|(?:Uncaught )?[\w.]*(?:Error|Exception)(?: \[\w+\])?:)"
)
_WARNING = re.compile(r"[^\s].*?:\d+: \w*Warning: ")
_OF_LETTER = {"I": "info", "W": "warn", "E": "error", "F": "error"}


def level_of(line: str) -> str | None:
    """One of LEVELS; None where the line does not say."""
    text = (plain(line) if "\x1b" in line else line).lstrip()
    if text.startswith("{"):
        return _of_json(text)
    head = text[:SEEN]
    if found := _LOGFMT.search(text[:1024]):
        return _WORDS.get(found[1].lower())
    if found := _KLOG.match(head):
        return _OF_LETTER[found[1]]
    if found := _UPPER.search(head) or _ANY_CASE.search(head):
        return _WORDS[found[1].lower()]
    if _EXCEPTION.match(head):
        return "error"
    return "warn" if _WARNING.match(head) else None


def _of_json(text: str) -> str | None:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    nested = facts.get("log")
    value = next(
        (facts[key] for key in _KEYS if key in facts), nested.get("level") if isinstance(nested, dict) else None
    )
    if isinstance(value, str) and not value.isdecimal():
        return _WORDS.get(value.lower())
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = float(value) if isinstance(value, str) else value  # an int may be longer than any float
    return "debug" if number < 30 else "info" if number < 40 else "warn" if number < 50 else "error"


def at_least(wanted: str) -> Callable[[tuple[str, int, str], str], bool]:
    """A filter over the lines of several streams, in their order: is the line as bad as `wanted`, or worse?

    A stream is (service, replica, stream). A line without a level belongs to the last one that had one, so a stack
    trace stays with its error; before any, and between the levels, it is `info`.
    """
    least = LEVELS.index(wanted)
    latest: dict[tuple[str, int, str], int] = {}

    def passes(stream: tuple[str, int, str], line: str) -> bool:
        found = level_of(line)
        if found is not None:
            latest[stream] = LEVELS.index(found)
        return latest.get(stream, LEVELS.index("info")) >= least

    return passes
