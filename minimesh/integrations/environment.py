"""`environment` and `env_file`, which compose and process-compose have alike."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from minimesh.integrations.reading import items, mapping, text
from minimesh.integrations.variables import converted, plain
from minimesh.spec.files import is_folder, is_plain_file

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def environment(written: object, tell: Callable[[str], None]) -> dict[str, str]:
    """The variables of a list of NAME=VALUE or of a map. Those without a value are inherited anyway."""
    found: dict[str, str] = {}
    for name, value in _pairs(written):
        if value is None:
            continue
        if _VARIABLE.fullmatch(name):
            found[name] = converted(value, tell)
        else:
            tell(f"env `{name}` cannot be the name of a variable")
    return found


def env_files(written: object, folder: Path, tell: Callable[[str], None]) -> tuple[str, ...]:
    """The files, with "?" behind those that may be missing, or are."""
    files = [_file(path, optional, folder, tell) for path, optional in _paths(written) if path]
    return tuple(dict.fromkeys(filter(None, files)))


def _file(path: str, optional: bool, folder: Path, tell: Callable[[str], None]) -> str:
    if is_folder(folder / path):
        tell(f"env_file `{path}` is a folder")
        return ""
    there = is_plain_file(folder / path)
    if not there and not optional:
        tell(f"env_file `{path}` is not there")
    return plain(path if there and not optional else f"{path}?")


def _pairs(written: object) -> Iterable[tuple[str, str | None]]:
    if isinstance(written, dict):
        return [(name, None if value is None else text(value)) for name, value in mapping(written).items()]
    pairs = [text(item).partition("=") for item in items(written)]
    return [(name, value if equals else None) for name, equals, value in pairs if name]


def _paths(written: object) -> list[tuple[str, bool]]:
    listed = written if isinstance(written, list) else [written]
    paths: list[tuple[str, bool]] = []
    for item in listed:
        told: Mapping[str, object] = mapping(item)
        path = text(told.get("path")) if told else text(item)
        paths.append((path.removeprefix("./"), text(told.get("required")) == "false"))
    return paths
