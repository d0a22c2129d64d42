"""Kinds of many values: lists, maps, one or more."""

from collections.abc import Callable
from typing import TypeVar

from minimesh.spec.node import Node, RejectedError
from minimesh.spec.schema import Kind, T_co

V = TypeVar("V")


class ListOf(Kind[tuple[V, ...]]):
    """A list of one kind. All of its items are looked at, also after a bad one."""

    takes_list = True

    def __init__(self, kind: Kind[V], noun: str = "a list") -> None:
        self.kind = kind
        self.noun = noun
        self.example = f"[{kind.example}]"

    def read(self, node: Node) -> tuple[V, ...]:
        if not node.is_list:
            self.wrong_type(node)
        return read_all(node.items, self.kind.read)


class OneOrMore(Kind[tuple[V, ...]]):
    """A single value, or a list of them."""

    takes_list = True

    def __init__(self, kind: Kind[V]) -> None:
        self.kind = kind
        self.noun = f"{kind.noun} or a list"
        self.example = kind.example

    def read(self, node: Node) -> tuple[V, ...]:
        if node.is_list:
            return read_all(node.items, self.kind.read)
        if node.is_table:
            self.wrong_type(node)
        return (self.kind.read(node),)


class MapOf(Kind[dict[str, T_co]]):
    """A table whose keys are names of the user's choice; `check` says whether one will do (and notes why not)."""

    def __init__(self, kind: Kind[T_co], example: str, check: Callable[[Node], bool]) -> None:
        self.kind = kind
        self.noun = "a table"
        self.example = example
        self.check = check

    def read(self, node: Node) -> dict[str, T_co]:
        if not node.is_table:
            self.wrong_type(node)
        values: dict[str, T_co] = {}
        for name, child in node.children.items():
            fits = self.check(child)
            try:
                value = self.kind.read(child)
            except RejectedError:
                continue
            if fits:
                values[name] = value
        return values


def read_all(nodes: list[Node], read: Callable[[Node], V]) -> tuple[V, ...]:
    """The values of all nodes. Raises RejectedError after the last one if any was refused."""
    values: list[V] = []
    for node in nodes:
        try:
            values.append(read(node))
        except RejectedError:
            continue
    if len(values) < len(nodes):
        raise RejectedError
    return tuple(values)
