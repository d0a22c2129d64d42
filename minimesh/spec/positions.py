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
# By far the most pairs: a plain key, and a value that is a short text or has no brackets.
_USUAL = re.compile(r"""([A-Za-z0-9_-]+)[ \t]*=[ \t]*(?:("(?!"")[^"\\\n]*"|[^\s,\]}#"'\[{]+)(?=[,\n]))?""")
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


# Where a key starts and ends, and where its value does: four offsets. Items of arrays have no key: there both are the
# value. The value of a table with a header of its own is the header; of a table that only dotted keys imply, the key.
Placed = tuple[int, int, int, int]


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
        start, end, _, _ = self._places[path]
        return Span(start, end)

    def value(self, path: KeyPath) -> Span:
        _, _, start, end = self._places[path]
        return Span(start, end)

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
        text, at = self._text, self._at
        if at < len(text) and text[at] in " \t\r\n#":
            match = _BLANK.match(text, at)
            self._at = at = match.end() if match else at
        return at < len(text)

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path that the keys after it belong to."""
        start = self._at
        array = self._text.startswith("[[", start)
        self._at += 2 if array else 1
        *parents, (name, begin, end) = self._key()
        self._at += 2 if array else 1
        placed = (begin, end, start, self._at)
        path: KeyPath = ()
        for parent, parent_begin, parent_end in parents:
            path = (*path, parent)
            self._places.setdefault(path, (parent_begin, parent_end, start, self._at))
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
        if usual := _USUAL.match(self._text, self._at):
            path = (*table, usual[1])
            self._at = usual.end()
            if usual[2] is None:
                self._value(path)
                self._places[path] = (*usual.span(1), usual.end(), self._at)
            else:
                self._places[path] = (*usual.span(1), *usual.span(2))
            return
        parts = self._key()
        self._at += 1  # the "="
        path = table
        begin = end = self._at
        for name, begin, end in parts:
            path = (*path, name)
            self._places.setdefault(path, (begin, end, begin, end))
        self._next()
        start = self._at
        self._value(path)
        self._places[path] = (begin, end, start, self._at)

    def _key(self) -> list[tuple[str, int, int]]:
        """Its parts, each with where it starts and ends."""
        parts: list[tuple[str, int, int]] = []
        while match := _KEY_PART.match(self._text, self._at):
            parts.append((_name(match[1]), match.start(1), match.end(1)))
            self._at = match.end()
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return parts

    def _value(self, path: KeyPath) -> None:
        """Goes past a value, and keeps the places of what is in it."""
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_BARE)

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
            start = self._at
            self._value(item)
            self._places[item] = (start, self._at, start, self._at)
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
