"""Connections with something to send, each written once for all that one turn of the loop has caused.

Many callers that are read in one turn share one write to the endpoint, and one TLS record where there is one.
"""

from collections.abc import Callable
from typing import Protocol


class Sender(Protocol):
    def flush(self) -> None:
        """Write what there is."""
        ...


class Outbox:
    """`call_soon` runs what it is given when the loop has looked at all that is ready now."""

    __slots__ = ("_call_soon", "_senders")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._senders: list[Sender] = []

    def add(self, sender: Sender) -> None:
        """It has something to send that it did not have before."""
        if not self._senders:
            self._call_soon(self._flush)
        self._senders.append(sender)

    def _flush(self) -> None:
        # What flushes may give a connection below it, one in TLS say, something to send: that leaves in the same turn.
        senders = self._senders
        try:
            for sender in senders:
                sender.flush()
        finally:
            senders.clear()
