"""The reference file: a minimesh.toml with every key that is built, its default and its meaning, made of the tables."""

from collections.abc import Iterator
from textwrap import wrap

from minimesh.spec.entries import ANY, SAMPLES, limits, table_of
from minimesh.spec.kinds import Either, Integer, Off
from minimesh.spec.many import ListOf, MapOf
from minimesh.spec.names import Callee
from minimesh.spec.project import DEFAULTS, FILE
from minimesh.spec.schema import Key, Table

WIDTH = 120
COLUMN = 40
# The service is the one that examples of other keys name.
NAMES = {**SAMPLES, "services": Callee.example.strip('"')}
HEAD = """\
# minimesh.toml, version 1 of the format: every key that this minimesh knows.
#
# Written by `minimesh config --reference` from the tables that the file is read by. A line that begins with "#" and
# a key shows the default of a key, or an example where there is no default to show: take the "#" away to set it.
# Whatever else begins with "#" is a remark.
#
# Units are always written: durations "250ms", "2s", "5m", "24h"; sizes "512B", "64KiB", "50MiB".
# Paths: "/a" is exact, "/a/*" takes /a and all below it, "~^/v[0-9]+/" is a regular expression. The most specific
# route wins, whatever the order in the file.
# ${NAME}, ${NAME:-default} and ${NAME:?message} come from the environment and from .env, in every string but a command
# for the shell (a `run` that is a string, `ready.exec`), whose ${…} are the shell's. ${orders.url} (or host, port,
# address) is where a service reaches `orders`, in `env` and in a `run` that is a list. A literal "${" is written "$${".
"""


def reference() -> str:
    """The text of the file. With every "#" of a key taken away it is a whole project too."""
    return "\n".join([HEAD, *_block(FILE, (), "")]) + "\n"


def _block(table: Table[object], path: tuple[str, ...], header: str) -> Iterator[str]:
    """The lines of a table that has a header: its own keys, those of tables within, then the blocks below it."""
    off = header.startswith("#")
    within = [key for key in table.keys if not _is_line(key) and not _has_header(key, path)]
    for key in table.keys:
        if _is_line(key):
            stands = not off and (key.required or key.name in table.one_of[:1])
            yield _key(table, key, (key.name,), stands)
        elif first := _same_items(table, key):
            yield _line(key.name, key.default, f"{key.doc}; its items are as those of `{first.name}`", "#")
    yield from _not_built(table.later)
    for key in within:
        yield from _within(key, (key.name,), instead=key.name in table.one_of[1:])
    for key in table.keys:
        below = table_of(key.kind)
        if below and not _is_line(key) and _has_header(key, path) and not _same_items(table, key):
            yield from _below(key, below, path)


def _below(key: Key[object], table: Table[object], path: tuple[str, ...]) -> Iterator[str]:
    own = (*path, key.name)
    yield ""
    if not path:
        yield f"# ---- {key.name}: {key.doc} ".ljust(WIDTH, "-")
        yield ""
    names = [NAMES[own[0]] if part == ANY else part for part in own]
    header = f"[{'.'.join(names)}]"
    if isinstance(key.kind, MapOf):
        own = (*own, ANY)
        # Where nothing of it stands, it would be a table that says nothing.
        header = f"{'' if any(map(_is_line, table.keys)) else '#'}[{key.name}.{NAMES[key.name]}]"
    elif isinstance(key.kind, ListOf):
        header = f"#[{header}]"
    yield header
    if key is DEFAULTS:
        yield _line("timeout", '"15s"', "tables merge with the service's own; all else it replaces", "#")
    else:
        yield from _block(table, own, header)


def _same_items(table: Table[object], key: Key[object]) -> Key[object] | None:
    """The first key of the table that is a list of the same, where that is another one."""
    same = [each for each in table.keys if isinstance(each.kind, ListOf) and table_of(each.kind) is table_of(key.kind)]
    return same[0] if isinstance(key.kind, ListOf) and same[0] is not key else None


def _is_line(key: Key[object]) -> bool:
    """Whether a line is enough for it."""
    return table_of(key.kind) is None or isinstance(key.kind, Either)


def _has_header(key: Key[object], path: tuple[str, ...]) -> bool:
    return isinstance(key.kind, MapOf | ListOf) or (not path and isinstance(key.kind, Table))


def _key(
    table: Table[object], key: Key[object], name: tuple[str, ...], stands: bool = False, instead: bool = False
) -> str:
    limit = limits(key.kind)
    doc = f"{key.doc} ({limit})" if limit and isinstance(key.kind, Integer | Either) else key.doc
    before = "# or: " if instead or key.name in table.one_of[1:] else "" if stands else "#"
    line = _line(".".join(name), key.default or key.kind.example, doc, before)
    if not isinstance(key.kind, Either):
        return line
    inner = table_of(key.kind)
    assert inner is not None
    meanings = "; ".join(f"{each.name}: {each.doc}" for each in inner.keys)
    return f"{line}\n{_line('.'.join(name), inner.example, meanings, '# or: ')}"


def _within(key: Key[object], name: tuple[str, ...], instead: bool = False) -> Iterator[str]:
    """A table without a header: what it is for, its short forms, its keys (dotted). instead: of another one."""
    table = table_of(key.kind)
    assert table is not None
    dotted = ".".join(name)
    yield ""
    yield from _remark(f"{dotted}: {key.doc}")
    if table.short:
        yield _line(dotted, table.short.kind.example, f"in short, for {dotted}.{table.short.name}", "# or: ")
    if isinstance(key.kind, Off):
        yield _line(dotted, '"off"', "the default" if key.default == '"off"' else "", "# or: ")
    for inner in table.keys:
        own = (*name, inner.name)
        yield from (_key(table, inner, own, instead=instead),) if _is_line(inner) else _within(inner, own, instead)
    yield from _not_built(table.later, f"{dotted}.")


def _not_built(names: frozenset[str], prefix: str = "") -> Iterator[str]:
    if names:
        told = ", ".join(f"{prefix}{name}" for name in sorted(names))
        yield from _remark(f"part of the format, not built yet: {told}")


def _line(name: str, value: str, doc: str, before: str = "") -> str:
    """`key = value   # meaning`; the meaning goes above where there is no room for it."""
    written = f"{before}{name} = {value}"
    told = f"{written:<{COLUMN - 2}}  # {doc}" if doc else written
    return told if len(told) <= WIDTH else "\n".join([*_remark(f"{name}: {doc}"), written])


def _remark(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH - 2)]
