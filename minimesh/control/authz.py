"""Who may call whom and by which line, told from the file alone; and what the traffic that there was needs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from minimesh.control.authzviews import AuthorizationView, RuleVerdictView, SuggestionView
from minimesh.control.layout import takes_calls
from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.paths import canonical, without_prefix
from minimesh.model.authorization import Rules
from minimesh.model.project import GATEWAY, Project
from minimesh.model.reason import DENIED, REASONS, Fault
from minimesh.model.record import Record
from minimesh.model.service import Service
from minimesh.policy.authorization import Call, Decision, NoFields, Policy
from minimesh.policy.least import Seen, least, rule_for
from minimesh.policy.verdicts import Verdict, verdicts
from minimesh.telemetry.accesslog import timestamp

_OF_BYTES = ("tcp", "udp")


class Asked(NamedTuple):
    """A call that is thought of. target: with or without a query; "": a connection. now: wall seconds."""

    caller: str
    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    claims: Mapping[str, object]
    attested: bool
    now: float


class UnusablePathError(Exception):
    """No request with this path gets as far as to the rules."""


def explained(project: Project, service: Service, asked: Asked) -> AuthorizationView:
    """Raises UnusablePathError."""
    call = _call(asked)
    policy = Policy(service.rules, project.authorization)
    decision = policy.in_force.decide(call)
    told = verdicts(service.rules, call)
    decided = next((each for each in told if each.rule is decision.rule), None)
    would = policy.would(call, decision)
    return {
        "caller": asked.caller,
        "service": service.name,
        "method": asked.method or None,
        "path": call.path.decode("latin-1") or None,
        "allowed": decision.allowed,
        "decided": _verdict_view(decided) if decided else None,
        "because": decided.why if decided else _by_default(project, service, decision),
        "where": str(decided.rule.where if decided else service.rules.where if service.rules.allow else service.where),
        "add": None if decision.allowed or decided else str(rule_for(call)),
        "would": None if would is None else "allow" if would.allowed else "refuse",
        "has_way": _has_way(project, asked.caller, service),
        "considered": [_verdict_view(each) for each in told],
    }


def _call(asked: Asked) -> Call:
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in asked.headers)
    try:
        path = canonical(asked.target.encode()).partition(b"?")[0]
    except Malformed as error:
        raise UnusablePathError(f"{asked.target}: {error.detail}") from None
    return Call(
        asked.caller, asked.attested, asked.now, asked.method.encode(), path, NoFields(pairs), dict(asked.claims)
    )


def _by_default(project: Project, service: Service, decision: Decision) -> str:
    if any(not rule.audit for rule in service.rules.allow):
        return f"no rule in `allow` of {service.name} fits, and whom none fits may not call"
    if decision.allowed:
        return f"{service.name} has no `allow`, and authorization is {project.authorization}"
    return f"authorization is {project.authorization}, and {service.name} has no `allow`"


def _has_way(project: Project, caller: str, service: Service) -> bool:
    """Whether it is given an address. Who lives elsewhere may come by a certificate, and the gateway has names."""
    member = project.services.get(caller) or project.tasks.get(caller)
    return caller == GATEWAY or member is None or member.process is None or service.name in member.callees


def _verdict_view(verdict: Verdict) -> RuleVerdictView:
    return {
        "effect": "allow" if verdict.effect.value == "allow" else "deny",
        "rule": str(verdict.rule),
        "where": str(verdict.rule.where),
        "audit": verdict.rule.audit,
        "fits": verdict.fits,
        "why": verdict.why,
    }


# --- what there was ------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """services: only these; none: all that were called. since: wall seconds. denied: what rules refused too."""

    services: Sequence[str] = ()
    since: float | None = None
    denied: bool = False


def suggested(project: Project, records: Iterable[Record], wall_offset: float, wanted: Wanted) -> list[SuggestionView]:
    """In the order of the file. wall_offset: of the records' monotonic times."""
    called: dict[str, list[Record]] = {}
    for record in records:
        since = wanted.since
        if _was_needed(record, wanted.denied) and (since is None or record.started + wall_offset >= since):
            called.setdefault(record.destination, []).append(record)
    names = [name for name, service in project.services.items() if takes_calls(service)]
    return [
        _suggestion(project, name, called.get(name, []), wall_offset)
        for name in names
        if name in wanted.services or (not wanted.services and name in called)
    ]


def rules_for(project: Project, records: Iterable[Record]) -> Rules:
    """What allows the calls of these records, which are of one service."""
    return Rules(least(seen_in(project, record) for record in records))


def seen_in(project: Project, record: Record) -> Seen:
    if record.protocol in _OF_BYTES:
        return Seen(record.source)
    path = record.target.partition("?")[0].encode("latin-1")
    prefix = _prefix(project, record)
    if prefix:
        path = without_prefix(path, path, prefix.encode())
    return Seen(record.source, record.method, path.decode("latin-1"))


def _prefix(project: Project, record: Record) -> str:
    """What the route took off the path before the service was asked."""
    routes = project.gateway.routes if project.gateway and record.source == GATEWAY else ()
    return next((route.strip_prefix or "" for route in routes if (route.to, route.name) == _way(record)), "")


def _way(record: Record) -> tuple[str, str]:
    return record.destination, record.route


def _was_needed(record: Record, denied: bool) -> bool:
    """It was for a service, and nobody refused it for what it was. denied: but for who it was of."""
    reason = REASONS.get(record.reason)
    fine = reason is None or reason.fault is not Fault.CLIENT or (denied and reason is DENIED)
    return bool(record.destination) and fine


def _suggestion(project: Project, name: str, records: list[Record], wall_offset: float) -> SuggestionView:
    oldest = min((record.started for record in records), default=None)
    return {
        "service": name,
        "requests": len(records),
        "since": None if oldest is None else timestamp(oldest + wall_offset),
        "callers": sorted({record.source for record in records}),
        "allow": [str(rule) for rule in rules_for(project, records).allow],
    }
