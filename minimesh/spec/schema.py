"""The vocabulary in which the sections are written down: kinds of values, keys, tables.

A table is data: its keys with their names, kinds, defaults and meanings can be walked by whoever wants to
describe the format (`Table.keys`, `Key.kind`), as well as read.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar, cast

from minimesh.spec import codes
from minimesh.spec.node import Node, RejectedError, table_name
from minimesh.spec.suggest import closest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")


class Kind(ABC, Generic[T_co]):
    """A kind of value. `noun` is what messages call it, `example` one as it is written in TOML.

    `takes_list`: it is written as a list, whoever has it as a short form too.
    """

    noun: str
    example: str
    takes_list = False

    @abstractmethod
    def read(self, node: Node) -> T_co:
        """The value of a node. Raises RejectedError, with the problems noted, where it is none of this kind."""

    def wrong_type(self, node: Node) -> NoReturn:
        message = f"{node.label} must be {self.noun}, not {node.type_name}"
        node.reject(codes.TYPE, message, node.pair(self.example))


@dataclass(frozen=True, slots=True)
class Key(Generic[T_co]):
    """A key of a table. `default` is how the default would be written; "": there is none to write.

    `required`: it must be written, `unless` one of those keys is.
    """

    name: str
    kind: Kind[T_co]
    doc: str
    default: str = ""
    required: bool = False
    unless: tuple[str, ...] = ()


class Fields:
    """What a table says, by key. A value that was refused is there as written, but has no value."""

    __slots__ = ("_values", "node")

    def __init__(self, node: Node, values: dict[str, object]) -> None:
        self.node = node
        self._values = values

    def get(self, key: Key[T], default: D) -> T | D:
        return cast("T", self._values[key.name]) if key.name in self._values else default

    def wrote(self, *names: str) -> bool:
        """Whether one of the keys stands in the file, refused or not, built or not."""
        return any(name in self.node.children for name in names)

    def refused(self, key: Key[object]) -> bool:
        """Whether the key stands in the file with a value that is wrong."""
        return key.name in self.node.children and key.name not in self._values

    def __getitem__(self, name: str) -> Node:
        """The node of a key that stands in the file."""
        return self.node.children[name]


class Table(Kind[T_co]):
    """A table with known keys; `make` turns them into a value.

    `short`: the key that is meant where the value is no table. `one_of`: keys of which at most one may stand.
    `later`: keys of the format that are not built.
    """

    def __init__(
        self,
        keys: Iterable[Key[object]],
        make: Callable[[Fields], T_co],
        *,
        short: Key[object] | None = None,
        one_of: Iterable[str] = (),
        later: Iterable[str] = (),
        example: str = "{ … }",
    ) -> None:
        self.keys = tuple(keys)
        self.short = short
        self.one_of = tuple(one_of)
        self.later = frozenset(later)
        self.noun = f"{short.kind.noun} or a table" if short else "a table"
        self.example = short.kind.example if short else example
        self._make = make
        self._by_name = {key.name: key for key in self.keys}

    def read(self, node: Node) -> T_co:
        return self._make(self.fields(node))

    def kind_of(self, name: str) -> Kind[object] | None:
        """The kind of a key's value; None where there is no such key."""
        key = self._by_name.get(name)
        return key.kind if key else None

    def fields(self, node: Node) -> Fields:
        node = self.long(node)
        if not node.is_table:
            self.wrong_type(node)
        values: dict[str, object] = {}
        for name, child in node.children.items():
            key = self._by_name.get(name)
            if key is None:
                self._unknown(name, child)
                continue
            try:
                values[name] = key.kind.read(child)
            except RejectedError:
                continue
        self._note_missing(node)
        self._note_conflict(node)
        return Fields(node, values)

    def long(self, node: Node) -> Node:
        """The node as a table, where its short form was written."""
        if self.short is None or node.is_table or (node.is_list and not self.short.kind.takes_list):
            return node
        return node.with_children({self.short.name: node})

    def _note_missing(self, node: Node) -> None:
        for key in self.keys:
            if key.required and not any(name in node.children for name in (key.name, *key.unless)):
                message = f"`{key.name}` is missing{f' in {table_name(node.path)}' if node.path else ''}"
                node.note_owner(codes.MISSING, message, f"{key.name} = {key.kind.example}")

    def _note_conflict(self, node: Node) -> None:
        first, *more = [name for name in self.one_of if name in node.children] or [""]
        for name in more:
            message = f"`{name}` cannot stand beside `{first}` in {table_name(node.path)}"
            node.children[name].note_key(codes.CONFLICT, message, f"take `{name}` or `{first}` out")

    def _unknown(self, name: str, child: Node) -> None:
        owner = f" in {table_name(child.path[:-1])}" if len(child.path) > 1 else ""
        if name in self.later:
            message = f"`{name}`{owner} is part of minimesh.toml but not built yet"
            child.note_key(codes.NOT_BUILT, message, f"take `{name}` out; this version works without it")
            return
        meant = closest(name, self._by_name) or closest(name, self.later)
        if meant is None:
            known = ", ".join(self._by_name)
            child.note_key(codes.UNKNOWN_KEY, f"unknown key `{name}`{owner}", f"known here: {known}")
            return
        message = f"unknown key `{name}`{owner}; did you mean `{meant}`?"
        if meant in self.later:
            child.note_key(codes.UNKNOWN_KEY, f"{message} (not built yet)", f"take `{name}` out")
        elif child.source.option:
            child.note_key(codes.UNKNOWN_KEY, message, child.source.renamed(child.path, meant))
        elif child.is_table:
            child.note_key(codes.UNKNOWN_KEY, message, meant)
        else:
            raw = child.source.positions.raw(child.source.value(child.path))
            child.note_key(codes.UNKNOWN_KEY, message, f"{meant} = {' '.join(raw.split())}")
