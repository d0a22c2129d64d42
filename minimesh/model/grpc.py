"""Status codes of gRPC, and what they count as."""

from enum import IntEnum


class Status(IntEnum):
    """Status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


NAMES = tuple(Status.__members__)
_FAILURES = frozenset((Status.UNKNOWN, Status.DEADLINE_EXCEEDED, Status.INTERNAL, Status.UNAVAILABLE, Status.DATA_LOSS))


def counts_as(status: int) -> int:
    """The class of HTTP statuses that a gRPC status counts as: 2 is well, 4 the caller's, 5 the service's failure."""
    return 2 if not status else 5 if status in _FAILURES or status > Status.UNAUTHENTICATED else 4


def name_of(status: int) -> str:
    """`UNAVAILABLE`; of a number that gRPC does not know, the number."""
    return NAMES[status] if 0 <= status < len(NAMES) else str(status)
