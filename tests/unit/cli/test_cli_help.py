"""Help texts: what they were, how wide they are, how they end."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from minimesh.cli.app import COMMON
from minimesh.cli.codes import CODES
from minimesh.cli.options import Command
from minimesh.cli.verbs import VERBS

Run = Callable[..., tuple[int, str, str]]
GOLDEN = Path(__file__).parents[2] / "golden" / "cli"


def command(verb: str) -> Command:
    found = import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb]
    assert isinstance(found, Command)
    return found


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_what_it_was(minimesh: Run, verb: str) -> None:
    code, out, err = minimesh(*([verb] if verb else []), "--help")
    assert (code, err) == (0, "")
    file = GOLDEN / f"help{'-' if verb else ''}{verb}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(out)
    assert out == file.read_text()
    assert max(map(len, out.splitlines())) <= 90


@pytest.mark.parametrize("verb", VERBS)
def test_help_can_be_asked_in_every_way(minimesh: Run, verb: str) -> None:
    asked = [minimesh(verb, "--help"), minimesh(verb, "-h"), minimesh("--help", verb), minimesh("help", verb)]
    assert len(set(asked)) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_the_two_examples_can_be_parsed(verb: str) -> None:
    for line, _ in command(verb).examples:
        assert f"minimesh {verb}" in line


@pytest.mark.parametrize("verb", VERBS)
def test_no_option_means_two_things(verb: str) -> None:
    flags = [flag for option in command(verb).options for flag in option.flags]
    assert len(flags) == len(set(flags))
    assert not {flag for option in COMMON for flag in option.flags if flag.startswith("--")} & set(flags)


def test_every_code_in_the_source_is_explained(minimesh: Run) -> None:
    import re

    folder = Path(command("ps").run.__code__.co_filename).parent
    used = {code for file in folder.glob("*.py") for code in re.findall(r'"(MM\d{3})"', file.read_text())}
    assert used == set(CODES)
    for code in used:
        assert minimesh("explain", code)[0] == 0


def test_explain_knows_reasons_and_the_mistakes_of_the_file(minimesh: Run) -> None:
    assert minimesh("explain", "upstream-refused")[1].startswith(
        "upstream_refused: the service refused the connection\n"
    )
    assert minimesh("explain", "mm2")[1].startswith("MM002: ")
    assert minimesh("explain", "upstream_refusd")[2].startswith(
        "error[MM410]: nothing is known as 'upstream_refusd'; did you mean upstream_refused?\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(minimesh: Run, shell: str) -> None:
    code, out, _ = minimesh("completion", shell)
    assert code == 0
    assert all(verb in out for verb in VERBS)


def test_version(minimesh: Run) -> None:
    from minimesh import __version__

    assert minimesh("version")[1] == minimesh("--version")[1] == f"minimesh {__version__}\n"
