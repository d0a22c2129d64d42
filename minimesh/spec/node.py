"""A value of the document that knows where it stands: what all readers read from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, NoReturn

from minimesh.model.template import Reference, Template, literal
from minimesh.model.where import Where
from minimesh.spec import codes
from minimesh.spec.interpolate import Hole, UnfilledError, interpolate
from minimesh.spec.positions import KeyPath, Span
from minimesh.spec.problem import Problem, Severity
from minimesh.spec.source import Source


class Role(Enum):
    """What a name stands for."""

    SERVICE = auto()
    WORKER = auto()  # a service without a port
    EXTERNAL = auto()  # a service with addresses, not started by us
    TASK = auto()


@dataclass(slots=True, eq=False)
class Reading:
    """One reading of a project's files: what they are read with, who is in them, and the mistakes found so far.

    `root`: the folder of the first of them. `providers`: the names below [auth].
    """

    root: Path
    environment: Mapping[str, str]
    roles: Mapping[str, Role] = field(default_factory=dict)
    providers: Collection[str] = ()
    _sources: dict[str, Source] = field(default_factory=dict)
    _order: dict[str, int] = field(default_factory=dict)
    _problems: dict[tuple[str, Where, str], Problem] = field(default_factory=dict)

    def note(self, problem: Problem) -> None:
        """Keeps a problem, once: what is wrong in [defaults] is met again in each service."""
        self._problems.setdefault((problem.code, problem.where, problem.message), problem)
        self._order.setdefault(problem.where.file, len(self._order))

    def note_reference(self, reference: Reference, code: str, message: str, help: str) -> None:  # noqa: A002
        """Notes a problem at a reference within a value."""
        where = reference.where
        line = self._sources[where.file].line(where)
        width = len(str(reference)) if line.startswith(str(reference), where.column - 1) else 1
        self.note(Problem(code, message, where, width=width, source=line, help=help))

    @property
    def first(self) -> Source:
        """The project's own file, which the others change."""
        return next(iter(self._sources.values()))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the files as they were read, and of their lines."""
        return tuple(
            sorted(
                self._problems.values(),
                key=lambda problem: (self._order[problem.where.file], problem.where, problem.code),
            )
        )

    def grow(self, source: Source) -> "Node":
        """A whole document as nodes."""
        self._sources[source.name] = source
        self._order.setdefault(source.name, len(self._order))
        return _grow(self, source, source.data, ())


class RejectedError(Exception):
    """A value was refused. The problem is noted already; whoever reads on goes to the next one."""


class Node(NamedTuple):
    """`value` is a dict of nodes, a list of nodes, or a plain value. `path` is where it is in its document, `source`.

    A table that several documents or [defaults] make together stands where it stood first; what is in it, where it is.
    """

    reading: Reading
    source: Source
    value: object
    path: KeyPath

    # ---- what it is called and where it stands

    @property
    def name(self) -> str:
        return str(self.path[-1]) if self.path else ""

    @property
    def where(self) -> Where:
        return self.source.where(self.source.value(self.path))

    @property
    def key_where(self) -> Where:
        return self.source.where(self.source.key(self.path))

    @property
    def folder(self) -> Path:
        """Where relative paths in this value count from."""
        return self.source.folder

    @property
    def label(self) -> str:
        """`port` in [services.web], and the like."""
        if not self.path:
            return "the file"
        if isinstance(self.path[-1], int):
            owner = Node(self.reading, self.source, None, self.path[:-1])
            return f"item {self.path[-1] + 1} of {owner.label}"
        return f"`{self.path[-1]}`{f' in {table_name(self.path[:-1])}' if len(self.path) > 1 else ''}"

    @property
    def type_name(self) -> str:
        names = {bool: "true or false", int: "a number", float: "a decimal number", str: "a string"}
        return names.get(type(self.value)) or (
            "a table" if self.is_table else "a list" if self.is_list else "a date or time"
        )

    def pair(self, value: str) -> str:
        """The value as it would be pasted here: with its key, or bare as an item of a list."""
        if not self.path or not isinstance(self.path[-1], str):
            return value
        return self.source.pair(self.path, value)

    def point_at(self, other: "Node") -> str:
        """Where another value stands, told beside this one: `line 7`, or with its file."""
        where = other.where
        return f"line {where.line}" if where.line and other.source is self.source else str(where)

    # ---- what it holds

    @property
    def is_table(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def children(self) -> dict[str, "Node"]:
        """Of a table; empty for everything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list["Node"]:
        """Of a list; empty for everything else."""
        return self.value if isinstance(self.value, list) else []

    def with_children(self, children: dict[str, "Node"]) -> "Node":
        return Node(self.reading, self.source, children, self.path)

    def text(self) -> str:
        """A string with its ${…} replaced; only those of the environment can be."""
        assert isinstance(self.value, str)
        if _is_literal(self.value):
            return self.value
        parts = self._parts()
        for part in parts:
            if isinstance(part, Hole):
                self._refuse_hole(part)
        return "".join(part for part in parts if isinstance(part, str))

    def template(self) -> Template:
        """A string with the environment's ${…} replaced and the mesh's own kept as references."""
        assert isinstance(self.value, str)
        if _is_literal(self.value):
            return literal(self.value)
        return Template(
            tuple(
                Reference(part.service, part.attribute, self._where_of(part.written))
                if isinstance(part, Hole)
                else part
                for part in self._parts()
            )
        )

    def _parts(self) -> list[str | Hole]:
        assert isinstance(self.value, str)
        if "\0" in self.value:
            self.reject(codes.VALUE, f"{self.label} holds a NUL character", "take \\u0000 out")
        try:
            return interpolate(self.value, self.reading.environment)
        except UnfilledError as unfilled:
            self._note_at(self._span_of(unfilled.written), unfilled.code, unfilled.message, unfilled.advice)
            raise RejectedError from None

    def _refuse_hole(self, hole: Hole) -> NoReturn:
        message = f"{self.label} cannot use {hole.written}: services are known only in `env` and in a `run` list"
        self._note_at(self._span_of(hole.written), codes.REFERENCE, message, f'env = {{ NAME = "{hole.written}" }}')
        raise RejectedError

    def _span_of(self, written: str) -> Span:
        return self.source.positions.find(written, self.source.value(self.path))

    def _where_of(self, written: str) -> Where:
        return self.source.where(self._span_of(written))

    # ---- what is wrong with it

    def reject(self, code: str, message: str, help: str = "") -> NoReturn:  # noqa: A002
        """Notes a problem at the value and gives the value up."""
        self.note(code, message, help)
        raise RejectedError

    def give_up(self) -> NoReturn:
        """Gives the value up; its problems are noted."""
        raise RejectedError

    def note(self, code: str, message: str, help: str = "") -> None:  # noqa: A002
        """Notes a problem at the value."""
        self._note_at(self.source.value(self.path), code, message, help)

    def note_key(self, code: str, message: str, help: str = "") -> None:  # noqa: A002
        """Notes a problem at the key."""
        self._note_at(self.source.key(self.path), code, message, help)

    def note_owner(self, code: str, message: str, help: str = "") -> None:  # noqa: A002
        """Notes a problem of a table as a whole: at its key, or at its header where it is one of a list."""
        (self.note if self.path and isinstance(self.path[-1], int) else self.note_key)(code, message, help)

    def warn(self, code: str, message: str, help: str = "") -> None:  # noqa: A002
        problem = self.source.problem(code, message, self.source.value(self.path), help)
        self.reading.note(replace(problem, severity=Severity.WARNING))

    def _note_at(self, span: Span, code: str, message: str, help: str) -> None:  # noqa: A002
        self.reading.note(self.source.problem(code, message, span, help))


def _is_literal(text: str) -> bool:
    """Whether a string stands for itself, as most do."""
    return "$" not in text and "\0" not in text


def table_name(path: KeyPath) -> str:
    """`[services.web]`, `[[gateway.routes]]`; the whole file for the empty path."""
    if not path:
        return "the file"
    names = ".".join(part for part in path if isinstance(part, str))
    return f"[[{names}]]" if isinstance(path[-1], int) else f"[{names}]"


def _grow(reading: Reading, source: Source, value: object, path: KeyPath) -> Node:
    if isinstance(value, dict):
        value = {name: _grow(reading, source, item, (*path, name)) for name, item in value.items()}
    elif isinstance(value, list):
        value = [_grow(reading, source, item, (*path, index)) for index, item in enumerate(value)]
    return Node(reading, source, value, path)
