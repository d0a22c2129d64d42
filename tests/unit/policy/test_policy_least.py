"""The smallest list that allows what was seen: it allows all of it, and nothing of anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.authorization import Authorization, Rules
from minimesh.policy.authorization import Call, Policy
from minimesh.policy.least import MOST_SIBLINGS, Seen, exactly, least, rule_for
from minimesh.spec.paths import path_match

SEGMENT = st.one_of(
    st.sampled_from(["orders", "admin", "7", "42", "a%2Fb", "x;v=1", "caf%C3%A9", "a*b", "a\\b", "a\\%C3", "{x}"]),
    st.uuids().map(str),
    st.text("abcdef0123456789", min_size=12, max_size=20),
)
PATHS = st.one_of(
    st.lists(SEGMENT, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    st.lists(SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts) + "/"),
)
SEEN = st.one_of(
    st.builds(Seen, st.sampled_from(["web", "batch"])),
    st.builds(Seen, st.sampled_from(["web", "batch", "gateway"]), st.sampled_from(["GET", "POST"]), PATHS),
)


def allows(seen: list[Seen], call: Seen) -> bool:
    policy = Policy(Rules(least(seen)), Authorization.CLOSED)
    asked = Call(call.caller, False, 0.0, call.method.encode(), call.path.encode("latin-1"))
    return policy.in_force.decide(asked).allowed


@given(st.lists(SEEN, min_size=1, max_size=30))
def test_what_was_seen_is_allowed(seen: list[Seen]) -> None:
    assert all(allows(seen, call) for call in seen)
    assert not any(allows(seen, Seen("stranger", call.method, call.path)) for call in seen)
    requests = [call for call in seen if call.path]
    if len(requests) == len(seen):
        assert not any(allows(seen, Seen(call.caller, "DELETE", call.path)) for call in requests)
        assert not allows(seen, Seen("web", "GET", "/somewhere/else/entirely/and/deep"))


@given(st.lists(SEEN, min_size=1, max_size=30))
def test_its_rules_can_be_written_down(seen: list[Seen]) -> None:
    for rule in least(seen):
        for path in rule.paths:
            assert path_match(path.plain) == path


@given(PATHS)
def test_a_rule_for_one_call_fits_it(path: str) -> None:
    call = Call("web", False, 0.0, b"GET", path.encode("latin-1"))
    assert Policy(Rules((rule_for(call),)), Authorization.CLOSED).in_force.decide(call).allowed
    assert path_match(exactly(call.path).plain) == exactly(call.path)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], []),
        ([Seen("web"), Seen("batch")], ['{ from = ["batch", "web"] }']),
        (
            [Seen("web", "GET", "/orders/7"), Seen("web", "GET", "/orders/8"), Seen("web", "GET", "/orders")],
            ['{ from = ["web"], methods = ["GET"], paths = ["/orders", "~/orders/[0-9]+$"] }'],
        ),
        (
            [
                Seen("web", "GET", "/a"),
                Seen("web", "POST", "/a"),
                Seen("batch", "GET", "/a"),
                Seen("batch", "POST", "/a"),
            ],
            ['{ from = ["batch", "web"], methods = ["GET", "POST"], paths = ["/a"] }'],
        ),
        (
            [Seen("web", "GET", "/a"), Seen("web", "POST", "/b")],
            [
                '{ from = ["web"], methods = ["GET"], paths = ["/a"] }',
                '{ from = ["web"], methods = ["POST"], paths = ["/b"] }',
            ],
        ),
        (
            [Seen("web", "GET", "/users/3f2504e0-4f89-41d3-9a0c-0305e82c3301/cart.json")],
            ['{ from = ["web"], methods = ["GET"], paths = ["~/users/[0-9a-fA-F-]{36}/cart\\\\.json$"] }'],
        ),
        (
            [Seen("web", "POST", "/shop.Orders/List")],
            ['{ from = ["web"], methods = ["POST"], paths = ["/shop.Orders/List"] }'],
        ),
        (
            [Seen("web", "GET", f"/assets/{name}.js") for name in "abcdefghi"],
            ['{ from = ["web"], methods = ["GET"], paths = ["~/assets/[^/]+$"] }'],
        ),
    ],
)
def test_it_is_small(seen: list[Seen], expected: list[str]) -> None:
    assert [str(rule) for rule in least(seen)] == expected
    assert MOST_SIBLINGS == 8
