"""Bad files and what is said of them.

Each file in tests/golden/spec holds a minimesh.toml, a line of equals signs, and the text of all its problems. Lines
`#>> services/orders.toml` begin further files of the same project, `#>> -f over.toml` files that are named with -f, and
`#>> --set K=V` are options. `GOLDEN_UPDATE=1 pytest tests/golden/test_spec_golden.py` writes the second part anew: read
the difference.
"""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from minimesh.spec import Problem, Severity, SpecError, as_json, explain, load, render
from tests.protos import LIBRARY, made

FOLDER = Path(__file__).parent / "spec"
FILES = sorted(FOLDER.glob("*.txt"))
SEPARATOR = "=" * 40 + "\n"
SECTION = re.compile(r"^#>> (?:(-f|--set) )?(.+)\n", re.MULTILINE)
ENVIRON = {"TOKEN": "t0ken", "EMPTY": ""}


class Bad(NamedTuple):
    """The files by their names, those of -f, the values of --set."""

    files: dict[str, str]
    further: list[str]
    overrides: list[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something in it that a minimesh.toml may name; we are in it."""
    monkeypatch.chdir(furnished(tmp_path / "shop"))
    return Path.cwd()


def furnished(root: Path) -> Path:
    (root / "web").mkdir(parents=True)
    (root / "present.env").write_text("A=1\n")
    (root / "jwks.json").write_text('{"keys": []}')
    (root / "users.htpasswd").write_text("")
    (root / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (root / "open.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    (root / "open.key").chmod(0o644)
    (root / "ca.key").write_text("-----BEGIN EC PRIVATE KEY-----\n")
    (root / "ca.key").chmod(0o600)
    (root / "api.pb").write_bytes(LIBRARY)
    (root / "plain.pb").write_bytes(made({}))
    (root / "alone.pb").write_bytes(made({"get": "/v1/{name}"}, imports=("google/api/annotations.proto",)))
    (root / "twice.pb").write_bytes(made({"get": "/v1/{name}"}, {"get": "/v1/*"}))
    wrong = ({"get": "/v1/{name"}, {"get": "/v1/{tags}"}, {"get": "/v1/{owner}"}, {"get": "/v1/{colour}"})
    more = ({"post": "/v1/a", "body": "colour"}, {"get": "/a", "response_body": "colour"}, {"get": "/a", "put": "/b"})
    (root / "wrong.pb").write_bytes(made(*wrong, *more, {"body": "*"}))
    return root


def read(golden: Path) -> tuple[str, str]:
    """What is bad and what is said; line ends as they are."""
    given, _, said = golden.read_bytes().decode().partition(SEPARATOR)
    return given, said


def parts(given: str) -> Bad:
    main, *rest = SECTION.split(given)
    bad = Bad({"minimesh.toml": main}, [], [])
    for option, name, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if option == "--set":
            bad.overrides.append(name)
            continue
        bad.files[name] = text
        if option == "-f":
            bad.further.append(name)
    return bad


def problems_of(given: str, root: Path) -> tuple[Problem, ...]:
    bad = parts(given)
    for name, text in bad.files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(text.encode())
    with pytest.raises(SpecError) as caught:
        load(root / "minimesh.toml", ENVIRON, [root / name for name in bad.further], bad.overrides)
    return caught.value.problems


@pytest.mark.parametrize("golden", FILES, ids=lambda file: file.stem)
def test_bad_file(golden: Path, project: Path) -> None:
    given, expected = read(golden)
    said = "\n".join(render(problem) for problem in problems_of(given, project)) + "\n"
    if os.environ.get("GOLDEN_UPDATE"):
        golden.write_bytes((given + SEPARATOR + said).encode())
    else:
        assert said == expected


@pytest.mark.parametrize("golden", FILES, ids=lambda file: file.stem)
def test_each_problem_is_explained_and_ordered(golden: Path, project: Path) -> None:
    given, _ = read(golden)
    bad = parts(given)
    problems = problems_of(given, project)
    places = [(problem.where.file, problem.where.line) for problem in problems]
    for file in {file for file, _ in places}:
        lines = [line for name, line in places if name == file]
        assert lines == sorted(lines)
        first = [name for name, _ in places].index(file)
        assert [name for name, _ in places[first : first + len(lines)]] == [file] * len(lines), "file by file"
    for problem in problems:
        assert re.fullmatch(r"MM\d{3}", problem.code)
        assert problem.code in explain
        assert problem.message
        assert json.loads(json.dumps(as_json(problem)))["line"] == (problem.where.line or None)
        if not problem.where.file.startswith("--set "):
            assert 1 <= problem.where.line <= bad.files[problem.where.file].count("\n") + 1


def test_there_are_enough_and_all_codes_of_the_file_are_met(tmp_path: Path) -> None:
    met = set()
    for golden in FILES:
        problems = problems_of(read(golden)[0], furnished(tmp_path / golden.stem))
        met |= {(problem.code, problem.severity) for problem in problems}
    assert len(FILES) >= 60
    elsewhere = {"MM019", "MM021"}  # files that are not text; what hangs on the profiles asked for
    assert {code for code, _ in met} == set(explain) - elsewhere
    assert ("MM018", Severity.WARNING) in met
