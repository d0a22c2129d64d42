"""Kinds of single values: texts, numbers, quantities, choices, regular expressions, folders."""

import json
import re
import shlex
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar

from minimesh.model.template import Template
from minimesh.spec import codes, units
from minimesh.spec.files import folders_in, is_folder, is_there
from minimesh.spec.node import Node
from minimesh.spec.schema import Kind, T_co, Table
from minimesh.spec.source import path_from
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError

E = TypeVar("E", bound=StrEnum)


def quote(text: str) -> str:
    """The text as a basic string of TOML, which is one of JSON but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class Parsed(Kind[T_co]):
    """A string that a parser turns into a value; the parser raises TextError."""

    def __init__(self, noun: str, example: str, parse: Callable[[str], T_co]) -> None:
        self.noun = noun
        self.example = example
        self.parse = parse

    def read(self, node: Node) -> T_co:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        try:
            return self.parse(node.text())
        except TextError as error:
            node.reject(error.code, error.message, node.pair(error.fix or self.example))


class Quantity(Parsed[T_co]):
    """A string with a number and a unit. A bare number gets its own message."""

    def __init__(self, noun: str, unit: str, example: str, parse: Callable[[str], T_co]) -> None:
        super().__init__(noun, example, parse)
        self._unit = unit

    def read(self, node: Node) -> T_co:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            message = f"{node.label} is the bare number {node.value}; expected {self.noun} with its unit"
            node.reject(codes.UNIT, message, node.pair(f'"{node.value}{self._unit}"'))
        return super().read(node)


DURATION = Quantity("a duration", "s", '"2s"', units.duration)
DURATION_OR_ZERO = Quantity("a duration", "s", '"10s"', units.duration_or_zero)
DURATION_RANGE = Quantity("a range of durations", "s", '"1s..30s"', units.duration_range)
SIZE = Quantity("a size", "B", '"64KiB"', units.size)


class Off(Kind[T_co | None]):
    """Another kind, or "off", which reads as None."""

    def __init__(self, kind: Kind[T_co]) -> None:
        self.kind = kind
        self.noun = f'{kind.noun} or "off"'
        self.example = kind.example

    def read(self, node: Node) -> T_co | None:
        if node.value == "off":
            return None
        if isinstance(self.kind, Table) and not self.kind.short and not node.is_table:
            self.wrong_type(node)
        return self.kind.read(node)


class Either(Kind[T_co]):
    """A table, or a value of a plain kind that means the same as some table; `kind` reads the table."""

    def __init__(self, plain: Kind[T_co], kind: Kind[T_co]) -> None:
        self.plain = plain
        self.kind = kind
        self.noun = f"{plain.noun} or a table"
        self.example = plain.example

    def read(self, node: Node) -> T_co:
        if node.is_table:
            return self.kind.read(node)
        if node.is_list and not self.plain.takes_list:
            self.wrong_type(node)
        return self.plain.read(node)


class Integer(Kind[int]):
    """A whole number within bounds."""

    def __init__(self, low: int, high: int, example: str) -> None:
        self.low = low
        self.high = high
        self.noun = "a whole number"
        self.example = example

    def read(self, node: Node) -> int:
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            self.wrong_type(node)
        if not self.low <= node.value <= self.high:
            message = f"{node.label} is {node.value}; expected {self.low} to {self.high}"
            node.reject(codes.VALUE, message, node.pair(self.example))
        return node.value


class Positive(Kind[float]):
    """A number above zero, with or without decimals."""

    noun = "a number"

    def __init__(self, high: float, example: str) -> None:
        self.high = high
        self.example = example

    def read(self, node: Node) -> float:
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            self.wrong_type(node)
        if not 0 < node.value <= self.high:
            message = f"{node.label} is {node.value}; expected more than 0, at most {self.high:.0f}"
            node.reject(codes.VALUE, message, node.pair(self.example))
        return float(node.value)


class Flag(Kind[bool]):
    """true or false. What a string says is not guessed at, but told as the fix."""

    noun = "true or false"
    example = "true"

    def read(self, node: Node) -> bool:
        if not isinstance(node.value, bool):
            fix = "false" if str(node.value).lower() in ("0", "false", "no", "off") else "true"
            node.reject(codes.TYPE, f"{node.label} must be {self.noun}, not {node.type_name}", node.pair(fix))
        return node.value


class Choice(Kind[E]):
    """One of the words of an enum. `later`: words of the format that are not built yet."""

    def __init__(self, enum: type[E], later: Iterable[str] = ()) -> None:
        self.enum = enum
        self.choices: tuple[str, ...] = tuple(enum)
        self.later = frozenset(later)
        self.noun = "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        if len(self.choices) == 1:
            self.noun = f'"{self.choices[0]}"'
        self.example = f'"{self.choices[0]}"'

    def read(self, node: Node) -> E:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if text in self.later:
            message = f'{node.label}: "{text}" is part of minimesh.toml but not built yet'
            node.reject(codes.NOT_BUILT, message, node.pair(self.example))
        if text not in self.choices:
            fix = closest(text, self.choices) or self.choices[0]
            node.reject(codes.VALUE, f'{node.label} is "{text}"; expected {self.noun}', node.pair(quote(fix)))
        return self.enum(text)


class ShellText(Kind[str]):
    """A command for /bin/sh; its ${…} are the shell's own."""

    noun = "a string"
    example = '"python app.py"'

    def read(self, node: Node) -> str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        if not node.value.strip() or "\0" in node.value:
            node.reject(codes.VALUE, f"{node.label} is not a command", node.pair(self.example))
        return node.value


class TemplateText(Kind[Template]):
    """A string in which services may be referred to."""

    noun = "a string"
    example = '"text"'

    def read(self, node: Node) -> Template:
        if not isinstance(node.value, str):
            self._wrong(node)
        return node.template()

    def _wrong(self, node: Node) -> NoReturn:
        if not isinstance(node.value, bool | int | float):
            self.wrong_type(node)
        plain = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        node.reject(codes.TYPE, f"{node.label} must be a string, not {node.type_name}", node.pair(quote(plain)))


class Folder(Kind[Path]):
    """A folder that is there, from the folder of the file."""

    noun = "the path of a folder"
    example = '"web"'

    def read(self, node: Node) -> Path:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        path = node.folder / text
        if is_there(path) and not is_folder(path):
            node.reject(codes.NO_FILE, f"{node.label}: {quote(text)} is not a folder", node.pair('"."'))
        if not is_folder(path):
            near = closest(text, folders_in(node.folder))
            fix = node.pair(quote(near)) if near else f"mkdir -p {shlex.quote(path_from(Path.cwd(), path))}"
            node.reject(codes.NO_FILE, f"{node.label}: the folder {quote(text)} is not there", fix)
        return path


def regex(text: str) -> str:
    """The regular expression itself, known to compile."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise TextError(codes.REGEX, f"the regular expression {quote(text)} does not compile: {error}") from None
    return text


REGEX = Parsed("a regular expression", '"listening on"', regex)
