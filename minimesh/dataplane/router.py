"""Host and path to route, at a cost that does not grow with their number.

Precedence is the Gateway API's: an exact host before a wildcard, the longer wildcard first, no host last; within a
host the methods of gRPC for a call of gRPC; then an exact path, then the longest prefix at whole segments, then
regular expressions in the order of the file.
Where the most specific host has no matching path the next one is asked.
"""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

from minimesh.model.route import PathKind, PathMatch

T = TypeVar("T")


class PathTable(Generic[T]):
    """The routes of one host. The first of two equal matches wins."""

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
            self._grpc._put(match, route)
        else:
            self._put(match, route)

    def _put(self, match: PathMatch, route: T) -> None:
        value = match.value.encode()
        match match.kind:
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


class Router(Generic[T]):
    """All the routes of a listener: (host or None, path, what to return)."""

    __slots__ = ("_any", "_exact", "_wildcards")

    def __init__(self, routes: Iterable[tuple[str | None, PathMatch, T]]) -> None:
        self._any: PathTable[T] = PathTable()
        self._exact: dict[bytes, PathTable[T]] = {}
        self._wildcards: dict[bytes, PathTable[T]] = {}
        for host, path, route in routes:
            self._table(host).add(path, route)

    def _table(self, host: str | None) -> PathTable[T]:
        if host is None:
            return self._any
        if host.startswith("*."):
            return self._wildcards.setdefault(host[1:].encode(), PathTable())
        return self._exact.setdefault(host.encode(), PathTable())

    def has_host(self, host: bytes) -> bool:
        """Some route is for this host, by its name or by a wildcard."""
        if host in self._exact:
            return True
        labels = host.split(b".")
        return any(b"." + b".".join(labels[start:]) in self._wildcards for start in range(1, len(labels)))

    def find(self, authority: bytes, path: bytes, grpc: bool = False) -> T | None:
        """The authority is lower case and may have a port. `grpc`: it is a call of gRPC."""
        if self._exact or self._wildcards:
            found = self._find_by_host(host_of(authority), path, grpc)
            if found is not None:
                return found
        return self._any.find(path, grpc)

    def _find_by_host(self, host: bytes, path: bytes, grpc: bool) -> T | None:
        table = self._exact.get(host)
        found = table.find(path, grpc) if table is not None else None
        dot = host.find(b".") if self._wildcards else -1
        while found is None and dot >= 0:
            table = self._wildcards.get(host[dot:])
            found = table.find(path, grpc) if table is not None else None
            dot = host.find(b".", dot + 1)
        return found


def host_of(authority: bytes) -> bytes:
    """An authority without its port."""
    if authority.startswith(b"["):
        return authority[: authority.find(b"]") + 1]
    return authority.partition(b":")[0]
