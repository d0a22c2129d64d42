"""Which binding of an api a request means: a tree over the segments of paths. Pure.

A literal goes before `*`, and that before `**`; of two that match the same paths the first counts. Where the most
special one leads nowhere the next is tried.
"""

from collections.abc import Iterable, Sequence

from minimesh.model.pathtemplate import MANY, ONE
from minimesh.model.transcoding import Binding

ANY_METHOD = "*"


class _Node:
    """`ends`: by verb, what ends here; `many`: by verb, what a `**` here leads to."""

    __slots__ = ("ends", "literals", "many", "one")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.one: _Node | None = None
        self.ends: dict[str, Binding] = {}
        self.many: dict[str, Binding] = {}


class Routes:
    """By method, `*` for those of any."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._roots: dict[str, _Node] = {}
        self._verbs: set[str] = set()
        for binding in bindings:
            self._add(binding)

    def _add(self, binding: Binding) -> None:
        template = binding.template
        node = self._roots.setdefault(binding.method, _Node())
        ends = node.ends
        for segment in template.segments:
            if segment == MANY:
                ends = node.many
            elif segment == ONE:
                node.one = node.one or _Node()
                node = node.one
                ends = node.ends
            else:
                node = node.literals.setdefault(segment, _Node())
                ends = node.ends
        ends.setdefault(template.verb, binding)
        if template.verb:
            self._verbs.add(template.verb)

    def find(self, method: str, path: str) -> tuple[Binding, dict[str, str]] | None:
        """The binding and what its variables are. path: as it was sent, without its query."""
        segments = path[1:].split("/")
        for root in (self._roots.get(method), self._roots.get(ANY_METHOD)):
            if root is not None and (found := self._find(root, segments)) is not None:
                return found
        return None

    def _find(self, root: _Node, segments: list[str]) -> tuple[Binding, dict[str, str]] | None:
        head, colon, verb = segments[-1].rpartition(":")
        if colon and verb in self._verbs:
            before = [*segments[:-1], head]
            binding = _walk(root, before, 0, verb)
            if binding is not None:
                return binding, binding.template.values(before)
        binding = _walk(root, segments, 0, "")
        return None if binding is None else (binding, binding.template.values(segments))


def _walk(node: _Node, segments: Sequence[str], at: int, verb: str) -> Binding | None:
    if at == len(segments):
        return node.ends.get(verb) or node.many.get(verb)
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None and (found := _walk(literal, segments, at + 1, verb)) is not None:
        return found
    if node.one is not None and segment and (found := _walk(node.one, segments, at + 1, verb)) is not None:
        return found
    return node.many.get(verb)
