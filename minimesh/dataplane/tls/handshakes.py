"""The handshakes that are under way: a few steps each turn of the loop, so that a thousand callers at once do not stop
everybody else. A step is up to a millisecond of signing and verifying."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

STEPS_A_TURN = 4


class Step(Protocol):
    def step(self) -> None:
        """As far as what has come allows."""
        ...


class Handshakes:
    """`call_soon` runs what it is given in the next turn of the loop."""

    __slots__ = ("_call_soon", "_due")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._due: deque[Step] = deque()

    def ask(self, handshake: Step) -> None:
        """It can go on, and does not wait for its turn yet."""
        if not self._due:
            self._call_soon(self._turn)
        self._due.append(handshake)

    def _turn(self) -> None:
        due = self._due
        # The next turn is asked for before the steps: one of them may ask in its turn, and then finds the line empty.
        steps = [due.popleft() for _ in range(min(STEPS_A_TURN, len(due)))]
        if due:
            self._call_soon(self._turn)
        for handshake in steps:
            handshake.step()
