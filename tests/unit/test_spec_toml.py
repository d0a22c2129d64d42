"""Values as TOML writes them are those values again."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from minimesh.spec import toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_is_that_value(value: object) -> None:
    assert tomllib.loads(f"x = {toml.value(value)}") == {"x": value}


@given(TEXTS, TEXTS)
def test_a_key_is_that_key(above: str, name: str) -> None:
    assert tomllib.loads(f"{toml.key((above, name))} = 1") == {above: {name: 1}}


def test_what_no_toml_can_hold_is_replaced() -> None:
    assert tomllib.loads(f"x = {toml.string(chr(0xDCFF))}") == {"x": "\ufffd"}
