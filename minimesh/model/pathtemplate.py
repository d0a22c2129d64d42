"""Path templates of google.api.http: `/v1/{name=shelves/*}/books/{book.id}:cancel`. Pure.

    Template = "/" Segments [ ":" verb ]      Segment  = "*" | "**" | literal | Variable
    Segments = Segment { "/" Segment }        Variable = "{" field { "." field } [ "=" Segments ] "}"

`*` is one segment that is not empty, `**` any number of them, and only the last can be that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

ONE = "*"
MANY = "**"

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()+,;=@-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_SLASH = re.compile(r"(%2[Ff])")


class TemplateError(ValueError):
    """What is wrong with a template."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field of the request (`book.id`) and the segments that it is made of, from `start` up to `end`."""

    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """`segments` are literals, ONE and MANY; `text` is as it was written."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...] = ()
    verb: str = ""

    @property
    def shape(self) -> tuple[str, ...]:
        """The same for templates that match the same paths."""
        return (*self.segments, f":{self.verb}")

    def values(self, segments: Sequence[str]) -> dict[str, str]:
        """What the variables are in a path that matches, percent-encoding undone; a slash that was encoded stays so
        where a value has others (google.api.http, "Path template syntax")."""
        return {each.field: self._value(each, segments) for each in self.variables}

    def _value(self, variable: Variable, segments: Sequence[str]) -> str:
        last = self.segments[variable.end - 1]
        end = len(segments) if last == MANY else variable.end
        if last != MANY and end - variable.start == 1:
            return unquote(segments[variable.start])
        return "/".join(_unquoted(segment) for segment in segments[variable.start : end])


def parse(text: str) -> PathTemplate:
    """Raises TemplateError."""
    if not text.startswith("/"):
        raise TemplateError('it does not begin with "/"')
    return _Parser(text).template()


class _Parser:
    """`_at`: the next character to look at."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[str] = []
        self._variables: list[Variable] = []

    def template(self) -> PathTemplate:
        self._take("/")
        self._read_segments(inside=False)
        verb = ""
        if self._next == ":":
            self._at += 1
            verb = self._match(_LITERAL, "a verb")
        if self._next:
            raise TemplateError(f"{self._text[self._at :]!r} is not understood")
        if MANY in self._segments[:-1]:
            raise TemplateError('"**" is not the last segment')
        fields = [variable.field for variable in self._variables]
        if twice := next((field for field in fields if fields.count(field) > 1), None):
            raise TemplateError(f"{{{twice}}} is there twice")
        return PathTemplate(self._text, tuple(self._segments), tuple(self._variables), verb)

    def _read_segments(self, *, inside: bool) -> None:
        self._read_segment(inside=inside)
        while self._next == "/":
            self._at += 1
            self._read_segment(inside=inside)

    def _read_segment(self, *, inside: bool) -> None:
        if self._text.startswith(MANY, self._at):
            self._at += 2
            self._segments.append(MANY)
        elif self._next == ONE:
            self._at += 1
            self._segments.append(ONE)
        elif self._next == "{":
            if inside:
                raise TemplateError("there is a variable in a variable")
            self._read_variable()
        else:
            self._segments.append(self._match(_LITERAL, "a segment"))

    def _read_variable(self) -> None:
        self._take("{")
        field = self._match(_FIELD, "the name of a field")
        start = len(self._segments)
        if self._next == "=":
            self._at += 1
            self._read_segments(inside=True)
        else:
            self._segments.append(ONE)
        self._take("}")
        self._variables.append(Variable(field, start, len(self._segments)))

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> None:
        if self._next != wanted:
            raise TemplateError(f"{wanted!r} is missing {self._where}")
        self._at += 1

    def _match(self, pattern: re.Pattern[str], noun: str) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise TemplateError(f"{noun} is missing {self._where}")
        self._at = match.end()
        return match[0]

    @property
    def _where(self) -> str:
        return f"before {self._text[self._at :]!r}" if self._next else "at its end"


def _unquoted(segment: str) -> str:
    return "".join(part if index % 2 else unquote(part) for index, part in enumerate(_SLASH.split(segment)))
