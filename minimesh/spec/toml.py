"""Values as TOML writes them. What a terminal could act on is escaped."""

import re
from collections.abc import Iterable

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def string(text: str) -> str:
    """A basic string. What no TOML can hold, half a surrogate pair, becomes U+FFFD."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _escape(c) for c in escaped) + '"'


def key(path: Iterable[str | int]) -> str:
    """A dotted key, quoted where it must be."""
    return ".".join(str(part) if _BARE.fullmatch(str(part)) else string(str(part)) for part in path)


def value(item: object) -> str:
    """A plain value, a list, or an inline table."""
    match item:
        case bool():
            return str(item).lower()
        case str():
            return string(item)
        case list():
            return f"[{', '.join(map(value, item))}]"
        case dict():
            pairs = ", ".join(f"{key((name,))} = {value(each)}" for name, each in item.items())
            return f"{{ {pairs} }}" if pairs else "{}"
    return str(item)


def _escape(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return short.get(character) or f"\\U{ord(character):08X}"
