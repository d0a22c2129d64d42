"""Tables at every width."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.cli.stat import EDGE_COLUMNS, STAT_COLUMNS
from minimesh.cli.table import Column, render
from minimesh.cli.terminal import Terminal, terminal
from minimesh.cli.text import width

COLUMNS = (Column("NAME"), Column("PID", right=True, drop=2), Column("LISTEN", drop=1), Column("REASON", shrink=8))
ROWS = [
    ("gateway", "5120", "127.0.0.1:7443", "-"),
    ("payments", "-", "127.0.0.1:8103", "exit 1: KeyError: 'STRIPE_KEY'"),
]


def out(columns: int | None) -> Terminal:
    return Terminal(io.TextIOWrapper(io.BytesIO(), "utf-8"), False, columns)


def test_columns_are_aligned_and_lines_end_without_spaces() -> None:
    assert render(COLUMNS, ROWS, out(None)) == [
        "NAME       PID  LISTEN          REASON",
        "gateway   5120  127.0.0.1:7443  -",
        "payments     -  127.0.0.1:8103  exit 1: KeyError: 'STRIPE_KEY'",
    ]


def test_a_narrow_terminal_cuts_what_may_be_cut_first() -> None:
    assert render(COLUMNS, ROWS, out(50))[2] == "payments     -  127.0.0.1:8103  exit 1: KeyError:…"


def test_then_columns_leave_the_least_important_first() -> None:
    assert render(COLUMNS, ROWS, out(36))[0] == "NAME      LISTEN          REASON"
    assert render(COLUMNS, ROWS, out(26)) == [
        "NAME      REASON",
        "gateway   -",
        "payments  exit 1: KeyErro…",
    ]


def test_what_cannot_fit_is_as_narrow_as_it_may_be() -> None:
    columns = (Column("KEY"), Column("VALUE", shrink=8))
    assert render(columns, [("a-long-key", "a very long value")], out(10)) == [
        "KEY         VALUE",
        "a-long-key  a very…",
    ]


def test_cells_are_escaped() -> None:
    assert render((Column("A"),), [("x\x1b[2J\ny",)], out(None))[1] == r"x\x1b[2J\ny"


def test_wide_characters_keep_the_columns_aligned() -> None:
    lines = render((Column("A"), Column("B")), [("日本", "x"), ("ab", "y")], out(None))
    assert [width(line) for line in lines] == [7, 7, 7]


@given(st.lists(st.tuples(st.text(), st.text(), st.text(), st.text()), max_size=5), st.integers(24, 200))
def test_no_line_is_wider_than_the_terminal_when_all_may_yield(rows: list[tuple[str, ...]], columns: int) -> None:
    yielding = tuple(Column(title, shrink=4, drop=index) for index, title in enumerate("ABCD"))
    assert all(width(line) <= columns for line in render(yielding, rows, out(columns)))


def test_no_colour_off_a_terminal_or_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal(Screen(), no_colour=False).colour
    assert terminal(io.StringIO(), no_colour=False).width is None
    assert not terminal(io.StringIO(), no_colour=False).colour
    assert not terminal(Screen(), no_colour=True).colour
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal(Screen(), no_colour=False).colour
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal(Screen(), no_colour=False).colour


@pytest.mark.parametrize("columns", [STAT_COLUMNS, EDGE_COLUMNS])
def test_wide_tables_lose_columns_too_where_there_is_no_room(columns: tuple[Column, ...]) -> None:
    lines = render(columns, [["payments"] + ["1.00"] * (len(columns) - 1)], Terminal(io.StringIO(), False, 40))
    assert max(map(len, lines)) <= 40
