"""The most recent records, for people and for whoever writes them down."""

from collections import deque
from itertools import islice
from typing import NamedTuple

from minimesh.model.caller import Caller
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
        """Takes a Record's fields as a bare tuple in their order, texts as bytes where that is what came, the
        traceparent in place of id and trace_id, and the caller in place of what is known of its process, for that may
        be found out later. Making the named one for each request would cost ten times as much.
        """
        self._records.append(record)
        self.total += 1

    def since(self, position: int) -> Batch:
        """What came after the first `position` records. Position 0 is the start, `total` the end."""
        oldest = self.total - len(self._records)
        first = max(position, oldest)
        records = tuple(_record(raw) for raw in islice(self._records, first - oldest, None))
        return Batch(records, self.total, first - position)


def _record(raw: tuple[object, ...]) -> Record:
    context, *rest, caller = (value.decode("latin-1") if isinstance(value, bytes) else value for value in raw)
    assert isinstance(context, str)
    assert isinstance(caller, Caller)
    trace_id = context[3:35]
    rest[0] = rest[0] or trace_id
    return Record._make((context[36:52], trace_id, *rest, caller.attested, caller.who))
