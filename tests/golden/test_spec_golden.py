"""Bad minimesh.toml files and what is said of them.

Each file in tests/golden/spec holds a minimesh.toml, a line of equals signs, and the text of all its problems.
`GOLDEN_UPDATE=1 pytest tests/golden/test_spec_golden.py` writes the second part anew: read the difference.
"""

import json
import os
import re
from pathlib import Path

import pytest

from minimesh.spec import Severity, SpecError, as_json, explain, load, render

FOLDER = Path(__file__).parent / "spec"
FILES = sorted(FOLDER.glob("*.txt"))
SEPARATOR = "=" * 40 + "\n"
ENVIRON = {"TOKEN": "t0ken", "EMPTY": ""}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something in it that a minimesh.toml may name."""
    root = tmp_path / "shop"
    (root / "web").mkdir(parents=True)
    (root / "present.env").write_text("A=1\n")
    monkeypatch.chdir(root)
    return root


def problems_of(text: str, root: Path) -> SpecError:
    file = root / "minimesh.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(file, ENVIRON)
    return caught.value


@pytest.mark.parametrize("golden", FILES, ids=lambda file: file.stem)
def test_bad_file(golden: Path, project: Path) -> None:
    text, _, expected = golden.read_text(encoding="utf-8").partition(SEPARATOR)
    said = "\n".join(render(problem) for problem in problems_of(text, project).problems) + "\n"
    if os.environ.get("GOLDEN_UPDATE"):
        golden.write_text(text + SEPARATOR + said, encoding="utf-8")
    else:
        assert said == expected


@pytest.mark.parametrize("golden", FILES, ids=lambda file: file.stem)
def test_each_problem_is_explained_and_ordered(golden: Path, project: Path) -> None:
    text = golden.read_text(encoding="utf-8").partition(SEPARATOR)[0]
    problems = problems_of(text, project).problems
    assert [problem.where.line for problem in problems] == sorted(problem.where.line for problem in problems)
    for problem in problems:
        assert re.fullmatch(r"MM\d{3}", problem.code)
        assert problem.code in explain
        assert problem.where.file == "minimesh.toml"
        assert 1 <= problem.where.line <= text.count("\n") + 1
        assert problem.message
        assert json.loads(json.dumps(as_json(problem)))["line"] == problem.where.line


def test_there_are_enough_and_all_codes_of_the_file_are_met(project: Path) -> None:
    met = {
        (problem.code, problem.severity)
        for golden in FILES
        for problem in problems_of(golden.read_text(encoding="utf-8").partition(SEPARATOR)[0], project).problems
    }
    assert len(FILES) >= 40
    elsewhere = {"MM019", "MM020"}  # files that are not text, and environment files: tests/unit/spec
    assert {code for code, _ in met} == set(explain) - elsewhere
    assert ("MM018", Severity.WARNING) in met
