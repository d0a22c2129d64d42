"""Every key of the format with its path and its meaning: the tables, walked for those who explain them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from minimesh.spec.addresses import HIGHEST_PORT, LOWEST_PORT, Listen, Port
from minimesh.spec.kinds import Either, Integer, Off, Quantity
from minimesh.spec.many import ListOf, MapOf
from minimesh.spec.project import DEFAULTS, FILE
from minimesh.spec.schema import Key, Kind, Table
from minimesh.spec.units import DURATIONS, SIZES

ANY = "*"
"""Stands in a path for a name of the user's choice."""
SAMPLES = {"auth": "users", "services": "web", "tasks": "migrate"}
"""The names that examples have for that."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key at its place: `services.*.restart.backoff`. `key` None: part of the format, but not built."""

    path: tuple[str, ...]
    key: Key[object] | None = None

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


@cache
def entries() -> tuple[Entry, ...]:
    """All keys, in the order of the tables, those that are not built last in each. What may stand in [defaults] is
    listed once, under `services.*`."""
    return tuple(_entries(FILE, ()))


def _entries(table: Table[object], path: tuple[str, ...]) -> Iterator[Entry]:
    for key in table.keys:
        own = (*path, key.name)
        yield Entry(own, key)
        below = table_of(key.kind)
        if below and key is not DEFAULTS:
            yield from _entries(below, (*own, ANY) if isinstance(key.kind, MapOf) else own)
    for name in sorted(table.later):
        yield Entry((*path, name))


def table_of(kind: Kind[object]) -> Table[object] | None:
    """The table that a kind is, may be, or has many of."""
    while isinstance(kind, Off | Either | MapOf | ListOf):
        kind = kind.kind
    return kind if isinstance(kind, Table) else None


def limits(kind: Kind[object]) -> str:
    """Which of the values of its type a kind takes, in words: units, bounds; "" where there is nothing to add."""
    match kind:
        case Off() | ListOf():
            return limits(kind.kind)
        case Either():
            return limits(kind.plain)
        case Table() if kind.short:
            return limits(kind.short.kind)
        case Quantity():
            units = SIZES if "size" in kind.noun else DURATIONS
            return f"with its unit: {', '.join(units)}"
        case Integer():
            return f"{kind.low} to {kind.high}"
        case Port() | Listen():
            return f"{LOWEST_PORT} to {HIGHEST_PORT}"
    return ""


def example(entry: Entry) -> str:
    """The key at its place in a minimesh.toml, with a value, and with what has to stand beside it in its table."""
    assert entry.key is not None, "what is not built has no example"
    header, inner = place(entry.path)
    written = f"{entry.name} = {entry.key.kind.example}"
    for depth in range(len(inner) - 1, 0, -1):
        owner = at(entry.path[: depth - len(inner)])
        table = table_of(owner.key.kind) if owner and owner.key else None
        beside = [key for key in table.keys if key.required and key.name != inner[depth]] if table else []
        pairs = ", ".join([*(f"{key.name} = {key.kind.example}" for key in beside), written])
        many = owner is not None and owner.key is not None and isinstance(owner.key.kind, ListOf)
        written = f"{inner[depth - 1]} = [{{ {pairs} }}]" if many else f"{inner[depth - 1]} = {{ {pairs} }}"
    return f"{header}\n{written}" if header else written


def at(path: tuple[str, ...]) -> Entry | None:
    return next((entry for entry in entries() if entry.path == path), None)


def place(path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The header that a key stands under, and its path from there."""
    if len(path) > 2 and path[1] == ANY:
        return f"[{path[0]}.{SAMPLES[path[0]]}]", path[2:]
    for length in range(len(path) - 1, 0, -1):
        owner = at(path[:length])
        if owner and owner.key and isinstance(owner.key.kind, ListOf):
            return f"[[{'.'.join(path[:length])}]]", path[length:]
    return (f"[{path[0]}]", path[1:]) if len(path) > 1 else ("", path)
