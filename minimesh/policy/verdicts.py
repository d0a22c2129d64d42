"""Why each rule of a service fits a call, or does not: the same that authorization.py decides, told in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minimesh.model.authorization import ClaimMatch, Effect, HeaderMatch, Hours, Rule, Rules
from minimesh.model.route import PathKind, PathMatch
from minimesh.policy.authorization import Call, Within, claimed, conditions_of
from minimesh.policy.reading import readings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says to a call. `why`: the first thing that does not fit, or all that does."""

    rule: Rule
    effect: Effect
    fits: bool
    why: str


def verdicts(rules: Rules, call: Call) -> list[Verdict]:
    """Of every rule, those under audit too, in the order in which they are asked."""
    return [
        *(_verdict(rule, Effect.DENY, call) for rule in rules.deny),
        *(_verdict(rule, Effect.ALLOW, call) for rule in rules.allow),
    ]


def _verdict(rule: Rule, effect: Effect, call: Call) -> Verdict:
    told = _Told(rule, call)
    fit: list[str] = []
    for key, fits in conditions_of(rule, every=effect is Effect.ALLOW):
        why = told.about(key, fits(call))
        if not fits(call):
            return Verdict(rule, effect, False, why)
        fit.append(why)
    return Verdict(rule, effect, True, ", ".join(fit) or "it fits every call")


class _Told:
    """What a rule asks of a call, in the order of its conditions."""

    def __init__(self, rule: Rule, call: Call) -> None:
        self._rule = rule
        self._call = call
        self._headers: Iterator[HeaderMatch] = iter(rule.headers)
        self._claims: Iterator[ClaimMatch] = iter(rule.claims)

    def about(self, key: str, fits: bool) -> str:
        rule, call = self._rule, self._call
        match key:
            case "from":
                return f"{call.caller} calls" if fits else f"{call.caller} is not {_or(rule.callers)}"
            case "attested":
                return "the caller is attested" if call.attested else "the caller is not attested"
            case "methods":
                method = call.method.decode("latin-1")
                return f"it is a {method}" if fits else f"{method} is not {_or(rule.methods)}"
            case "hours":
                assert rule.hours is not None
                return _hours(rule.hours, call.now, fits)
            case "paths":
                return _paths(rule.paths, call.path, fits)
            case "header":
                return _header(next(self._headers), call, fits)
            case _:
                return _claim(next(self._claims), call, fits)


def _hours(hours: Hours, now: float, fits: bool) -> str:
    there = Within(hours).local(now)
    return f"it is {there:%H:%M} {hours.timezone}, {'within' if fits else 'not within'} {str(hours).partition(' ')[0]}"


def _paths(paths: Sequence[PathMatch], path: bytes, fits: bool) -> str:
    exact, *other = readings(path)
    shown, wanted = exact.decode("latin-1"), _or([_path(each) for each in paths])
    read = f", which may be read as {other[0].decode('latin-1')}," if other and other[0] != exact else ""
    return f"the path {shown}{read} {'is' if fits else 'is not'} {wanted}"


def _path(path: PathMatch) -> str:
    if path.kind is PathKind.PREFIX:
        return f"{path.value or '/'} or below" if path.value else "below /"
    return path.value if path.kind is PathKind.EXACT else f"of the form {path.value}"


def _header(header: HeaderMatch, call: Call, fits: bool) -> str:
    sent = [value.decode("latin-1") for name, value in call.fields.pairs if name == header.name.encode()]
    if not sent:
        return f"there is no header {header.name}"
    wanted = _or([*header.values, *(f"of the form {each}" for each in header.patterns)])
    return f"the header {header.name} is {' and '.join(sent)}{'' if fits else f', not {wanted}'}"


def _claim(claim: ClaimMatch, call: Call, fits: bool) -> str:
    said = claimed(call.claims, claim.path)
    if not said:
        return f"there is no claim {claim.name}"
    shown = " and ".join(map(str, said))
    return f"the claim {claim.name} is {shown}{'' if fits else f', not {_or([*map(str, claim.values)])}'}"


def _or(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
