"""Names in a line."""

import pytest

from minimesh.model.several import several


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (0, ""),
        (1, "s0"),
        (2, "s0, s1"),
        (3, "s0, s1, s2"),
        (4, "s0, s1 and 2 more"),
        (1000, "s0, s1 and 998 more"),
    ],
)
def test_a_few_are_named_and_the_others_counted(count: int, line: str) -> None:
    assert several([f"s{number}" for number in range(count)], 2) == line
