"""Command lines: what is understood, and what is said where it is not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from minimesh.cli.app import split
from minimesh.cli.values import duration, moment, port, share, status, window

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["ps"], ([], "ps", [])),
        (["-f", "x.toml", "ps", "-a"], (["-f", "x.toml"], "ps", ["-a"])),
        (["--file=x.toml", "ps"], (["--file=x.toml"], "ps", [])),
        (["--json", "logs", "-f"], (["--json"], "logs", ["-f"])),
        (["--help"], (["--help"], None, [])),
        (["--version"], ([], "version", [])),
        (["-f"], (["-f"], None, [])),
    ],
)
def test_the_verb_is_found(words: list[str], parts: object) -> None:
    assert split(words) == parts


@pytest.mark.parametrize(
    ("words", "message", "help_"),
    [
        (["psx"], "there is no command 'psx'; did you mean ps?", "minimesh ps --help"),
        (["frobnicate"], "there is no command 'frobnicate'", "minimesh --help"),
        (["ps", "--statsu", "x"], "ps has no option --statsu; did you mean --status?", "minimesh ps --help"),
        (["--jsno", "ps"], "minimesh has no option --jsno; did you mean --json?", "minimesh --help"),
        (["ps", "web"], "ps takes no further argument 'web'", "minimesh ps --help"),
        (["env"], "env needs a SVC: a service or task", "minimesh env --help"),
        (["stat", "--by", "rout"], "--by: 'rout' is not one of service, route, caller; did you mean route?", None),
        (["tap", "-o", "name"], "tap has no output name, only table, wide, json", None),
        (
            ["tap", "--status", "6xx"],
            "--status: '6xx' is neither a status (503), a class of them (5xx) nor one of gRPC (UNAVAILABLE)",
            None,
        ),
        (
            ["tap", "--status", "UNAVAILBLE"],
            (
                "--status: 'UNAVAILBLE' is neither a status (503), a class of them (5xx) nor one of gRPC (UNAVAILABLE)"
                "; did you mean UNAVAILABLE?"
            ),
            None,
        ),
        (["logs", "-n", "x"], "-n/--tail: 'x' is not a whole number", None),
        (["-o", "yaml", "ps"], "-o/--output: 'yaml' is not one of table, wide, json, name", None),
        (
            ["exec", "web"],
            "exec needs a program to run, after --",
            "minimesh exec web -- sh -c 'curl $ORDERS_URL/orders/1'",
        ),
        (["up", "--no-deps"], "--no-deps needs the services to start", "minimesh up --no-deps web"),
    ],
)
def test_mistakes_say_what_was_meant(
    minimesh: Command, project: Path, words: list[str], message: str, help_: str | None
) -> None:
    code, out, err = minimesh(*words)
    expected = f"error[MM402]: {message}\n" + (f"  help: {help_}\n" if help_ else "")
    assert (code, out, err) == (2, "", expected)


def test_an_error_is_one_json_object_with_json(minimesh: Command, project: Path) -> None:
    for words in (["psx", "--json"], ["-o", "json", "psx"], ["--output=json", "psx"]):
        code, out, err = minimesh(*words)
        assert (code, out) == (2, "")
        assert json.loads(err)["error"]["code"] == "MM402"


def test_json_of_the_program_is_not_ours(minimesh: Command, project: Path) -> None:
    code, _, err = minimesh("exec", "web", "--", "jq", "--json")
    assert code == 3
    assert err.startswith("error[MM401]")


@pytest.mark.parametrize(
    "words", [["ps"], ["stat"], ["down"], ["env", "web"], ["tap"], ["logs"], ["exec", "a", "--", "b"]]
)
def test_no_mesh_running_is_3(minimesh: Command, project: Path, words: list[str]) -> None:
    code, out, err = minimesh(*words)
    assert (code, out) == (3, "")
    assert err == f"error[MM401]: no mesh is running in {project}\n  help: minimesh up\n"


def test_a_bug_is_called_one_and_shown_with_debug(
    minimesh: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("x / 0")

    monkeypatch.setattr("minimesh.spec.load", broken)
    (project / "minimesh.toml").write_text("version = 1\n")
    code, _, err = minimesh("validate")
    assert code == 1
    assert err.startswith("error[MM500]: minimesh made a mistake: ZeroDivisionError: x / 0\n")
    monkeypatch.setenv("MINIMESH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        minimesh("validate")


@pytest.mark.parametrize(("words", "seconds"), [("250ms", 0.25), ("10", 10.0), ("1.5m", 90.0), ("2h", 7200.0)])
def test_durations(words: str, seconds: float) -> None:
    assert duration(words) == seconds


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (duration, "soon"),
        (duration, "-1s"),
        (window, "16m"),
        (window, "10ms"),
        (port, "0"),
        (port, "65536"),
        (share, "101"),
        (share, "half"),
        (status, "99"),
        (moment, "yesterday"),
        (moment, "999999999h"),
    ],
)
def test_values_that_mean_nothing(convert: Callable[[str], object], words: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is neither|is before"):
        convert(words)


def test_values() -> None:
    assert share("99.5%") == 0.995
    assert status("5XX") == "5xx"
    assert [status(text) for text in ("grpc:14", "UNAVAILABLE", "grpc:unavailable", "GRPC:0")] == [
        "grpc:14",
        "grpc:14",
        "grpc:14",
        "grpc:0",
    ]
    assert moment("2026-01-31T12:00:00+02:00") == "2026-01-31T10:00:00Z"
    assert port("8080") == 8080
