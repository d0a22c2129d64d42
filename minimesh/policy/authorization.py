"""May this caller do this to that service? What its rules say, in the order: deny, then any allow, then the default.

A rule fits a call that fits all of what it says. Where the path can be read in more than one way (reading.py), a deny
fits if one of the readings does, and an allow only if each does; the same goes for a header that is there twice.
Rules under audit are left out of what is in force; `trial` is what would hold if they were not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from minimesh.model.authorization import (
    Authorization,
    ClaimMatch,
    Effect,
    HeaderMatch,
    Hours,
    Rule,
    Rules,
)
from minimesh.model.route import PathKind, PathMatch
from minimesh.policy.pathtable import PathTable
from minimesh.policy.reading import loose, readings

MINUTE = 60.0


class HasPairs(Protocol):
    """Fields of a request, names in lower case."""

    @property
    def pairs(self) -> Sequence[tuple[bytes, bytes]]: ...


@dataclass(frozen=True, slots=True)
class NoFields:
    pairs: Sequence[tuple[bytes, bytes]] = ()


@dataclass(slots=True)
class Call:
    """What rules look at. path: canonical, as the service is asked for it, without a query. now: in wall-clock seconds.
    claims: of a verified token. Of a connection there is only who makes it, and when."""

    caller: str
    attested: bool
    now: float
    method: bytes = b""
    path: bytes = b""
    fields: HasPairs = field(default_factory=NoFields)
    claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """rule None: none fits, and so the default holds."""

    allowed: bool
    rule: Rule | None = None


_BY_DEFAULT = {allowed: Decision(allowed) for allowed in (True, False)}
Fits = Callable[[Call], bool]


class Ruling:
    """The rules of one service as they are asked. settled: what is decided whatever a call is like. plain: it hangs on
    caller, method and path alone.

    caller: the only one who asks, where that is known: rules for others are left out, and nobody is asked who it is."""

    __slots__ = ("_allow", "_default", "_deny", "plain", "settled")

    def __init__(self, rules: Rules, mode: Authorization, caller: str | None) -> None:
        deny, allow = _of(caller, rules.deny), _of(caller, rules.allow)
        self._deny = [(_fits(rule, Effect.DENY, caller), Decision(False, rule)) for rule in deny]
        self._allow = [(_fits(rule, Effect.ALLOW, caller), Decision(True, rule)) for rule in allow]
        self._default = by_default(rules.allow, mode)
        self.plain = not any(
            rule.headers or rule.claims or rule.hours or rule.attested is not None for rule in (*deny, *allow)
        )
        self.settled = self._settled()

    def decide(self, call: Call) -> Decision:
        for fits, decision in self._deny:
            if fits is None or fits(call):
                return decision
        for fits, decision in self._allow:
            if fits is None or fits(call):
                return decision
        return self._default

    def _settled(self) -> Decision | None:
        fits, first = next(iter((*self._deny, *self._allow)), (None, self._default))
        return first if fits is None else None


class Policy:
    """What holds for one service. trial: None where nothing is under audit."""

    __slots__ = ("in_force", "trial")

    def __init__(self, rules: Rules, mode: Authorization, caller: str | None = None) -> None:
        """caller: the only one who can ask, where that is known."""
        acting = Rules(_in_force(rules.allow), _in_force(rules.deny))
        self.in_force = Ruling(acting, mode, caller)
        self.trial = None if acting == Rules(rules.allow, rules.deny) else Ruling(rules, mode, caller)

    @property
    def idle(self) -> bool:
        """Every call is allowed, and nothing is tried."""
        return self.trial is None and self.in_force.settled is not None and self.in_force.settled.allowed

    def would(self, call: Call, decided: Decision) -> Decision | None:
        """What the rules under audit would have decided otherwise."""
        if self.trial is None:
            return None
        tried = self.trial.decide(call)
        return tried if tried.allowed is not decided.allowed else None


def by_default(rules: Sequence[Rule], mode: Authorization) -> Decision:
    """Where no rule fits. rules: all of `allow` that count."""
    return _BY_DEFAULT[mode is Authorization.OPEN and not rules]


def _in_force(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if not rule.audit)


def _of(caller: str | None, rules: Iterable[Rule]) -> list[Rule]:
    """Those that can fit a call of this caller."""
    return [rule for rule in rules if caller is None or not rule.callers or caller in rule.callers]


def _fits(rule: Rule, effect: Effect, caller: str | None) -> Fits | None:
    """None: whatever comes."""
    asked = rule if caller is None else replace(rule, callers=())
    conditions = [*conditions_of(asked, every=effect is Effect.ALLOW)]
    match [fits for _, fits in conditions]:
        case []:
            return None
        case [single]:
            return single
        case several:
            return lambda call: all(fits(call) for fits in several)


def conditions_of(rule: Rule, *, every: bool) -> Iterable[tuple[str, Fits]]:
    """What a rule asks of a call, by the name of its key, cheap things first. every: it must fit in every reading."""
    if rule.callers:
        callers = frozenset(rule.callers)
        yield "from", lambda call: call.caller in callers
    if rule.attested is not None:
        attested = rule.attested
        yield "attested", lambda call: call.attested is attested
    if rule.methods:
        methods = frozenset(method.encode() for method in rule.methods)
        yield "methods", lambda call: call.method in methods
    if rule.hours is not None:
        yield "hours", Within(rule.hours)
    if rule.paths:
        yield "paths", _paths(rule.paths, every=every)
    for header in rule.headers:
        yield "header", _header(header, every=every)
    for claim in rule.claims:
        yield "claim", _claim(claim)


def _paths(paths: Sequence[PathMatch], *, every: bool) -> Fits:
    exactly: PathTable[bool] = PathTable()
    loosely: PathTable[bool] = PathTable()
    for path in paths:
        exactly.add(path, True)
        loosely.put(path.kind, _loosely(path), True)

    def fits(call: Call) -> bool:
        path, *other = readings(call.path)
        found = exactly.find(path, False) is not None
        if not other or found is not every:
            return found
        return loosely.find(other[0], False) is not None

    return fits


def _loosely(path: PathMatch) -> bytes:
    """What stands in the rule as a loose reading has it, which must not miss what is unusual in the rule itself."""
    value = path.value.encode()
    if path.kind is PathKind.REGEX:
        return value
    read = loose(value)
    return b"" if path.kind is PathKind.PREFIX and read == b"/" else read


def _header(header: HeaderMatch, *, every: bool) -> Fits:
    name = header.name.encode()
    values = frozenset(value.encode() for value in header.values)
    patterns = [re.compile(pattern.encode()) for pattern in header.patterns]
    enough = all if every else any

    def fits(call: Call) -> bool:
        sent = [value for field_, value in call.fields.pairs if field_ == name]
        return bool(sent) and enough(value in values or any(each.match(value) for each in patterns) for value in sent)

    return fits


def _claim(claim: ClaimMatch) -> Fits:
    def fits(call: Call) -> bool:
        said = claimed(call.claims, claim.path)
        return any(_same(value, each) for value in claim.values for each in said)

    return fits


def claimed(claims: Mapping[str, object], path: Sequence[str]) -> Sequence[object]:
    """The values of a claim: those in its list, or its only one; of `scope` its words (RFC 8693, section 4.2)."""
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str) and [*path] == ["scope"]:
        return found.split()
    if isinstance(found, list | tuple):
        return found
    return [] if found is None else [found]


def _same(wanted: object, found: object) -> bool:
    """`true` is not 1."""
    return wanted == found and isinstance(wanted, bool) is isinstance(found, bool)


class Within:
    """Whether it is that time of the day. Looked at once a minute: offsets of time zones are whole minutes."""

    __slots__ = ("_hours", "_inside", "_minute", "_zone")

    def __init__(self, hours: Hours) -> None:
        self._hours = hours
        self._zone: tzinfo = UTC if hours.timezone == "UTC" else _zone(hours.timezone)
        self._minute = -1
        self._inside = False

    def __call__(self, call: Call) -> bool:
        minute = int(call.now // MINUTE)
        if minute != self._minute:
            self._minute = minute
            self._inside = self._is_inside(self.local(call.now))
        return self._inside

    def local(self, now: float) -> datetime:
        return datetime.fromtimestamp(now, self._zone)

    def _is_inside(self, local: datetime) -> bool:
        start, end, at = self._hours.start, self._hours.end, local.hour * 60 + local.minute
        return start <= at < end if start < end else at >= start or at < end


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only where one is written

    return ZoneInfo(name)
