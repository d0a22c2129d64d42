"""What `load` accepts the schema accepts, and what is said to be in force says the same again when it is loaded."""

import dataclasses
import re
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # has no types

from minimesh.cli.configuration import lines, nested
from minimesh.model.template import Template
from minimesh.model.where import NOWHERE, Where
from minimesh.spec import Loaded, SpecError, load
from minimesh.spec.entries import table_of
from minimesh.spec.jsonschema import document
from minimesh.spec.kinds import Off
from minimesh.spec.many import ListOf, MapOf
from minimesh.spec.project import FILE, SERVICES, TASKS
from minimesh.spec.schema import Key, Kind, Table
from minimesh.spec.settings import resolved, written

tomli_w = pytest.importorskip("tomli_w")

SCHEMA = Draft7Validator(document())
ENVIRON = {"POLICY": "always", "PLAIN": "a ${ b", "API_TOKEN": "t0ken", "SHORT": "2s"}
NAMES = {SERVICES.name: ("orders", "web", "api"), TASKS.name: ("migrate", "seed")}
ODD = st.sampled_from(
    ["${POLICY}", "${PLAIN}", "${API_TOKEN}", "${SHORT}", "${orders.url}", "$${x}", "x\n\x7f\x9b\"'\\", "/a/*", "off"]
)


def plain(text: str) -> object:
    return tomllib.loads(f"value = {text}")["value"]


def values(kind: Kind[object]) -> st.SearchStrategy[object]:
    """Values of a kind, most of them right."""
    right = st.just(plain(kind.example))
    table = table_of(kind)
    if isinstance(kind, MapOf) and table is None:
        return st.dictionaries(st.sampled_from(["A", "DB_PASSWORD", "API_KEY"]), ODD | st.text(max_size=5), max_size=3)
    if isinstance(kind, ListOf) and table is not None:
        return st.lists(tables(table), max_size=2) | st.just([])
    if isinstance(kind, Off):
        return values(kind.kind) | st.just("off")
    if isinstance(kind, Table):
        return right | tables(kind) if kind.short else tables(kind)
    return st.one_of(right, right, right, ODD)


def tables(table: Table[object]) -> st.SearchStrategy[object]:
    """Tables with some of their keys. Of keys that exclude each other, one."""

    @st.composite
    def draw_table(draw: st.DrawFn) -> object:
        chosen = draw(st.lists(st.sampled_from(table.keys), unique=True, max_size=5))
        alternative = draw(st.sampled_from(table.one_of)) if table.one_of else ""
        keys = [key for key in table.keys if _has(key, chosen, alternative, table)]
        return {key.name: draw(strategy(key)) for key in keys}

    return draw_table()


def _has(key: Key[object], chosen: list[Key[object]], alternative: str, table: Table[object]) -> bool:
    if key.name in table.one_of:
        return key.name == alternative
    return key.required or key in chosen


def strategy(key: Key[object]) -> st.SearchStrategy[object]:
    """The default, or a value; of the services and tasks, some with names that others refer to."""
    table = table_of(key.kind)
    if key.name in NAMES and table is not None:
        return st.dictionaries(st.sampled_from(NAMES[key.name]), tables(table), min_size=1, max_size=3)
    return st.one_of(*([st.just(plain(key.default))] if key.default else []), values(key.kind))


DOCUMENTS = tables(FILE).map(lambda made: {**made, "version": 1} if isinstance(made, dict) else made)


def loaded(text: str, root: Path) -> Loaded | None:
    file = root / "minimesh.toml"
    (root / "web").mkdir(exist_ok=True)
    (root / ".env").touch()
    file.write_text(text, encoding="utf-8")
    try:
        return load(file, ENVIRON)
    except SpecError:
        return None


def without_places(value: object) -> object:
    """The value with every Where taken out; a text in pieces is the text."""
    if isinstance(value, Template):
        return [value.render(str), [str(reference) for reference in value.references]]
    if isinstance(value, Where):
        return NOWHERE
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: without_places(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return type(value).__name__, fields
    if isinstance(value, dict):
        return {name: without_places(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [without_places(item) for item in value]
    return value


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS)
@example({"version": 1, "tasks": {"migrate": {"run": "true", "env": {"A": "${PLAIN} $${"}}}})
def test_what_load_accepts_the_schema_accepts_and_what_is_told_is_true(made: dict[str, object]) -> None:
    text = tomli_w.dumps(made)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = loaded(text, root)
        event("accepted" if found else "refused")
        if found is None:
            return
        assert SCHEMA.is_valid(made)
        assert found.document is not None
        said = written(found.document, reveal=True)
        assert tomllib.loads("\n".join(lines(said, where=True))) == nested(said)
        for reveal in (True, False):
            holds = resolved(found.document, found.project, reveal=reveal)
            again = "\n".join(lines(holds, where=True))
            named_by_it = again.replace("t0ken.mesh", "")  # who names a mesh by a secret has told it
            assert "t0ken" not in named_by_it or reveal
            masked = re.search("••••••", again) is not None
            back = loaded(again, root)
            assert back is not None, again
            assert masked or without_places(back.project) == without_places(found.project)
            assert SCHEMA.is_valid(tomllib.loads(again))
