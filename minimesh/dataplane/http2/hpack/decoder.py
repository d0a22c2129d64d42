"""Blocks of fields, decoded (RFC 7541, 3 and 6)."""

from typing import Generic, TypeVar

from minimesh.dataplane.http2.hpack import huffman, integers
from minimesh.dataplane.http2.hpack.errors import HpackError, TooLarge
from minimesh.dataplane.http2.hpack.memory import Memory
from minimesh.dataplane.http2.hpack.static import SIZE as STATIC_SIZE
from minimesh.dataplane.http2.hpack.table import Entry, Table

T = TypeVar("T")

_INDEXED = 0x80
_INCREMENTAL = 0x40
_SIZE_UPDATE = 0x20
_NEVER_INDEXED = 0x10
_HUFFMAN = 0x80

_MOST_UPDATES = 2
_PATIENCE = 4
"""How many times what is allowed is decoded, so that the table is right, of a block that is too large."""

_SHORT = 8192
"""So little is decoded without counting first."""
_STATIC_MOST = 64
"""What a field without a dynamic table counts at most beyond the characters in it: 32 and a static entry."""

_NEW_NAME = (0x00, 0x10, 0x40)
_FAR_INDEX = (0x0F, 0x1F)
_LEAD = [0 if first in _NEW_NAME else 2 if first in _FAR_INDEX else 1 for first in range(_INDEXED)]
"""A literal's first byte -> how many bytes the index of its name takes; 0: the name itself follows."""
_SKIP = [1 + (length & 0x7F) for length in range(256)]
"""A string's first byte -> how many bytes it takes."""


