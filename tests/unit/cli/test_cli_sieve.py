"""`logs` with its filters, of a mesh that has ended: from the files it left."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]

WEB = """\
2026-01-31T14:02:10.000Z 1 stdout listening
2026-01-31T14:02:11.000Z 1 stderr ERROR: it failed
2026-01-31T14:02:11.000Z 1 stderr   at f (x.js:1)
2026-01-31T14:02:12.000Z 1 stdout {"level":30,"msg":"\x1b[1mfine"}
2026-01-31T14:02:14.000Z 1 mesh exit 1
"""
DB = "2026-01-31T14:02:13.000Z 1 stdout LOG:  checkpoint\n"


@pytest.fixture
def left(project: Path) -> Path:
    folder = project / ".minimesh" / "logs"
    folder.mkdir(parents=True)
    (folder / "web.log").write_text(WEB)
    (folder / "db.log").write_text(DB)
    return project


def test_all_of_it_in_the_order_of_time(left: Path, minimesh: Command) -> None:
    code, out, err = minimesh("logs")
    assert code == 0
    assert out.splitlines() == [
        "web | listening",
        "web | ERROR: it failed",
        "web |   at f (x.js:1)",
        'web | {"level":30,"msg":"fine"}',
        "db  | LOG:  checkpoint",
        "web | exit 1",
    ]
    assert err == "no mesh is running here: these are the logs that the last one left\n"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["-n", "2"], ["LOG:  checkpoint", "exit 1"]),
        (["-n", "1", "web"], ["exit 1"]),
        (["-n", "0"], []),
        (["--grep", "fine"], ['{"level":30,"msg":"fine"}']),
        (["--grep", '"fine'], ['{"level":30,"msg":"fine"}']),
        (["--grep", "^(listening|exit)"], ["listening", "exit 1"]),
        (["--level", "error"], ["ERROR: it failed", "  at f (x.js:1)"]),
        (["--level", "error", "-n", "1"], ["  at f (x.js:1)"]),
        (["--since", "2026-01-31T14:02:13Z"], ["LOG:  checkpoint", "exit 1"]),
        (["--until", "2026-01-31T14:02:11Z"], ["listening"]),
        (
            ["--since", "2026-01-31T15:02:12+01:00", "--until", "2026-01-31T14:02:14Z", "web"],
            ['{"level":30,"msg":"fine"}'],
        ),
    ],
)
def test_filters(left: Path, minimesh: Command, words: list[str], lines: list[str]) -> None:
    code, out, _ = minimesh("logs", "--no-log-prefix", *words)
    assert (code, out.splitlines()) == (0, lines)


def test_json_lines_are_those_of_a_running_mesh(left: Path, minimesh: Command) -> None:
    (line,) = minimesh("logs", "--json", "db")[1].splitlines()
    assert json.loads(line) == {
        "time": "2026-01-31T14:02:13.000Z",
        "service": "db",
        "replica": 1,
        "stream": "stdout",
        "line": "LOG:  checkpoint",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--grep", "foo(bar"], "--grep: missing ), unterminated subpattern at position 4\n  foo(bar\n     ^\n"),
        (["--level", "wran"], "did you mean warn?"),
        (["-f", "--until", "10m"], "--until does not go with -f"),
        (["-n", "some"], "'some' is not a whole number"),
        (["wbe"], "there is no log of 'wbe'; did you mean web?"),
    ],
)
def test_mistakes(left: Path, minimesh: Command, words: list[str], told: str) -> None:
    code, out, err = minimesh("logs", *words)
    assert (code, out) == (2, "")
    assert told in err


def test_without_mesh_and_files_nothing_runs_here(project: Path, minimesh: Command) -> None:
    assert minimesh("logs")[0] == 3
