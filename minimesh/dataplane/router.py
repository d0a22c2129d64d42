"""Host and path to route, at a cost that does not grow with their number.

Precedence is the Gateway API's: an exact host before a wildcard, the longer wildcard first, no host last; within a
host the methods of gRPC for a call of gRPC; then an exact path, then the longest prefix at whole segments, then
regular expressions in the order of the file.
Where the most specific host has no matching path the next one is asked.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from minimesh.model.route import PathMatch
from minimesh.policy.pathtable import PathTable

T = TypeVar("T")


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
