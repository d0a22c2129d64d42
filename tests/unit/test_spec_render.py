"""Problems as text and as JSON."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.cells import width
from minimesh.model.where import Where
from minimesh.spec import Place, Problem, Severity, as_json, render

AT = Where("minimesh.toml", 22, 1)


def test_the_example_of_the_contract() -> None:
    message = "unknown key `retrys` in [services.api]; did you mean `retries`?"
    problem = Problem("MM002", message, AT, width=6, source="retrys = 3", help="retries = 3")
    assert render(problem) == (
        "error[MM002]: unknown key `retrys` in [services.api]; did you mean `retries`?\n"
        "  --> minimesh.toml:22:1\n"
        "22 | retrys = 3\n"
        "   | ^^^^^^   help: retries = 3"
    )
    assert as_json(problem) == {
        "code": "MM002",
        "severity": "error",
        "message": message,
        "file": "minimesh.toml",
        "line": 22,
        "column": 1,
        "help": "retries = 3",
    }


def test_a_problem_of_several_lines() -> None:
    places = (
        Place(Where("minimesh.toml", 18), "api needs orders"),
        Place(Where("minimesh.toml", 27), "orders needs payments"),
        Place(Where("other.toml", 33), "payments needs api"),
    )
    problem = Problem("MM003", "a cycle", places[0].where, places=places, help="use calls")
    assert render(problem) == (
        "error[MM003]: a cycle\n"
        "  --> minimesh.toml:18 (api needs orders), :27 (orders needs payments), other.toml:33 (payments needs api)\n"
        "  help: use calls"
    )


def test_a_problem_of_the_whole_file() -> None:
    problem = Problem("MM019", "cannot read x: Permission denied", Where("x"), severity=Severity.WARNING)
    assert render(problem) == "warning[MM019]: cannot read x: Permission denied\n  --> x"
    assert (as_json(problem)["line"], as_json(problem)["column"], as_json(problem)["help"]) == (None, None, None)


def test_nothing_that_steers_a_terminal_gets_through() -> None:
    hostile = "\x1b[31m\x07\u202e\r"
    problem = Problem("MM001", hostile, Where(hostile, 1, 3), width=2, source=f"a {hostile}", help=hostile)
    text = render(problem)
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[31m\\x07\\u202e\\r" in text


def test_a_long_line_is_cut_around_the_caret() -> None:
    for column in (1, 60, 150, 290):
        source = "x" * (column - 1) + "BAD" + "y" * (300 - column)
        lines = render(Problem("MM001", "m", Where("f", 7, column), width=3, source=source)).split("\n")
        assert len(lines[2]) <= 120
        caret = lines[3].index("^^^")
        assert lines[2][caret : caret + 3] == "BAD"


@given(st.text(), st.text(min_size=1), st.text(), st.integers(30, 130))
def test_the_line_that_is_shown_fits_the_terminal(before: str, marked: str, after: str, columns: int) -> None:
    source = before + marked + after
    problem = Problem("MM001", "m", Where("f", 7, len(before) + 1), width=len(marked), source=source, help="h")
    for line in render(problem, columns).split("\n"):
        assert width(line) <= columns


def test_carets_stand_under_wide_characters_in_a_narrow_terminal() -> None:
    problem = Problem("MM001", "m", Where("f", 7, 31), width=3, source="名" * 30 + "BAD" + "名" * 30)
    assert render(problem, 40).split("\n")[2:] == [
        "7 | …名名名名名BAD名名名名名名名名名名…",
        "  |            ^^^",
    ]


def test_a_long_help_stands_on_its_own_line() -> None:
    text = render(Problem("MM001", "m", Where("f", 7, 80), source="x" * 90, help="h" * 60))
    assert text.endswith("^\n  help: " + "h" * 60)
