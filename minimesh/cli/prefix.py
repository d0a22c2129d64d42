"""The name before each line of a service: `orders/2 | `, aligned, in a colour of its own."""

from collections.abc import Mapping

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import escape

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")


class Prefixes:
    """Made with each service and its number of replicas; a service with more than one shows which.

    Services and replicas that come later are learnt when they are first named.
    """

    def __init__(self, replicas: Mapping[str, int]) -> None:
        self._replicas: dict[str, int] = {}
        self._colours: dict[str, str] = {}
        self._width = 0
        for name, count in replicas.items():
            self._learn(name, count)

    def names(self) -> list[str]:
        """Of every replica."""
        return [self.name(name, each) for name, count in self._replicas.items() for each in range(1, count + 1)]

    def name(self, service: str, replica: int) -> str:
        """`web`, or `catalog/2` where there is more than one."""
        if replica > self._replicas.get(service, 0):
            self._learn(service, replica)
        return f"{service}/{replica}" if self._replicas[service] > 1 else service

    def of(self, out: Terminal, service: str, replica: int) -> str:
        """What stands before a line of this replica."""
        name = escape(self.name(service, replica)).ljust(self._width)
        return out.paint(f"{name} |", self._colours[service]) + " "

    def _learn(self, service: str, replicas: int) -> None:
        self._replicas[service] = replicas
        self._colours.setdefault(service, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._width = max([self._width, *(len(self.name(service, each)) for each in range(1, replicas + 1))])
