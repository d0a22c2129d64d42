"""How what is written in two places becomes one: tables merge, everything else is replaced by the upper one."""

from minimesh.spec.kinds import Either, Off
from minimesh.spec.many import MapOf
from minimesh.spec.node import Node
from minimesh.spec.schema import Kind, Table
from minimesh.spec.service import SERVICE, STARTED_KEYS


def merge(lower: Node, upper: Node, kind: Kind[object] | None, *, at_lower: bool) -> Node:
    """The upper value, with what it leaves out of the lower one. Short forms merge as the tables that they stand for.

    `at_lower`: a table of both stands where the lower one does. Where the upper one takes another of several
    alternatives (`address` in place of `run`), what belongs to the lower one's goes with it.
    """
    if isinstance(kind, Off) and "off" in (lower.value, upper.value):
        return upper
    if isinstance(kind, Off | Either):
        kind = kind.kind
    if isinstance(kind, Table):
        lower, upper = kind.long(lower), kind.long(upper)
    if not (lower.is_table and upper.is_table):
        return upper
    displaced = _displaced(upper, kind)
    children = dict(lower.children)
    for name in displaced:
        children.pop(name, None)
    for name, node in upper.children.items():
        if name in children:
            node = merge(children[name], node, _kind_of(name, kind), at_lower=at_lower)
        children[name] = node
    return (lower if at_lower else upper).with_children(children)


def _displaced(upper: Node, kind: Kind[object] | None) -> tuple[str, ...]:
    if not isinstance(kind, Table):
        return ()
    alternatives = kind.one_of if any(name in upper.children for name in kind.one_of) else ()
    started = STARTED_KEYS if kind is SERVICE and "address" in upper.children else ()
    return (*alternatives, *started)


def _kind_of(name: str, kind: Kind[object] | None) -> Kind[object] | None:
    if isinstance(kind, MapOf):
        return kind.kind
    return kind.kind_of(name) if isinstance(kind, Table) else None
