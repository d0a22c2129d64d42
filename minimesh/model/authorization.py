"""Who may call a service, as minimesh.toml says it."""

from dataclasses import dataclass
from enum import StrEnum

from minimesh.model.route import PathMatch
from minimesh.model.where import NOWHERE, Where


class Authorization(StrEnum):
    """What holds for a service without an `allow`: OPEN: everybody may call it; CLOSED: nobody."""

    OPEN = "open"
    CLOSED = "closed"


class Security(StrEnum):
    """STRICT: authorization closed, egress registered and attest enforced, where nothing else is said of them."""

    STANDARD = "standard"
    STRICT = "strict"


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the day there, from `start` until just before `end`; over midnight where `end` is the lesser."""

    start: int
    end: int
    timezone: str = "UTC"

    def __str__(self) -> str:
        return f"{_time(self.start)}-{_time(self.end)} {self.timezone}"


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A field of the request, its name in lower case, that is one of `values`, or that one of `patterns` (regular
    expressions) matches from its start."""

    name: str
    values: tuple[str, ...]
    patterns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {' or '.join((*self.values, *(f'~{each}' for each in self.patterns)))}"


@dataclass(frozen=True, slots=True)
class ClaimMatch:
    """A claim of a verified token that is, or as a list has, one of these values. path: `("realm", "role")` is `role`
    in the object `realm`."""

    path: tuple[str, ...]
    values: tuple[Scalar, ...]

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def __str__(self) -> str:
        return f"{self.name} {' or '.join(map(str, self.values))}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `allow` or `deny`. What is empty, or None, fits everything; all the rest must fit.

    audit: what it would do is recorded, and it does nothing.
    """

    callers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    paths: tuple[PathMatch, ...] = ()
    headers: tuple[HeaderMatch, ...] = ()
    claims: tuple[ClaimMatch, ...] = ()
    attested: bool | None = None
    hours: Hours | None = None
    audit: bool = False
    where: Where = NOWHERE

    @property
    def of_requests(self) -> bool:
        """It speaks of what only a request has."""
        return bool(self.methods or self.paths or self.headers or self.claims)


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one service. where: what says that nobody else may call, for who is refused because no rule lets it."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    where: Where = NOWHERE

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)


def _time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
