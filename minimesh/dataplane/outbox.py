"""Connections with something to send, each written once for all that one turn of the loop has caused."""

from collections.abc import Callable
from typing import Protocol


class Sender(Protocol):
    def flush(self) -> None:
        """Write what there is."""
        ...


class Outbox:
    """`reading`: a connection is being read that will flush at its end; otherwise the loop does, in its next turn."""

    __slots__ = ("_call_soon", "_called", "_senders", "reading")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._called = False
        self._senders: list[Sender] = []
        self.reading = False

    def add(self, sender: Sender) -> None:
        """It has something to send that it did not have before."""
        self._senders.append(sender)
        if not self.reading and not self._called:
            self._called = True
            self._call_soon(self.flush)

    def flush(self) -> None:
        self._called = self.reading = False
        while self._senders:
            senders, self._senders = self._senders, []
            for sender in senders:
                sender.flush()
