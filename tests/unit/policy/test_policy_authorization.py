"""Who may call a service: the rules by tables, their order, what is tried, and that what is told is what is decided."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.authorization import Authorization, ClaimMatch, Effect, HeaderMatch, Hours, Rule, Rules
from minimesh.model.route import PathKind, PathMatch
from minimesh.policy.authorization import Call, Decision, NoFields, Policy, claimed, conditions_of
from minimesh.policy.verdicts import verdicts

OPEN, CLOSED = Authorization.OPEN, Authorization.CLOSED
ZURICH = "Europe/Zurich"


def path(text: str) -> PathMatch:
    if text.startswith("~"):
        return PathMatch(PathKind.REGEX, text[1:])
    return PathMatch(PathKind.PREFIX if text.endswith("/*") else PathKind.EXACT, text.removesuffix("/*"))


def rule(
    *callers: str,
    methods: tuple[str, ...] = (),
    paths: tuple[str, ...] = (),
    attested: bool | None = None,
    hours: Hours | None = None,
    audit: bool = False,
) -> Rule:
    return Rule(callers, methods, tuple(map(path, paths)), attested=attested, hours=hours, audit=audit)


def call(
    caller: str = "web",
    method: str = "GET",
    at: str = "/orders/1",
    *,
    attested: bool = True,
    now: float = 0.0,
    headers: Mapping[str, str | tuple[str, ...]] | None = None,
    claims: Mapping[str, object] | None = None,
) -> Call:
    pairs = [
        (name.encode(), value.encode())
        for name, values in (headers or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return Call(caller, attested, now, method.encode(), at.encode(), NoFields(pairs), claims or {})


def fits(asked: Rule, called: Call, effect: Effect = Effect.ALLOW) -> bool:
    return all(each(called) for _, each in conditions_of(asked, every=effect is Effect.ALLOW))


def allowed(rules: Rules, called: Call, mode: Authorization = OPEN) -> bool:
    return Policy(rules, mode).in_force.decide(called).allowed


# --- what decides --------------------------------------------------------------------------------------------------


def test_open_until_the_first_allow_and_closed_from_then_on() -> None:
    assert allowed(Rules(), call())
    assert not allowed(Rules(), call(), CLOSED)
    assert not allowed(Rules((rule("batch"),)), call())
    assert allowed(Rules((rule("web"),)), call())
    assert allowed(Rules((rule("web"),)), call(), CLOSED)
    assert allowed(Rules((rule(),)), call(), CLOSED), "a rule that asks for nothing"


def test_deny_beats_allow_and_a_deny_alone_closes_nothing() -> None:
    deny = (rule(paths=("/admin/*",)),)
    assert allowed(Rules(deny=deny), call(at="/orders/1"))
    assert not allowed(Rules(deny=deny), call(at="/admin/x"))
    assert not allowed(Rules((rule("web"),), deny), call(at="/admin/x"))


def test_the_decision_names_its_rule_the_first_that_fits() -> None:
    first, second, third = rule("web", methods=("GET",)), rule("web"), rule(paths=("/admin/*",))
    policy = Policy(Rules((first, second), (third,)), OPEN)
    assert policy.in_force.decide(call()) == Decision(True, first)
    assert policy.in_force.decide(call(method="PUT")) == Decision(True, second)
    assert policy.in_force.decide(call(at="/admin/")) == Decision(False, third)
    assert policy.in_force.decide(call("batch")) == Decision(False, None)


@pytest.mark.parametrize(
    ("rules", "mode", "caller", "settled"),
    [
        (Rules(), OPEN, None, True),
        (Rules(), CLOSED, None, False),
        (Rules((rule("web"),)), OPEN, "web", True),
        (Rules((rule("web"),)), OPEN, "batch", False),
        (Rules((rule("web"),)), OPEN, None, None),
        (Rules((rule("web", methods=("GET",)), rule("batch"))), OPEN, "batch", True),
        (Rules((rule("web", methods=("GET",)),)), OPEN, "web", None),
        (Rules(deny=(rule("web"),)), OPEN, "web", False),
        (Rules(deny=(rule("web"),)), OPEN, "batch", True),
        (Rules((rule("web"),), (rule(paths=("/a",)),)), OPEN, "web", None),
    ],
)
def test_what_hangs_on_the_caller_alone_is_settled_once(
    rules: Rules, mode: Authorization, caller: str | None, settled: bool | None
) -> None:
    found = Policy(rules, mode, caller).in_force.settled
    assert (None if found is None else found.allowed) is settled


# --- what a rule fits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "asked", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b", False),
        ("/a/*", "/a", True),
        ("/a/*", "/a/", True),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/ab", False),
        ("/*", "/", True),
        ("/*", "/x", True),
        ("~/v[0-9]+/", "/v12/x", True),
        ("~/v[0-9]+/", "/x/v12/", False),
        ("/shop.Orders/*", "/shop.Orders/List", True),
        ("/shop.Orders/List", "/shop.Orders/Delete", False),
    ],
)
def test_paths(wanted: str, asked: str, expected: bool) -> None:
    for effect in Effect:
        assert fits(rule(paths=(wanted,)), call(at=asked), effect) is expected


# Canonical already: what the mesh leaves as it is, and services read in ways of their own.
TRICKS = (
    "/admin%2Fx",
    "/%2Fadmin/x",
    "/orders%2F..%2Fadmin/x",
    "/orders/..%2Fadmin/x",
    "/orders%5C..%5Cadmin%5Cx",
    "/%5Cadmin%5Cx",
    "/orders/%252e%252e/admin/x",
    "/orders/%252E%252E%252Fadmin%252Fx",
    "/admin;a=b/x",
    "/orders/..;/admin/x",
    "/;/admin/x",
    "/%2561dmin/x",
    "\\admin\\x",
    "/admin%2F",
)


@pytest.mark.parametrize("trick", TRICKS)
def test_a_deny_fits_whatever_a_service_may_read_a_path_as(trick: str) -> None:
    deny = rule(paths=("/admin/*",))
    assert fits(deny, call(at=trick), Effect.DENY)
    assert not allowed(Rules((rule(),), (deny,)), call(at=trick))


@pytest.mark.parametrize("trick", TRICKS)
def test_an_allow_fits_only_what_every_reading_of_a_path_is(trick: str) -> None:
    allow = Rules((rule(paths=("/orders/*",)),))
    assert not allowed(allow, call(at=trick))


@pytest.mark.parametrize(
    ("wanted", "asked", "effect", "expected"),
    [
        ("/projects/a%2Fb", "/projects/a%2Fb", Effect.ALLOW, True),
        ("/projects/*", "/projects/a%2Fb", Effect.ALLOW, True),
        ("/projects/a%2Fb", "/projects/a/b", Effect.ALLOW, False),
        ("/projects/a/b", "/projects/a%2Fb", Effect.ALLOW, False),
        ("/caf%C3%A9", "/caf%C3%A9", Effect.ALLOW, True),
        ("/caf%C3%A9/*", "/caf%C3%A9/1", Effect.DENY, True),
        ("/a;v=1", "/a;v=1", Effect.ALLOW, True),
        ("/a/", "/a/", Effect.ALLOW, True),
        ("/a", "/a/", Effect.ALLOW, False),
        ("/a", "/a/", Effect.DENY, True),
        ("/", "/", Effect.DENY, True),
    ],
)
def test_what_is_unusual_in_a_rule_itself(wanted: str, asked: str, effect: Effect, expected: bool) -> None:
    assert fits(rule(paths=(wanted,)), call(at=asked), effect) is expected


@pytest.mark.parametrize(
    ("header", "sent", "allow", "deny"),
    [
        (HeaderMatch("x-a", ("1", "2")), {"x-a": "1"}, True, True),
        (HeaderMatch("x-a", ("1",)), {"x-a": "2"}, False, False),
        (HeaderMatch("x-a", ("1",)), {}, False, False),
        (HeaderMatch("x-a", ("1",)), {"x-a": ("1", "2")}, False, True),
        (HeaderMatch("x-a", (), ("v[0-9]",)), {"x-a": "v2-beta"}, True, True),
        (HeaderMatch("x-a", (), ("v[0-9]$",)), {"x-a": "v2-beta"}, False, False),
    ],
)
def test_headers(header: HeaderMatch, sent: Mapping[str, str], allow: bool, deny: bool) -> None:
    asked = Rule(headers=(header,))
    assert fits(asked, call(headers=sent), Effect.ALLOW) is allow
    assert fits(asked, call(headers=sent), Effect.DENY) is deny


@pytest.mark.parametrize(
    ("claim", "claims", "expected"),
    [
        (ClaimMatch(("plan",), ("paid", "trial")), {"plan": "trial"}, True),
        (ClaimMatch(("plan",), ("paid",)), {"plan": "free"}, False),
        (ClaimMatch(("plan",), ("paid",)), {}, False),
        (ClaimMatch(("roles",), ("admin",)), {"roles": ["user", "admin"]}, True),
        (ClaimMatch(("realm", "roles"), ("admin",)), {"realm": {"roles": ["admin"]}}, True),
        (ClaimMatch(("realm", "roles"), ("admin",)), {"realm": "roles"}, False),
        (ClaimMatch(("scope",), ("write",)), {"scope": "read write"}, True),
        (ClaimMatch(("name",), ("write",)), {"name": "read write"}, False),
        (ClaimMatch(("admin",), (True,)), {"admin": True}, True),
        (ClaimMatch(("admin",), (True,)), {"admin": 1}, False),
        (ClaimMatch(("level",), (1,)), {"level": True}, False),
        (ClaimMatch(("level",), (2,)), {"level": 2.0}, True),
        (ClaimMatch(("plan",), ("None",)), {"plan": None}, False),
    ],
)
def test_claims(claim: ClaimMatch, claims: Mapping[str, object], expected: bool) -> None:
    assert fits(Rule(claims=(claim,)), call(claims=claims)) is expected
    assert claimed({}, ("a", "b")) == []


@pytest.mark.parametrize(
    ("hours", "local", "expected"),
    [
        (Hours(8 * 60, 20 * 60, ZURICH), "2026-07-01T08:00", True),
        (Hours(8 * 60, 20 * 60, ZURICH), "2026-07-01T07:59", False),
        (Hours(8 * 60, 20 * 60, ZURICH), "2026-07-01T19:59", True),
        (Hours(8 * 60, 20 * 60, ZURICH), "2026-07-01T20:00", False),
        (Hours(22 * 60, 6 * 60, ZURICH), "2026-07-01T23:30", True),
        (Hours(22 * 60, 6 * 60, ZURICH), "2026-07-01T00:00", True),
        (Hours(22 * 60, 6 * 60, ZURICH), "2026-07-01T05:59", True),
        (Hours(22 * 60, 6 * 60, ZURICH), "2026-07-01T06:00", False),
        (Hours(22 * 60, 6 * 60, ZURICH), "2026-07-01T12:00", False),
        (Hours(0, 24 * 60, ZURICH), "2026-07-01T23:59", True),
        # The clock is put forward at 02:00 and back at 03:00.
        (Hours(2 * 60, 3 * 60, ZURICH), "2026-03-29T03:00", False),
        (Hours(2 * 60, 3 * 60, ZURICH), "2026-10-25T02:30", True),
        (Hours(8 * 60, 20 * 60, "Asia/Kathmandu"), "2026-01-01T08:00", True),
    ],
)
def test_hours(hours: Hours, local: str, expected: bool) -> None:
    there = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(hours.timezone))
    for fold in (0, 1):
        now = there.replace(fold=fold).timestamp()
        assert fits(rule(hours=hours), call(now=now)) is expected


def test_hours_follow_the_clock_wherever_it_goes() -> None:
    ((_, within),) = conditions_of(rule(hours=Hours(60, 120)), every=True)
    assert [within(call(now=now)) for now in (3599.0, 3600.0, 7199.9, 7200.0, 3600.0, 0.0)] == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]


def test_attested() -> None:
    assert fits(rule(attested=True), call(attested=True))
    assert not fits(rule(attested=True), call(attested=False))
    assert fits(rule(attested=False), call(attested=False))


# --- what is tried -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "called", "allowed_now", "tried"),
    [
        (Rules(deny=(rule("web", audit=True),)), call(), True, False),
        (Rules(deny=(rule("web", audit=True),)), call("batch"), True, None),
        (Rules((rule("web", audit=True),)), call("batch"), True, False),
        (Rules((rule("web", audit=True),)), call("web"), True, None),
        (Rules((rule("web"), rule("batch", audit=True))), call("batch"), False, True),
        (Rules((rule("web"), rule("batch", audit=True))), call("web"), True, None),
        (Rules((rule("web"),), (rule("web", audit=True),)), call("web"), True, False),
    ],
)
def test_rules_under_audit_decide_nothing_and_say_what_they_would(
    rules: Rules, called: Call, allowed_now: bool, tried: bool | None
) -> None:
    policy = Policy(rules, OPEN)
    decided = policy.in_force.decide(called)
    would = policy.would(called, decided)
    assert decided.allowed is allowed_now
    assert (None if would is None else would.allowed) is tried


def test_without_rules_under_audit_nothing_is_tried() -> None:
    assert Policy(Rules((rule("web"),)), OPEN).trial is None
    assert Policy(Rules(), OPEN).idle
    assert not Policy(Rules(deny=(rule("web", audit=True),)), OPEN).idle


# --- what is told --------------------------------------------------------------------------------------------------

OF_A = Rule(headers=(HeaderMatch("x-a", ("1",), ("2",)),))
PAID = Rule(claims=(ClaimMatch(("plan",), ("paid",)),))
NAMES = st.sampled_from(["web", "batch", "gateway"])
PATHS = st.sampled_from(["/", "/a", "/a/*", "/*", "~^/[ab]", "/a%2Fb", "/a/b"])
ASKED = st.sampled_from(["/", "/a", "/a/", "/a/b", "/a%2Fb", "/a;x/b", "/b/..%2Fa", "/c"])
RULES = st.builds(
    Rule,
    st.lists(NAMES, max_size=2).map(tuple),
    st.lists(st.sampled_from(["GET", "POST"]), max_size=1).map(tuple),
    st.lists(PATHS.map(path), max_size=2).map(tuple),
    st.lists(st.just(HeaderMatch("x-a", ("1",))), max_size=1).map(tuple),
    st.lists(st.just(ClaimMatch(("plan",), ("paid",))), max_size=1).map(tuple),
    st.sampled_from([None, None, True, False]),
    st.sampled_from([None, None, Hours(0, 60), Hours(60, 30)]),
    st.booleans(),
)
CALLS = st.builds(
    call,
    NAMES,
    st.sampled_from(["GET", "POST", "PUT"]),
    ASKED,
    attested=st.booleans(),
    now=st.sampled_from([0.0, 2_000.0, 4_000.0]),
    headers=st.sampled_from([{}, {"x-a": "1"}, {"x-a": ("1", "2")}]),
    claims=st.sampled_from([{}, {"plan": "paid"}, {"plan": "free"}]),
)
SEVERAL = st.lists(RULES, max_size=3).map(tuple)


@given(SEVERAL, SEVERAL, CALLS, st.sampled_from(Authorization))
def test_what_is_told_is_what_is_decided(
    allow: tuple[Rule, ...], deny: tuple[Rule, ...], called: Call, mode: Authorization
) -> None:
    rules = Rules(allow, deny)
    told = verdicts(rules, called)
    first = next((each for each in told if each.fits and not each.rule.audit), None)
    by_default = mode is OPEN and all(each.audit for each in allow)
    expected = Decision(by_default) if first is None else Decision(first.effect is Effect.ALLOW, first.rule)
    assert Policy(rules, mode).in_force.decide(called) == expected
    assert all(each.why for each in told)


@given(SEVERAL, SEVERAL, CALLS, st.sampled_from(Authorization))
def test_who_is_known_beforehand_changes_nothing(
    allow: tuple[Rule, ...], deny: tuple[Rule, ...], called: Call, mode: Authorization
) -> None:
    whole, his = Policy(Rules(allow, deny), mode), Policy(Rules(allow, deny), mode, called.caller)
    decided = whole.in_force.decide(called)
    assert his.in_force.decide(called) == decided
    assert his.in_force.settled in (None, decided)
    assert his.would(called, decided) == whole.would(called, decided)


@pytest.mark.parametrize(
    ("asked", "called", "why"),
    [
        (rule(), call(), "it fits every call"),
        (rule("web", methods=("GET",)), call(), "web calls, it is a GET"),
        (rule("api", "batch"), call(), "web is not api or batch"),
        (rule(methods=("POST",)), call(), "GET is not POST"),
        (rule(paths=("/a", "/b/*")), call(), "the path /orders/1 is not /a or /b or below"),
        (rule(paths=("/*",)), call(), "the path /orders/1 is below /"),
        (
            rule(paths=("/orders/*",)),
            call(at="/orders/..%2Fadmin"),
            "the path /orders/..%2Fadmin, which may be read as /admin, is not /orders or below",
        ),
        (rule(hours=Hours(60, 120)), call(), "it is 00:00 UTC, not within 01:00-02:00"),
        (rule(attested=True), call(attested=False), "the caller is not attested"),
        (OF_A, call(headers={"x-a": "3"}), "the header x-a is 3, not 1 or of the form 2"),
        (OF_A, call(), "there is no header x-a"),
        (PAID, call(), "there is no claim plan"),
        (PAID, call(claims={"plan": "free"}), "the claim plan is free, not paid"),
    ],
)
def test_in_words(asked: Rule, called: Call, why: str) -> None:
    (told,) = verdicts(Rules((asked,)), called)
    assert told.why == why
