"""Text with holes that only the running mesh can fill."""

from collections.abc import Callable
from dataclasses import dataclass

from minimesh.model.where import NOWHERE, Where


@dataclass(frozen=True, slots=True)
class Reference:
    """`${orders.url}`: an attribute (`url`, `host`, `port`, `address` or `addr`) of a service, or of `self`."""

    service: str
    attribute: str
    where: Where = NOWHERE

    def __str__(self) -> str:
        return f"${{{self.service}.{self.attribute}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and references, in order. What came from the environment is literal by now."""

    parts: tuple[str | Reference, ...]

    def render(self, value: Callable[[Reference], str]) -> str:
        return "".join(part if isinstance(part, str) else value(part) for part in self.parts)

    @property
    def references(self) -> tuple[Reference, ...]:
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def literal(text: str) -> Template:
    return Template((text,))
