"""The rules of a service where its calls arrive: a gate for requests, a guard for connections and datagrams."""

from collections.abc import Callable, Sequence

from minimesh.dataplane.gates import Asked, Gate, Guard, Refusal, Side
from minimesh.dataplane.paths import without_prefix
from minimesh.model import snapshot
from minimesh.model.caller import Caller
from minimesh.model.reason import DENIED
from minimesh.model.route import Route
from minimesh.policy.authorization import Call, Decision, Policy
from minimesh.policy.least import rule_for
from minimesh.policy.verdicts import verdicts
from minimesh.telemetry import Audits, CounterKey, Counters, RouteCounters

AUDITED = {True: "audit_allowed", False: "audit_denied"}
"""What rules under audit would have done, among the reasons in counters."""
_MOST_KNOWN = 1024
_LONGEST_TOLD = 200
# Where nobody else comes in but the one whose address it is.
_OF_ONE = (snapshot.ListenerKind.OUTBOUND, snapshot.ListenerKind.GATEWAY, snapshot.ListenerKind.PROXY)


class Authorizing:
    """Gatekeeper and guardian of `allow` and `deny`. wall: seconds since 1970."""

    side = Side.SERVICE

    def __init__(self, wall: Callable[[], float], counters: Counters, audits: Audits) -> None:
        self._wall = wall
        self._counters = counters
        self._audits = audits

    def gates(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Gate]:
        door = self._door(listener, upstream, route.name)
        return () if door is None else (_Gate(door, route, self._wall),)

    def guards(self, listener: snapshot.Listener, route: Route, upstream: snapshot.Upstream) -> Sequence[Guard]:
        door = self._door(listener, upstream, "udp" if listener.datagrams else "tcp")
        return () if door is None else (_Guard(door, self._wall),)

    def _door(self, listener: snapshot.Listener, upstream: snapshot.Upstream, counted: str) -> "_Door | None":
        source = listener.source.service
        caller = source if listener.kind in _OF_ONE else None
        policy = Policy(upstream.rules, upstream.authorization, caller)
        if policy.idle:
            return None
        counters = self._counters.of(CounterKey(source, upstream.identity.service, counted))
        return _Door(policy, upstream, counters, self._audits)


class _Door:
    """The rules of a service for those who come in one way."""

    def __init__(self, policy: Policy, upstream: snapshot.Upstream, counters: RouteCounters, audits: Audits) -> None:
        self.policy = policy
        self._upstream = upstream
        self._counters = counters
        self._audits = audits

    def audit(self, call: Call, decided: Decision) -> str:
        """For the record, where the rules under audit say something else."""
        would = self.policy.would(call, decided)
        if would is None:
            return ""
        where, code = self._where(would), AUDITED[would.allowed]
        self._counters.reasons[code] = self._counters.reasons.get(code, 0) + 1
        self._audits.note(call.caller, self._upstream.identity.service, would.allowed, where, _asked(call))
        return f"audit: {where} would {'allow' if would.allowed else 'refuse'} it"

    def refusal(self, call: Call, decided: Decision, caller: Caller) -> Refusal:
        name, rules = self._upstream.identity.service, self._upstream.rules
        # Where a rule asks for it, whose process it was is half of why.
        process = f" ({caller.who})" if rules.attested and caller.who and not caller.attested else ""
        if decided.rule is not None:
            why = next(each.why for each in verdicts(rules, call) if each.rule is decided.rule)
            return Refusal(DENIED, f"`deny` of {name}: {why}{process}", self._where(decided))
        if rules.allow:
            what = f"no rule in `allow` of {name} fits {_asked(call)} of {call.caller}{process}"
            help_ = f"in `allow` of [services.{name}]: {rule_for(call)}"
        else:
            what = f"authorization is closed, and {name} has no `allow`"
            help_ = f"[services.{name}] allow = [{rule_for(call)}]"
        return Refusal(DENIED, what, self._where(decided), help=help_)

    def _where(self, decision: Decision) -> str:
        """The line that decided; by default that of `allow`, else of the service that has none."""
        if decision.rule is not None:
            return str(decision.rule.where)
        upstream = self._upstream
        return str(upstream.rules.where if upstream.rules.allow else upstream.where)


class _Gate:
    """Where only caller, method and path matter, what was allowed is remembered."""

    def __init__(self, door: _Door, route: Route, wall: Callable[[], float]) -> None:
        self._door = door
        self._policy = door.policy
        self._prefix = route.strip_prefix.encode() if route.strip_prefix else b""
        self._wall = wall
        self._plain = door.policy.in_force.plain and door.policy.trial is None
        self._allowed: set[tuple[str, bytes, bytes]] = set()

    def ask(self, asked: Asked) -> Refusal | None:
        head, caller = asked.head, asked.caller
        key = (caller.identity.service, head.method, head.path)
        if key in self._allowed:
            return None
        path = without_prefix(head.path, head.path, self._prefix) if self._prefix else head.path
        call = Call(key[0], bool(caller.attested), self._wall(), head.method, path, head.fields, asked.claims)
        decided = self._policy.in_force.decide(call)
        if self._policy.trial is not None:
            asked.note = self._door.audit(call, decided)
        if not decided.allowed:
            return self._door.refusal(call, decided, caller)
        if self._plain:
            self._remember(key)
        return None

    def _remember(self, key: tuple[str, bytes, bytes]) -> None:
        if len(self._allowed) >= _MOST_KNOWN:
            self._allowed.clear()
        self._allowed.add(key)


class _Guard:
    def __init__(self, door: _Door, wall: Callable[[], float]) -> None:
        self._door = door
        self._wall = wall

    def refuses(self, caller: Caller) -> Refusal | None:
        call = Call(caller.identity.service, bool(caller.attested), self._wall())
        decided = self._door.policy.in_force.decide(call)
        self._door.audit(call, decided)
        return None if decided.allowed else self._door.refusal(call, decided, caller)


def _asked(call: Call) -> str:
    if not call.path:
        return "a connection"
    return f"{call.method.decode('latin-1')} {call.path.decode('latin-1')[:_LONGEST_TOLD]}"
