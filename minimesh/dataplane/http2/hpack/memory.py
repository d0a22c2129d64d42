"""What fields decode to, remembered by their bytes, for all connections of one direction."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from minimesh.dataplane.http2.hpack import huffman, static
from minimesh.dataplane.http2.hpack.table import Entry

T = TypeVar("T")

MOST = 4096
LONGEST = 256
MOST_NAMES = 1024
LONGEST_NAME = 64
INDEXED = 0x80
"""First bytes from this on stand for a whole field of a table."""


class Memory(Generic[T]):
    """Bounded: when something is full it is emptied, and fills again at the cost of one decoding each; no order has to
    be kept on the way.

    `seen`: a literal's bytes -> its item. Literals whose name stands in a dynamic table never get in here, so the
    bytes mean the same on every connection; and as no literal's bytes begin another's, bytes that are found here are a
    whole literal wherever they stand in a block.
    `indexed`: the first byte of a field of the static table -> its item; None as long as that is not known.
    `names`: a Huffman-coded name -> the name, for literals that are not remembered.
    `static`: the static table's entries.
    """

    __slots__ = ("_forgettable", "_make", "indexed", "names", "seen", "static")

    def __init__(self, make: Callable[[bytes, bytes, bool], T], forgettable: Collection[bytes]) -> None:
        """`make(name, value, never_indexed)` makes an item; what it raises comes out of `decode`.
        `forgettable`: names, in lower case, whose fields are never remembered: secrets, and what hardly repeats."""
        self._make = make
        self._forgettable = frozenset(forgettable)
        self.names: dict[bytes, bytes] = {}
        self.seen: dict[bytes, T] = {}
        self.indexed: list[T | None] = [None] * 256
        self.static: tuple[Entry[T], ...] = tuple(Entry(name, value) for name, value in static.TABLE)

    def item_of(self, entry: Entry[T]) -> T:
        item = entry.item
        if item is None:
            item = entry.item = self._make(entry.name, entry.value, entry.never_indexed)
        return item

    def name_of(self, coded: bytes) -> bytes:
        name = self.names.get(coded)
        if name is None:
            name = huffman.decode(coded)
            if len(coded) <= LONGEST_NAME:
                if len(self.names) >= MOST_NAMES:
                    self.names.clear()
                self.names[coded] = name
        return name

    def remember(self, encoded: bytes, entry: Entry[T], item: T) -> None:
        """`encoded`: a field that refers to no dynamic table, and what it decoded to."""
        if encoded[0] >= INDEXED:
            self.indexed[encoded[0]] = item
        elif len(encoded) <= LONGEST and not entry.never_indexed and entry.name not in self._forgettable:
            if len(self.seen) >= MOST:
                self.seen.clear()
            self.seen[encoded] = item
