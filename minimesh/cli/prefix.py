"""The name before each line of a service: `orders/2 | `, aligned, in a colour of its own."""

from collections.abc import Mapping

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import escape

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")


class Prefixes:
    """Made with each service and its number of replicas; a service with more than one shows which."""

    def __init__(self, replicas: Mapping[str, int]) -> None:
        self._replicas = dict(replicas)
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(replicas)}
        self._width = max(map(len, self.names()), default=0)

    def names(self) -> list[str]:
        """Of every replica."""
        return [self.name(name, each) for name, count in self._replicas.items() for each in range(1, count + 1)]

    def name(self, service: str, replica: int) -> str:
        """`web`, or `catalog/2` where there is more than one."""
        return f"{service}/{replica}" if self._replicas.get(service, 1) > 1 else service

    def of(self, out: Terminal, service: str, replica: int) -> str:
        """What stands before a line of this replica."""
        name = self.name(escape(service), replica).ljust(self._width)
        return out.paint(f"{name} |", self._colours.get(service, "dim")) + " "
