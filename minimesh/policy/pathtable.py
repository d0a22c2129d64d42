"""Paths of minimesh.toml and what each leads to, found at a cost that does not grow with their number.

An exact path comes first, then the longest prefix at whole segments, then regular expressions in their order.
"""

import re
from typing import Generic, TypeVar

from minimesh.model.route import PathKind, PathMatch

T = TypeVar("T")


class PathTable(Generic[T]):
    """The first of two equal paths wins. Those of gRPC methods are asked before the others, by calls of gRPC alone."""

    __slots__ = ("_depth", "_exact", "_grpc", "_prefixes", "_regexes")

    def __init__(self) -> None:
        self._exact: dict[bytes, T] = {}
        self._prefixes: dict[bytes, T] = {}
        self._regexes: list[tuple[re.Pattern[bytes], T]] = []
        self._depth = 0
        self._grpc: PathTable[T] | None = None

    def add(self, match: PathMatch, route: T) -> None:
        if match.grpc:
            self._grpc = self._grpc or PathTable()
            self._grpc.put(match.kind, match.value.encode(), route)
        else:
            self.put(match.kind, match.value.encode(), route)

    def put(self, kind: PathKind, value: bytes, route: T) -> None:
        match kind:
            case PathKind.EXACT:
                self._exact.setdefault(value, route)
            case PathKind.PREFIX:
                self._prefixes.setdefault(value, route)
                self._depth = max(self._depth, value.count(b"/"))
            case PathKind.REGEX:
                self._regexes.append((re.compile(value), route))

    def find(self, path: bytes, grpc: bool) -> T | None:
        if grpc and self._grpc is not None:
            found = self._grpc.find(path, False)
            if found is not None:
                return found
        found = self._exact.get(path)
        if found is not None:
            return found
        if self._prefixes:
            found = self._longest_prefix(path)
            if found is not None:
                return found
        for pattern, route in self._regexes:
            if pattern.match(path):
                return route
        return None

    def _longest_prefix(self, path: bytes) -> T | None:
        if not self._depth:
            return self._prefixes[b""]
        # No prefix is deeper than _depth segments, so a path of a thousand costs no more than one of those.
        if path.count(b"/") > self._depth:
            path = b"/".join(path.split(b"/", self._depth + 1)[: self._depth + 1])
        while True:
            found = self._prefixes.get(path)
            if found is not None or not path:
                return found
            path = path[: max(path.rfind(b"/"), 0)]
