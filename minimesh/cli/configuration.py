"""`minimesh config`: the configuration as one document, each value with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Command, Option
from minimesh.cli.project import SET, load_document

if TYPE_CHECKING:
    from minimesh.spec.settings import Setting

COLUMN = 48


def config(
    context: Context,
    *,
    resolved: bool,
    where: bool,
    reveal: bool,
    overrides: tuple[str, ...],
    schema: bool,
    reference: bool,
) -> int:
    """What is in force, as TOML; or what the format is, which needs no file."""
    if schema or reference:
        if (schema and reference) or resolved or where or reveal or overrides:
            raise usage("--schema and --reference stand alone", "minimesh config --schema")
        return _format(context, schema)
    from minimesh.spec import settings  # noqa: PLC0415 - for the commands that read the file

    project, document = load_document(context, overrides)
    if resolved:
        found = settings.resolved(document, project, reveal=reveal)
    else:
        found = settings.written(document, reveal=reveal)
    if context.json:
        context.object(
            {
                "file": str(project.file),
                "config": nested(found),
                "values": [facts(setting) for setting in found if setting.value is not None],
            }
        )
    else:
        for line in lines(found, where):
            context.out.line(line)
    return Exit.OK


def _format(context: Context, schema: bool) -> int:
    from minimesh.spec import publish, reference  # noqa: PLC0415

    context.out.stream.write(publish.schema() if schema else reference.reference())
    return Exit.OK


def lines(settings: Iterable[Setting], where: bool) -> Iterator[str]:
    """The settings as a TOML document, in blocks; with `where`, each followed by its place as a remark."""
    from minimesh.spec import toml  # noqa: PLC0415

    first = True
    for block, group in groupby(settings, key=lambda setting: setting.block):
        if not first:
            yield ""
        first = False
        if block:
            names = toml.key(part for part in block if isinstance(part, str))
            yield f"[[{names}]]" if isinstance(block[-1], int) else f"[{names}]"
        for setting in group:
            if setting.value is None:
                yield f"# {toml.key(setting.name)} is left out: {setting.note}"
                continue
            line = f"{toml.key(setting.name)} = {toml.value(setting.value)}"
            yield f"{line:<{COLUMN - 2}}  # {setting.origin}" if where else line


def nested(settings: Iterable[Setting]) -> dict[str, object]:
    """The settings as the object that the TOML document stands for."""
    whole: dict[str, object] = {}
    for setting in settings:
        if setting.value is None:
            continue
        *above, last = setting.path
        into: object = whole
        for part, following in zip(above, setting.path[1:], strict=True):
            into = _inner(into, part, [] if isinstance(following, int) else {})
        assert isinstance(into, dict), "a value has a name"
        into[last] = setting.value
    return whole


def _inner(into: object, part: str | int, empty: object) -> object:
    if isinstance(into, dict):
        return into.setdefault(part, empty)
    assert isinstance(into, list)
    if part == len(into):
        into.append(empty)
    return into[int(part)]


def facts(setting: Setting) -> dict[str, object]:
    """A setting for a script. `where` null: it is the default."""
    place = setting.where
    return {
        "key": ".".join(map(str, setting.path)),
        "value": setting.value,
        "where": str(place) if place else None,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "source": "default" if place is None else "defaults" if setting.default else "file",
    }


COMMANDS: dict[str, Command] = {
    "config": Command(
        config,
        "The configuration as one TOML document, after all files are merged. Passwords and tokens are\n"
        "masked unless --reveal. With --schema or --reference: the format itself.",
        (
            ("minimesh config --resolved --where", "what is in force, and which line says so"),
            ("minimesh config --schema > minimesh.schema.json", "for an editor"),
        ),
        options=(
            Option(("--resolved",), "with [defaults] merged, ${NAME} replaced and every default written out"),
            Option(("--where",), "each value with the file and line that it comes from"),
            Option(("--reveal",), "show secrets too"),
            SET,
            Option(("--schema",), "the JSON Schema of minimesh.toml, for editors"),
            Option(("--reference",), "a minimesh.toml with every key, its default and its meaning"),
        ),
        outputs=("table", "json"),
    )
}
