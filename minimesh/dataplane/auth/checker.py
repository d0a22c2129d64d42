"""How a provider is asked who the user is, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from minimesh.dataplane.gates import Asked, Refusal, Reply, Wait
from minimesh.model.auth import BadCredentialError, Known, Provider
from minimesh.policy.shown import Shown

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It cannot be told who it is: whoever knows does not answer."""

    detail: str


Outcome = Known | BadCredentialError | Unavailable | Refusal | Reply | None
"""None: nothing was shown that this provider looks at."""
Tell = Callable[[Outcome], None]


class Source(Protocol[T_co]):
    """Something that lies elsewhere, as it was last read. value None: it was never there. problem: what is wrong now,
    for people."""

    @property
    def value(self) -> T_co | None: ...

    @property
    def problem(self) -> str: ...

    def look(self, then: Callable[[], None]) -> bool:
        """Whether there is another by now; `then` is called, never during this call. False: it was just looked."""
        ...


class Checker(Protocol):
    """One provider, as it runs."""

    spec: Provider

    @property
    def slot(self) -> bytes:
        """Where its credential is shown; b"": it looks at none itself."""
        ...

    @property
    def hidden(self) -> bytes | None:
        """The field with its credential, where the service is not to get it."""
        ...

    @property
    def challenge(self) -> bytes:
        """What WWW-Authenticate says of it, b"" where there is no word for it."""
        ...

    def check(self, shown: Shown, asked: Asked, tell: Tell) -> Outcome | Wait:
        """WAIT: it has to find out, and calls `tell`, never during this call."""
        ...
