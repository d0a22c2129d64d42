"""The schema is data: it can be walked, and what it says of defaults is true."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesh.spec.kinds import Off
from minimesh.spec.many import ListOf, MapOf
from minimesh.spec.node import Reading
from minimesh.spec.project import FILE
from minimesh.spec.schema import Key, Kind, Table
from minimesh.spec.source import parse_source


def inner(kind: Kind[object]) -> Kind[object]:
    while isinstance(kind, ListOf | MapOf | Off):
        kind = kind.kind
    return kind


def walk(table: Table[object], path: str = "") -> Iterator[tuple[str, Table[object], Key[object]]]:
    for key in table.keys:
        yield f"{path}{key.name}", table, key
        kind = inner(key.kind)
        if isinstance(kind, Table):
            yield from walk(kind, f"{path}{key.name}.")


KEYS = list(walk(FILE))


@pytest.mark.parametrize(("path", "table", "key"), KEYS, ids=[path for path, _, _ in KEYS])
def test_every_key_is_described(path: str, table: Table[object], key: Key[object]) -> None:
    assert key.doc
    assert key.kind.noun
    assert key.name not in table.later
    assert not (key.required and key.default)
    if key.default and not isinstance(key.kind, Table):
        tomllib.loads(f"{key.name} = {key.default}")


def read(kind: Kind[object], written: str) -> object:
    reading = Reading(Path(), {})
    value = kind.read(reading.grow(parse_source(f"x = {written}", "x.toml", Path())).children["x"])
    assert reading.problems == ()
    return value


def test_written_defaults_are_the_defaults_of_the_model() -> None:
    """A table in which each default is written out reads as the empty one."""
    compared = []
    tables = {path: inner(key.kind) for path, _, key in KEYS if isinstance(inner(key.kind), Table)}
    for path, table in tables.items():
        assert isinstance(table, Table)
        defaults = [f"{key.name} = {key.default}" for key in table.keys if key.default]
        if (
            any(key.required for key in table.keys)
            or not defaults
            or path.split(".")[-1] in ("services", "defaults", "jwt")
        ):
            continue
        written, empty = (read(table, text) for text in (f"{{ {', '.join(defaults)} }}", "{}"))
        assert written == empty, path
        compared.append(path)
    assert {"services.restart", "services.stop", "services.timeout", "services.ready", "gateway.limits", "logs"} <= {
        *compared
    }


def test_every_key_of_the_format_is_known() -> None:
    """Built or not: a table of the contract has no key that would be called unknown."""
    service = inner(next(key.kind for path, _, key in KEYS if path == "services"))
    assert isinstance(service, Table)
    assert {"retries", "fallback", "image", "versions"} <= service.later
    assert {key.name for key in service.keys}.isdisjoint(service.later)
