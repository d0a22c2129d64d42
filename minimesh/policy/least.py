"""The least that has to be allowed so that certain calls are."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from minimesh.model.authorization import Rule
from minimesh.model.route import PathKind, PathMatch
from minimesh.policy.authorization import Call
from minimesh.policy.reading import readings

MOST_SIBLINGS = 8
"""Paths that differ in their last segment alone; of more of them that segment counts as a name of something."""
# What a path in minimesh.toml can hold as it is: "*" would stand for more there.
_PLAIN = re.compile(rb"/[A-Za-z0-9._~!$&'()+,;=:@%/-]*")
_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")
_NAMES = (
    (re.compile(r"[0-9]+"), "[0-9]+"),
    (re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "[0-9a-fA-F-]{36}"),
    (re.compile(r"(?=.*[0-9])[0-9a-fA-F]{12,}"), "[0-9a-fA-F]+"),
    (re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[0-9A-Za-z_-]{20,}"), "[^/]+"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that there was. path: as the service was asked for it; "": it was a connection."""

    caller: str
    method: str = ""
    path: str = ""


def rule_for(call: Call) -> Rule:
    """One that fits this call, and others of the same caller with the same method and path."""
    if not call.path:
        return Rule((call.caller,))
    return Rule((call.caller,), (call.method.decode("latin-1"),), (exactly(call.path),))


def exactly(path: bytes) -> PathMatch:
    """This path and no other."""
    if _PLAIN.fullmatch(path):
        return PathMatch(PathKind.EXACT, path.decode())
    either = "|".join(_literally(reading) for reading in readings(path))
    return PathMatch(PathKind.REGEX, f"({either})$" if "|" in either else f"{either}$")


def least(seen: Iterable[Seen]) -> tuple[Rule, ...]:
    """Rules of one service: few, and none that fits more than what was seen or differs in a name from it."""
    connecting: set[str] = set()
    methods: dict[tuple[str, PathMatch], set[str]] = {}
    for call in seen:
        if call.path:
            methods.setdefault((call.caller, _shape(call.path)), set()).add(call.method)
        else:
            connecting.add(call.caller)
    paths: dict[tuple[str, tuple[str, ...]], list[PathMatch]] = {}
    for (caller, path), used in methods.items():
        paths.setdefault((caller, tuple(sorted(used))), []).append(path)
    callers: dict[tuple[tuple[str, ...], tuple[PathMatch, ...]], list[str]] = {}
    for (caller, used_), found in paths.items():
        callers.setdefault((used_, tuple(sorted(_grouped(found), key=str))), []).append(caller)
    rules = [Rule(tuple(sorted(who)), used_, found_) for (used_, found_), who in callers.items()]
    if connecting:
        rules.append(Rule(tuple(sorted(connecting))))
    return tuple(sorted(rules, key=lambda rule: (rule.callers, rule.methods, [str(path) for path in rule.paths])))


def _shape(path: str) -> PathMatch:
    """The path with what is obviously a name of something left open: `/orders/7` is `~/orders/[0-9]+$`."""
    raw = path.encode("latin-1")
    named = [_name(segment) for segment in path.split("/")]
    if not any(named) or len(readings(raw)) > 1:
        return exactly(raw)
    segments = zip(path.split("/"), named, strict=True)
    return PathMatch(PathKind.REGEX, "/".join(name or _escaped(segment) for segment, name in segments) + "$")


def _name(segment: str) -> str:
    return next((pattern for looks, pattern in _NAMES if looks.fullmatch(segment)), "")


def _grouped(paths: list[PathMatch]) -> list[PathMatch]:
    """With one for many that differ in their last segment alone."""
    siblings: dict[str, list[PathMatch]] = {}
    for path in paths:
        usual = path.kind is PathKind.EXACT and len(readings(path.value.encode())) == 1
        if usual and (parent := path.value.rpartition("/")[0]):
            siblings.setdefault(parent, []).append(path)
    many = {parent: found for parent, found in siblings.items() if len(found) > MOST_SIBLINGS}
    left = {*paths}.difference(*many.values())
    return [*left, *(PathMatch(PathKind.REGEX, f"{_escaped(parent)}/[^/]+$") for parent in many)]


def _literally(path: bytes) -> str:
    """As a regular expression over bytes."""
    return "".join(_escaped(chr(byte)) if 0x20 < byte < 0x7F else f"\\x{byte:02x}" for byte in path)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)
