"""Reads YAML and JSON that somebody else wrote: a mistake has its line, and no value is trusted to have its type."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

LARGEST = 1 << 20
"""Bytes. What is longer was not written by people."""


class MalformedError(Exception):
    """A file that cannot be understood. line and column from 1; 0: the file as a whole. source: the line."""

    def __init__(self, file: Path, message: str, line: int = 0, column: int = 0, source: str = "") -> None:
        super().__init__(message)
        self.file = file
        self.message = message
        self.line = line
        self.column = column
        self.source = source


Anchor = dict[object, yaml.Node]
"""What the types of the library take for the name of an anchor."""


class _Loader(yaml.SafeLoader):
    """YAML whose scalars are the texts that stand there: `no`, `0755` and `22:22` are no truths or numbers."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base's table, emptied

    def compose_mapping_node(self, anchor: Anchor) -> yaml.MappingNode:
        """As the base has it; a key that is written twice is a mistake, as the tools whose files these are say too."""
        node = super().compose_mapping_node(anchor)
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in names:
                    raise yaml.MarkedYAMLError(problem=f"`{key.value}` is written twice", problem_mark=key.start_mark)
                names.add(key.value)
        return node


_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])


def _untagged(loader: _Loader, node: yaml.Node) -> object:
    """A value whose tag is the tool's own (`!reset`), without it."""
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case _:
            return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_constructor(None, _untagged)


def read_yaml(file: Path) -> Mapping[str, object]:
    """The mapping that a YAML file holds; scalars are texts. Raises MalformedError and OSError."""
    content = read_text(file)
    try:
        # A subclass of the safe loader.
        value = yaml.load(content, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "it is not YAML"
        raise _at(file, message, content, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise MalformedError(file, str(error).splitlines()[0]) from None
    except (ValueError, RecursionError) as error:
        raise MalformedError(file, "nested too deeply" if isinstance(error, RecursionError) else str(error)) from None
    if value is not None and not isinstance(value, dict):
        raise MalformedError(file, "it is not a mapping: expected `key: value` lines", 1, 1)
    return mapping(value)


def read_json(file: Path) -> Mapping[str, object]:
    """The object that a JSON file holds. Raises MalformedError and OSError."""
    content = read_text(file)
    try:
        value = json.loads(content)
    except json.JSONDecodeError as error:
        raise _at(file, error.msg, content, error.lineno, error.colno) from None
    except (ValueError, RecursionError):
        raise MalformedError(file, "nested too deeply, or a number that is too long") from None
    if not isinstance(value, dict):
        raise MalformedError(file, "it is not an object: expected { … }", 1, 1)
    return mapping(value)


def read_text(file: Path) -> str:
    """The text of a file. Raises MalformedError where it is none, and OSError."""
    with file.open("rb") as source:
        content = source.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise MalformedError(file, "it is larger than 1 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedError(file, "it is not UTF-8 text") from None


def mapping(value: object) -> Mapping[str, object]:
    """A mapping with its keys as texts; empty for everything else."""
    return {text(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """A list; empty for everything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """A scalar as a text that can be written to a file and given to a program; "" for everything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def texts(value: object) -> list[str]:
    """The scalars of a list, or the one that stands instead of a list."""
    return [text(item) for item in items(value)] or ([text(value)] if text(value) else [])


def number(value: object) -> int | None:
    """A whole number, from 0, of at most nine digits."""
    plain = text(value)
    return int(plain) if re.fullmatch(r"[0-9]{1,9}", plain) else None


def _at(file: Path, message: str, content: str, line: int, column: int) -> MalformedError:
    lines = content.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    return MalformedError(file, message, line, column, source)
