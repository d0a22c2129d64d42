"""A rule that is said to cover another one does: whatever fits the narrow one fits the wide one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.authorization import ClaimMatch, Effect, HeaderMatch, Rule
from minimesh.policy.authorization import Call, conditions_of
from minimesh.spec.unreachable import covers
from tests.unit.policy.test_policy_authorization import ASKED, CALLS, RULES, path

SOME_PATHS = st.lists(st.one_of(ASKED, st.sampled_from(["/*", "/a/*", "~^/a"])).map(path), max_size=2).map(tuple)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "callers": st.just(("web",)),
        "methods": st.just(("GET",)),
        "paths": SOME_PATHS,
        "headers": st.just((HeaderMatch("x-a", ("1",)),)),
        "claims": st.just((ClaimMatch(("plan",), ("paid",)),)),
        "attested": st.booleans(),
        "hours": st.none(),
    },
)
# Two that differ in little, so that one often covers the other.
PAIRS = st.builds(lambda rule, changes: (rule, replace(rule, **changes)), RULES, CHANGES)


def fits(rule: Rule, call: Call, effect: Effect) -> bool:
    return all(each(call) for _, each in conditions_of(rule, every=effect is Effect.ALLOW))


@given(PAIRS, st.lists(CALLS, min_size=1, max_size=20), st.sampled_from(Effect))
def test_what_fits_the_narrow_rule_fits_the_wide_one(
    pair: tuple[Rule, Rule], calls: list[Call], effect: Effect
) -> None:
    for wide, narrow in (pair, pair[::-1]):
        if covers(wide, narrow):
            assert all(fits(wide, call, effect) for call in calls if fits(narrow, call, effect))


@given(RULES)
def test_a_rule_covers_itself(rule: Rule) -> None:
    assert covers(rule, rule)
