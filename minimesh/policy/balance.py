"""Which endpoint is next."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class RoundRobin:
    """Each in turn; `avoid` is passed over while there is another one."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def pick(self, endpoints: Sequence[T], avoid: object = None) -> T | None:
        count = len(endpoints)
        if not count:
            return None
        index = self._next % count
        if endpoints[index] is avoid and count > 1:
            index = (index + 1) % count
        self._next = index + 1
        return endpoints[index]
