"""The most recent records, for people and for whoever writes them down."""

from collections import deque
from itertools import islice
from typing import NamedTuple

from minimesh.model.record import Record

RECORDS_KEPT = 10_000


class Batch(NamedTuple):
    """Records from a position on; `next` is where to go on; `dropped` were overwritten before they were read."""

    records: tuple[Record, ...]
    next: int
    dropped: int


class Ring:
    """Bounded: when it is full the oldest record goes. `wall_offset` + monotonic = wall time, both in seconds."""

    __slots__ = ("_records", "total", "wall_offset")

    def __init__(self, wall_offset: float, size: int = RECORDS_KEPT) -> None:
        self._records: deque[tuple[object, ...]] = deque(maxlen=size)
        self.total = 0
        self.wall_offset = wall_offset

    def append(self, record: tuple[object, ...]) -> None:
        """Takes the fields of a Record as a bare tuple: making the named one costs three times as much."""
        self._records.append(record)
        self.total += 1

    def since(self, position: int) -> Batch:
        """What came after the first `position` records. Position 0 is the start, `total` the end."""
        oldest = self.total - len(self._records)
        first = max(position, oldest)
        records = tuple(Record._make(fields) for fields in islice(self._records, first - oldest, None))  # type: ignore[arg-type]  # the data plane's tuples are in Record's order
        return Batch(records, self.total, first - position)
