"""Where each key and value stands in a TOML text. tomllib says what a document holds, but not where.

The scanner reads only text that tomllib has accepted, so it checks nothing: it follows the grammar far enough
to know where keys, values and tables begin and end (TOML 1.0.0), and takes wrong documents for granted never
to come. Paths are those of the parsed document: names of keys and, within arrays, indices.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY_PART = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
# A date and its time may stand apart by a space: the only bare value with one inside.
_BARE = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]+|[^\s,\]}#]+")


class Span(NamedTuple):
    """Offsets into the text, the end not included."""

    start: int
    end: int


class Placed(NamedTuple):
    """Where a key stands and where its value. Items of arrays have no key: there both are the value.
    The value of a table with a header of its own is the header; of a table that only dotted keys imply, the key."""

    key: Span
    value: Span


class Positions:
    """The places of a document, in lines and columns from 1 (columns count characters)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._places = _Scanner(text).scan()

    def __contains__(self, path: KeyPath) -> bool:
        return path in self._places

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._places)

    def key(self, path: KeyPath) -> Span:
        return self._places[path].key

    def value(self, path: KeyPath) -> Span:
        return self._places[path].value

    def raw(self, span: Span) -> str:
        """The text of a span as it was written."""
        return self._text[span.start : span.end]

    def find(self, text: str, within: Span) -> Span:
        """Where the text is first written within a span; the span itself where escapes hide it."""
        start = self._text.find(text, within.start, within.end)
        return within if start < 0 else Span(start, start + len(text))

    def line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def width(self, span: Span) -> int:
        """Characters of the span on its first line."""
        return len(self.raw(span).partition("\n")[0].rstrip())


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._places: dict[KeyPath, Placed] = {}
        self._lengths: dict[KeyPath, int] = {}  # of arrays of tables, so far

    def scan(self) -> dict[KeyPath, Placed]:
        table: KeyPath = ()
        while self._next():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._places

    def _next(self) -> bool:
        """Goes past blanks, line ends and comments. False at the end of the text."""
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path that the keys after it belong to."""
        start = self._at
        array = self._text.startswith("[[", start)
        self._at += 2 if array else 1
        *parents, (name, key) = self._key()
        self._at += 2 if array else 1
        placed = Placed(key, Span(start, self._at))
        path: KeyPath = ()
        for parent, span in parents:
            path = (*path, parent)
            self._places.setdefault(path, Placed(span, placed.value))
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        path = (*path, name)
        if array:
            self._places.setdefault(path, placed)
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = (*path, self._lengths[path] - 1)
        self._places[path] = placed
        return path

    def _pair(self, table: KeyPath) -> None:
        """`a.b = value`, up to the end of the value."""
        parts = self._key()
        self._at += 1  # the "="
        path = table
        for name, span in parts:
            path = (*path, name)
            self._places.setdefault(path, Placed(span, span))
        self._next()
        self._places[path] = Placed(parts[-1][1], self._value(path))

    def _key(self) -> list[tuple[str, Span]]:
        parts: list[tuple[str, Span]] = []
        while match := _KEY_PART.match(self._text, self._at):
            parts.append((_name(match[1]), Span(*match.span(1))))
            self._at = match.end()
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return parts

    def _value(self, path: KeyPath) -> Span:
        start = self._at
        match self._text[start]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_BARE)
        return Span(start, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomllib has accepted this"
        self._at = match.end()

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._next() and self._text[self._at] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            item = (*path, index)
            span = self._value(item)
            self._places[item] = Placed(span, span)
            index += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._next() and self._text[self._at] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1


def _name(written: str) -> str:
    """The name that a part of a key stands for."""
    if written[0] == "'" or (written[0] == '"' and "\\" not in written):
        return written[1:-1]
    if written[0] == '"':
        return str(tomllib.loads(f"key = {written}")["key"])
    return written