class Decoder(Generic[T]):
    """One direction of one connection.

    `stateless`: there is no table, and there can be none: a block means the same on every such connection.
    """

    __slots__ = ("_allowed", "_lowest", "_memory", "_most_bytes", "_most_fields", "_short", "_table", "stateless")

    def __init__(
        self, memory: Memory[T], *, table_size: int = 4096, most_bytes: int = 65536, most_fields: int = 100
    ) -> None:
        """`table_size`: what the peer may use from the start. `most_bytes`: of names and values together, 32 more for
        each field (SETTINGS_MAX_HEADER_LIST_SIZE)."""
        self._memory = memory
        self._table: Table[T] = Table(table_size)
        self._allowed = self._lowest = table_size
        self._most_bytes = most_bytes
        self._most_fields = most_fields
        # As the shortest code has 5 bits, a block of this length with so many fields cannot count too much.
        self._short = min(_SHORT, (most_bytes - most_fields * _STATIC_MOST) * 5 // 8)
        self.stateless = table_size == 0

    def announce(self, table_size: int) -> None:
        """The peer has acknowledged our SETTINGS: it may use a table of this size. If its table is larger, its next
        block must begin with an update to this size or less (RFC 7541, 4.2). That is held against it only once it uses
        its table: gRPC's own servers write some answers past their encoder (trailers for a deadline that passed)."""
        self._allowed = table_size
        self._lowest = min(self._lowest, table_size)
        self.stateless = self._table.capacity == table_size == 0

    def decode(self, block: bytes) -> list[T]:
        """The fields in order. Raises HpackError, TooLarge, or what the memory's `make` raises: in this order while
        there is a table, which the whole block must go into, and else whichever comes first."""
        if not self.stateless or len(block) > self._short:
            return self._decode_all(block)
        memory = self._memory
        indexed = memory.indexed
        seen = memory.seen.get
        lead = _LEAD
        skip = _SKIP
        items: list[T] = []
        at = 0
        end = len(block)
        while at < end:
            first = block[at]
            if first >= _INDEXED:
                item = indexed[first]
                stop = at + 1
            else:
                # Where the literal ends if each of its lengths is one byte. If not, nothing is found: see Memory.
                try:
                    stop = lead[first]
                    if stop:
                        stop += at
                    else:
                        stop = at + 1
                        stop += skip[block[stop]]
                    stop += skip[block[stop]]
                    item = seen(block[at:stop])
                except IndexError:
                    item = None
            if item is None:
                if not at and _SIZE_UPDATE <= first < _INCREMENTAL:
                    return self._decode_all(block)
                entry, stop = self._field(block, at)
                item = memory.item_of(entry)
                memory.remember(block[at:stop], entry, item)
            items.append(item)
            at = stop
        if len(items) > self._most_fields:
            raise TooLarge(f"{len(items)} fields, more than {self._most_fields}")
        return items

    def _decode_all(self, block: bytes) -> list[T]:
        """Of a block that is too large, or has a malformed field, the rest is decoded too: the table needs it."""
        at = self._resize(block)
        end = len(block)
        most = self._most_bytes
        patience = most * _PATIENCE
        entries: list[Entry[T]] = []
        size = count = 0
        while at < end:
            entry, at = self._field(block, at)
            size += entry.size
            count += 1
            if size <= most and count <= self._most_fields:
                entries.append(entry)
            elif size > patience:
                raise HpackError(f"more than {patience} bytes of fields in a block")
        if size > most:
            raise TooLarge(f"{size} bytes of fields, more than {most}")
        if count > self._most_fields:
            raise TooLarge(f"{count} fields, more than {self._most_fields}")
        return [self._memory.item_of(entry) for entry in entries]

    def _resize(self, block: bytes) -> int:
        """The size updates that the block begins with, and where they end."""
        table = self._table
        at = updates = 0
        awaited = table.capacity > self._lowest
        most = self._lowest if awaited else self._allowed
        while at < len(block) and _SIZE_UPDATE <= block[at] < _INCREMENTAL:
            updates += 1
            if updates > _MOST_UPDATES:
                raise HpackError("a block begins with more than two updates of the table's size")
            capacity, at = integers.read(block, at, 0x1F)
            if capacity > most:
                raise HpackError(f"the table's size is set to {capacity}, where at most {most} is allowed")
            table.resize(capacity)
            most = self._allowed
        if awaited and not updates:
            return at
        self._lowest = self._allowed
        self.stateless = table.capacity == self._allowed == 0
        return at

    def _field(self, block: bytes, at: int) -> tuple[Entry[T], int]:
        """The field at `at`, and where it ends."""
        first = block[at]
        if first >= _INDEXED:
            index, at = integers.read(block, at, 0x7F)
            return self._entry(index), at
        if _SIZE_UPDATE <= first < _INCREMENTAL:
            raise HpackError("an update of the table's size stands behind a field, not before all of them")
        prefix = 0x3F if first >= _INCREMENTAL else 0x0F
        if first & prefix:
            index, at = integers.read(block, at, prefix)
            name = self._entry(index).name
        else:
            name, at, huffman_coded = _string(block, at + 1)
            if huffman_coded:
                name = self._memory.name_of(name)
        value, at, huffman_coded = _string(block, at)
        if huffman_coded:
            value = huffman.decode(value)
        entry: Entry[T] = Entry(name, value, _NEVER_INDEXED <= first < _SIZE_UPDATE)
        if first >= _INCREMENTAL:
            self._settled_table().add(entry)
        return entry, at

    def _entry(self, index: int) -> Entry[T]:
        if 0 < index <= STATIC_SIZE:
            return self._memory.static[index - 1]
        entries = self._settled_table().entries
        if not index or index > STATIC_SIZE + len(entries):
            raise HpackError(f"index {index} stands for no field: there are {STATIC_SIZE + len(entries)}")
        return entries[index - STATIC_SIZE - 1]

    def _settled_table(self) -> Table[T]:
        if self._table.capacity > self._lowest:
            raise HpackError(f"the table's size should have been set to {self._lowest} or less")
        return self._table


def _string(block: bytes, at: int) -> tuple[bytes, int, bool]:
    """The string at `at` as it stands there, where it ends, and whether it is Huffman-coded."""
    try:
        first = block[at]
    except IndexError:
        raise HpackError("the block ends before a string") from None
    length = first & 0x7F
    start = at + 1
    if length == 0x7F:
        length, start = integers.read(block, at, 0x7F)
    end = start + length
    if end > len(block):
        raise HpackError("the block ends within a string")
    return block[start:end], end, first >= _HUFFMAN
