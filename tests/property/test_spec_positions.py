"""The position scanner agrees with tomllib on what a document holds, and finds each value where it stands."""

import string
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.spec.positions import KeyPath, Positions

tomli_w = pytest.importorskip("tomli_w")

NAMES = st.text(min_size=1, max_size=6) | st.text(string.ascii_lowercase + "-_0", min_size=1, max_size=6)
TEXTS = st.text(max_size=12).filter(lambda text: "\r" not in text)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.datetimes()
    | st.dates()
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(NAMES.filter(lambda name: "\r" not in name), VALUES, max_size=5)


def walk(value: object, path: KeyPath = ()) -> dict[KeyPath, object]:
    """Every value of a document by its path."""
    children: dict[KeyPath, object] = {}
    if isinstance(value, dict):
        children = {(*path, name): item for name, item in value.items()}
    elif isinstance(value, list):
        children = {(*path, index): item for index, item in enumerate(value)}
    found = dict(children)
    for at, item in children.items():
        found |= walk(item, at)
    return found


def check(text: str) -> None:
    data = tomllib.loads(text)
    positions = Positions(text)
    for path, value in walk(data).items():
        assert path in positions
        raw = positions.raw(positions.value(path))
        key = positions.raw(positions.key(path))
        if isinstance(path[-1], str):
            assert tomllib.loads(f"{key} = 0") == {path[-1]: 0}
        if not isinstance(value, dict | list) or (raw[0] in "[{" and raw[:2] != "[[" and not is_header(raw)):
            assert repr(tomllib.loads(f"v = {raw}")["v"]) == repr(value)
    assert set(positions) == set(walk(data))


def is_header(raw: str) -> bool:
    """Whether a bracketed text is a [table] line rather than a list."""
    try:
        tomllib.loads(f"v = {raw}")
    except tomllib.TOMLDecodeError:
        return True
    try:
        tomllib.loads(raw)
    except tomllib.TOMLDecodeError:
        return False
    return True


@given(DOCUMENTS, st.booleans())
def test_generated_documents(document: dict[str, object], multiline: bool) -> None:
    check(tomli_w.dumps(document, multiline_strings=multiline).replace("\r", ""))


BY_HAND = {
    "comments": "# a\na = 1 # b = 2\n  # c\nb = [ # x ]\n 1, # y\n 2 ]\n",
    "strings": 'a = "x # ] \\" y"\nb = \'c:\\d # \'\nc = """\nq "" \\""" e"""\nd = \'\'\'\nf \'\' g\'\'\'\ne = ""\n',
    "quotes at the end": 'a = """"x"""""\nb = \'\'\'\'\'x\'\'\'\'\'\nc = """"""\nd = 1\n',
    "dotted": "a.b.c = 1\na . b . d = 2\n'x y'.\"z.w\" = { 'k' = 1, m.n = [ { o = 2 } ] }\n",
    "escapes in keys": '"a\\u00e9\\"" = 1\n["t\\"]x".y]\nz = 1\n',
    "tables": "[a.b]\nc = 1\n[a]\nd = 2\n[ x . y ] # z\n[e]\n",
    "arrays of tables": "[[a]]\nb = 1\n[[a.c]]\nd = 1\n[[a.c]]\nd = 2\n[a.c.e]\nf = 3\n[[a]]\n[[a.c]]\n[[ g.h ]]\n",
    "nested lists": "a = [[1, [2]], [], [ { b = [3] }, {} ],\n]\n",
    "dates": "a = 1979-05-27 07:32:00\nb = 1979-05-27\nc = [1979-05-27 07:32:00.5Z, 07:32:00]\n",
    "numbers": "a = +1_000\nb = 0xff\nc = -inf\nd = 1e6\ne = [1,2]\nf = { x = 1,y=2 }\n",
    "empty": "",
    "no end of line": "a = 1",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_documents_by_hand(name: str) -> None:
    check(BY_HAND[name])


def test_lines_and_columns_count_from_one_and_in_characters() -> None:
    positions = Positions('a = 1\n\n  "ü" = [\n  7,\n]\n')
    assert positions.line_and_column(positions.key(("ü",)).start) == (3, 3)
    assert positions.line_and_column(positions.value(("ü", 0)).start) == (4, 3)
    assert positions.width(positions.value(("ü",))) == 1  # of the first line
    assert positions.line_and_column(positions.value(("a",)).start) == (1, 5)


def test_a_table_stands_at_its_own_header() -> None:
    positions = Positions("[a.b]\nx = 1\n[a]\ny = 2\n[[c]]\n[[c]]\n")
    assert positions.line_and_column(positions.key(("a",)).start) == (3, 2)
    assert positions.line_and_column(positions.key(("a", "b")).start) == (1, 4)
    assert positions.raw(positions.value(("c", 1))) == "[[c]]"
    assert positions.line_and_column(positions.value(("c", 1)).start) == (6, 1)
