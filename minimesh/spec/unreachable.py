"""Rules of `allow` and `deny` that can never decide anything, because others are asked before them."""

from collections.abc import Sequence

from minimesh.model.authorization import Rule
from minimesh.model.route import PathKind, PathMatch
from minimesh.spec import codes
from minimesh.spec.node import Node


def warn_of_unreachable(
    allow: Sequence[Rule], allow_nodes: Sequence[Node], deny: Sequence[Rule], deny_nodes: Sequence[Node]
) -> None:
    """Notes each rule that another one covers. The nodes stand in the order of their rules."""
    allowing, denying = [*zip(allow, allow_nodes, strict=False)], [*zip(deny, deny_nodes, strict=False)]
    for rule, node in allowing:
        if (at := _covering(rule, node, denying)) is not None:
            message = f"this rule of `allow` never decides: {node.point_at(at)} denies all of it, and deny beats allow"
            node.warn(codes.SHADOWED, message, "take one of them out")
        elif (at := _covering(rule, node, allowing)) is not None:
            message = f"this rule of `allow` is not needed: {node.point_at(at)} allows all of it"
            node.warn(codes.SHADOWED, message, "take one of them out")
    for rule, node in denying:
        if (at := _covering(rule, node, denying)) is not None:
            message = f"this rule of `deny` is not needed: {node.point_at(at)} denies all of it"
            node.warn(codes.SHADOWED, message, "take one of them out")


def _covering(rule: Rule, node: Node, others: list[tuple[Rule, Node]]) -> Node | None:
    """The one that covers it; of two that say the same, only the later one is covered."""
    for other, at in others:
        if at is node or other.audit or not covers(other, rule):
            continue
        if not covers(rule, other) or rule.audit or at.where < node.where:
            return at
    return None


def covers(wide: Rule, narrow: Rule) -> bool:
    """Whether every call that fits the narrow rule fits the wide one, as far as can be told from what they say."""
    return (
        _among(narrow.callers, wide.callers)
        and _among(narrow.methods, wide.methods)
        and (not wide.paths or bool(narrow.paths))
        and all(any(_below(path, other) for other in wide.paths) for path in (narrow.paths if wide.paths else ()))
        and all(header in narrow.headers for header in wide.headers)
        and all(claim in narrow.claims for claim in wide.claims)
        and wide.attested in (None, narrow.attested)
        and wide.hours in (None, narrow.hours)
    )


def _among(narrow: Sequence[str], wide: Sequence[str]) -> bool:
    return not wide or (bool(narrow) and {*narrow} <= {*wide})


def _below(path: PathMatch, other: PathMatch) -> bool:
    if path == other:
        return True
    if other.kind is not PathKind.PREFIX or path.kind is PathKind.REGEX:
        return False
    return path.value == other.value or path.value.startswith(f"{other.value}/")
