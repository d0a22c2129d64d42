"""Who may call a service, as minimesh.toml says it."""

import json
import re
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

    def __str__(self) -> str:
        """As it is written in a list of rules: `{ from = ["web"], paths = ["/orders/*"] }`."""
        pairs: list[tuple[str, object]] = [
            ("from", self.callers),
            ("methods", self.methods),
            ("paths", [path.plain for path in self.paths]),
            ("header", {each.name: (*each.values, *(f"~{text}" for text in each.patterns)) for each in self.headers}),
            ("claim", _nested(self.claims)),
        ]
        more = [f"attested = {_toml(self.attested)}"] if self.attested is not None else []
        if self.hours is not None:
            span, _, zone = str(self.hours).partition(" ")
            more += [f'hours = "{span}"', f'timezone = "{zone}"']
        written = [f"{name} = {_toml(value)}" for name, value in pairs if value]
        told = ", ".join([*written, *more, *(["audit = true"] if self.audit else [])])
        return f"{{ {told} }}" if told else "{}"

    @property
    def of_requests(self) -> bool:
        """It speaks of what only a request has."""
        return bool(self.methods or self.paths or self.headers or self.claims)


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one service. where: its `allow`, which says that nobody else may call; NOWHERE where there is none."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    where: Where = NOWHERE

    def __bool__(self) -> bool:
        return bool(self.allow or self.deny)

    @property
    def attested(self) -> bool:
        """One of them wants to know whose process a caller is."""
        return any(rule.attested is not None for rule in (*self.allow, *self.deny))


def _nested(claims: tuple[ClaimMatch, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    for claim in claims:
        at = found
        for name in claim.path[:-1]:
            below = at.setdefault(name, {})
            assert isinstance(below, dict), "a table of TOML has each name once"
            at = below
        at[claim.path[-1]] = claim.values
    return found


def _toml(value: object) -> str:
    """Within a line. A basic string of TOML is one of JSON but for DEL."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(name)} = {_toml(each)}' for name, each in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
