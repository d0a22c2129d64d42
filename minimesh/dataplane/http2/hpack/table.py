"""A dynamic table (RFC 7541, 2.3.2 and 4), and the entries of both tables."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

OVERHEAD = 32
"""What a field counts beyond its bytes (RFC 7541, 4.1; RFC 9113, 10.5.1)."""


class Entry(Generic[T]):
    """A field. `size`: what it counts. `item`: what it decodes to, once that is known."""

    __slots__ = ("item", "name", "never_indexed", "size", "value")

    def __init__(self, name: bytes, value: bytes, never_indexed: bool = False) -> None:
        self.name = name
        self.value = value
        self.never_indexed = never_indexed
        self.size = len(name) + len(value) + OVERHEAD
        self.item: T | None = None


class Table(Generic[T]):
    """`entries`: the newest first. `capacity`: how much they may count together."""

    __slots__ = ("_size", "capacity", "entries")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: deque[Entry[T]] = deque()
        self._size = 0

    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self._evict(capacity)

    def add(self, entry: Entry[T]) -> None:
        """An entry that is larger than the table empties it."""
        self._evict(self.capacity - entry.size)
        if entry.size <= self.capacity:
            self.entries.appendleft(entry)
            self._size += entry.size

    def _evict(self, size: int) -> None:
        """Down to `size`, the oldest first."""
        while self._size > size and self.entries:
            self._size -= self.entries.pop().size
