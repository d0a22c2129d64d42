"""Environment files."""

from pathlib import Path

import pytest

from minimesh.spec import SpecError, read_env_file, render

GOOD = [
    ("A=1", {"A": "1"}),
    ("A=1\nB=2\nA=3\n", {"A": "3", "B": "2"}),
    ("export A=1\n  export  B = 2 \n", {"A": "1", "B": "2"}),
    ("# no\n\n   # no\nA=1 # no\nB=1#yes\nC=# no\nD= #no", {"A": "1", "B": "1#yes", "C": "", "D": ""}),
    ("A=a b c  \n", {"A": "a b c"}),
    ("A='a # \\n \" b' # no\n", {"A": 'a # \\n " b'}),
    ('A="a # \\n \\t \\" \\\\ \\$ \\x"\n', {"A": 'a # \n \t " \\ $ \\x'}),
    ("A=\"one\ntwo\"\nB='x\ny'\n", {"A": "one\ntwo", "B": "x\ny"}),
    ("A=\nB=''\n", {"A": "", "B": ""}),
    ('A=1\r\nB="2"\r\n', {"A": "1", "B": "2"}),
    ("\ufeffA=ü", {"A": "ü"}),
    ("A=${B}$C", {"A": "${B}$C"}),
    ("A=b=c", {"A": "b=c"}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "variables"), GOOD)
def test_good_files(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    file = tmp_path / "x.env"
    file.write_bytes(text.encode())
    assert read_env_file(file) == variables


BAD = [
    ("A", [1]),
    ("A=1\n  what is this\nB=2\n1A=3\n", [2, 4]),
    ('A="open\nB=1\n', [1]),
    ("A='x' y\n", [1]),
    ("A-B=1\n", [1]),
    ("A=x\0y\n", [1]),
]


@pytest.mark.parametrize(("text", "lines"), BAD)
def test_bad_lines_are_all_told(tmp_path: Path, text: str, lines: list[int]) -> None:
    file = tmp_path / "x.env"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_env_file(file)
    assert [problem.where.line for problem in caught.value.problems] == lines
    assert {problem.code for problem in caught.value.problems} == {"MM020"}


def test_a_bad_line_as_people_see_it(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    file.write_text("A=1\n  what is this\n")
    with pytest.raises(SpecError) as caught:
        read_env_file(file)
    assert render(caught.value.problems[0]) == (
        "error[MM020]: expected NAME=VALUE\n"
        f"  --> {file}:2:3\n"
        "2 |   what is this\n"
        '  |   ^^^^^^^^^^^^   help: NAME="a value"'
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.env"
    latin.write_bytes(b"A=\xff")
    for file in (latin, tmp_path, tmp_path / "missing"):
        with pytest.raises(SpecError) as caught:
            read_env_file(file)
        assert [problem.code for problem in caught.value.problems] == ["MM019"]
