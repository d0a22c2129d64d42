"""A document of the configuration: read, decoded, parsed, or refused with the place of what is wrong."""

import os
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

from minimesh.model.where import Where
from minimesh.spec import codes, toml
from minimesh.spec.files import read_plain_file
from minimesh.spec.positions import KeyPath, Positions, Span
from minimesh.spec.problem import Problem, SpecError

DEEPEST = 64

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE_VALUE = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=\s*([^\"'#\[{]+?)\s*(?:#.*)?")

# What tomllib says, and how people are told: a sentence and what to do.
_KNOWN = {
    "Invalid value": ("this is not a value; texts need quotes", 'key = "value"'),
    "Invalid statement": ("expected a key or a [table]", 'key = "value"'),
    "Expected '=' after a key": ('expected "=" and a value after this key', 'key = "value"'),
    "Expected newline or end of document": ("the line goes on after its value", "put each key on its own line"),
    "Cannot overwrite a value": ("this key is written a second time", "take one of the two out"),
    "Cannot declare": ("this table is written a second time", "put the keys of both under one of them"),
    "Expected ']' at the end of a table": ("a [table] line is not closed", "close it with ]"),
    "Unclosed array": ("a list is not closed", "close it with ]"),
    "Unclosed inline table": ("a table is not closed; it must end on its line", "close it with }"),
    "Unterminated string": ("a text is not closed", 'close it with "'),
    "Illegal character '\\n'": ("the text is not closed on its line", "close it with the quote that began it"),
    "Unescaped '\\'": (
        "a backslash begins an escape that does not exist",
        "put the text between 'single quotes', which keep a backslash as it is",
    ),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A well-formed document. `name` is how the file is shown to people; relative paths in it count from `folder`.

    `option`: it is no file but an option of a command line; then it has no lines to speak of.
    """

    name: str
    folder: Path
    lines: tuple[str, ...]
    data: dict[str, object]
    positions: Positions
    option: str = ""

    def problem(self, code: str, message: str, span: Span, help: str = "") -> Problem:  # noqa: A002
        """A problem at a span of the text."""
        where = self.where(span)
        return Problem(code, message, where, width=self.positions.width(span), source=self.line(where), help=help)

    def where(self, span: Span) -> Where:
        return Where(self.name) if self.option else Where(self.name, *self.positions.line_and_column(span.start))

    def line(self, where: Where) -> str:
        """The line that a place of this document is on."""
        return self.lines[where.line - 1] if where.line else ""

    def pair(self, path: KeyPath, value: str) -> str:
        """A key and its value, as they would be pasted here."""
        if self.option and all(isinstance(part, str) for part in path):
            return f"{self.option} {shlex.quote(f'{toml.key(path)}={value}')}"
        return f"{path[-1]} = {value}"

    def renamed(self, path: KeyPath, name: str) -> str:
        """The option as it was typed, with another name for a key."""
        _, typed = shlex.split(self.name)
        span = self.key(path)
        key = self.positions.raw(span)
        at = typed.find(key, span.start)
        at = typed.rfind(key) if at < 0 else at  # within a value, which was typed closer to its key
        return f"{self.option} {shlex.quote(typed[:at] + toml.key((name,)) + typed[at + len(key) :])}"

    def key(self, path: KeyPath) -> Span:
        return self.positions.key(path) if path else Span(0, 0)

    def value(self, path: KeyPath) -> Span:
        return self.positions.value(path) if path else Span(0, 0)


def read_source(file: Path, root: Path) -> Source:
    """The document in a file of the project at `root`. Raises SpecError if it cannot be read or is not TOML."""
    name = path_from(root, file)
    try:
        raw = read_plain_file(file)
    except OSError as error:
        raise _unreadable(name, f"cannot read {name}: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fix = f"iconv -f LATIN1 -t UTF-8 {shlex.quote(path_from(Path.cwd(), file))}"
        raise _unreadable(name, f"{name} is not UTF-8 text", line, fix) from None
    return parse_source(text, name, file.parent)


def parse_source(text: str, name: str, folder: Path, option: str = "") -> Source:
    """The document in a text, whose line ends are plain. Raises SpecError if it is not TOML."""
    lines = tuple(text.split("\n"))
    try:
        data: dict[str, object] = tomllib.loads(text)
        positions = Positions(text)
    except RecursionError:
        raise _too_deep(Where(name)) from None
    except ValueError as error:
        raise SpecError((_syntax(str(error), lines, name),)) from None
    source = Source(name, folder, lines, data, positions, option)
    for path in positions:
        if len(path) > DEEPEST:
            raise _too_deep(source.where(source.key(path)))
    return source


def _too_deep(where: Where) -> SpecError:
    message = f"tables and lists are nested more than {DEEPEST} deep"
    return SpecError((Problem(codes.SYNTAX, message, where, help="nothing in minimesh.toml goes deeper than 8"),))


def path_from(folder: Path, file: Path) -> str:
    """The file's path, relative where it is in or below the folder."""
    relative = os.path.relpath(file, folder)
    return str(file) if relative.startswith("..") else relative


def _unreadable(name: str, message: str, line: int = 0, fix: str = "") -> SpecError:
    return SpecError((Problem(codes.UNREADABLE, message, Where(name, line), help=fix),))


def _syntax(said: str, lines: tuple[str, ...], name: str) -> Problem:
    """The problem in what tomllib said."""
    place = _PLACE.search(said)
    text = said[: place.start()] if place else said
    if place and place[1]:
        line, column = int(place[1]), int(place[2])
    else:
        line = max((number for number, content in enumerate(lines, 1) if content.strip()), default=1)
        column = len(lines[line - 1].rstrip()) + 1
    source = lines[line - 1]
    width = 1
    if text.startswith("Cannot"):  # told where the line ends; all of it is meant
        column, width = len(source) - len(source.lstrip()) + 1, len(source.strip())
    message, advice = next(
        (known for start, known in _KNOWN.items() if text.startswith(start)),
        (f"{text[:1].lower()}{text[1:]}", "https://toml.io/en/v1.0.0"),
    )
    if text.startswith("Invalid value") and (bare := _BARE_VALUE.fullmatch(source)):
        advice = f'{bare[1]} = "{bare[2]}"'
    where = Where(name, line, column)
    return Problem(codes.SYNTAX, f"not TOML: {message}", where, width=width, source=source, help=advice)
