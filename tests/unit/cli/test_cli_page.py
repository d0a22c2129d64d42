"""docs/cli.md: its list of commands is the program's, and every test that it names is there."""

import ast
import os
import re
from importlib import import_module
from pathlib import Path

import pytest

from minimesh.cli.options import Command
from minimesh.cli.verbs import GROUPS, VERBS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "cli.md"
BEGIN, END = (
    "<!-- commands: written by GOLDEN=write pytest tests/unit/cli/test_cli_page.py -->",
    "<!-- end of commands -->",
)
PROMISES = {1, 2, *range(5, 22), 22, 23, 25, 27, 28, 29, 30}


def command(verb: str) -> Command:
    found = import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb]
    assert isinstance(found, Command)
    return found


def table() -> str:
    lines = ["", "| | command | |", "|---|---|---|"]
    for group, verbs in GROUPS.items():
        for index, (name, verb) in enumerate(verbs.items()):
            words = " ".join([name, *(argument.shown for argument in command(name).arguments)])
            words += " -- COMMAND..." if command(name).takes_command else ""
            lines.append(f"| {group if index == 0 else ''} | `{words}` | {verb.summary} |")
    return "\n".join([*lines, ""])


def test_the_list_of_commands_is_the_programs() -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
        return
    assert shown.strip() == table().strip()


def rows() -> list[tuple[int, list[str]]]:
    found = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return [(int(number), re.findall(r"`(\S+::\S+)`", tests)) for number, tests in found]


def test_every_promise_is_on_the_page_once() -> None:
    assert [number for number, _ in rows()] == sorted(PROMISES)


def test_every_test_that_is_named_is_there() -> None:
    for number, tests in rows():
        for test in tests:
            file, _, name = test.partition("::")
            defined = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if _is_function(node)}  # type: ignore[attr-defined]  # functions have one
            assert name in defined, f"promise {number} names {test}"


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("up", ("-d --detach --wait --wait-timeout --no-deps --attach --no-attach --exit-code-from --no-log-prefix "
               "--timestamps --dry-run")),
        ("down", "-t --timeout -v --volumes"),
        ("stop", "-t --timeout"),
        ("restart", "-t --timeout"),
        ("ps", "-a --all --status"),
        ("logs", "-f --follow -n --tail -t --timestamps --since --until --no-log-prefix"),
        ("exec", "-T -i -t -e --env -w --workdir"),
        ("events", "--since"),
        ("stat", "-t --time-window --from --to -w"),
        ("top", "--to --path --method -t --hide-sources"),
        ("tap", "--to --path --method"),
        ("edges", "-t"),
    ],
)  # fmt: skip
def test_flags_that_people_know_are_there(verb: str, flags: str) -> None:
    known = {flag for option in command(verb).options for flag in option.flags}
    assert set(flags.split()) <= known


def test_columns_that_people_know_are_there() -> None:
    from minimesh.cli.stat import EDGE_COLUMNS, STAT_COLUMNS
    from minimesh.cli.top import COLUMNS

    assert [column.title for column in COLUMNS] == (
        ["SOURCE", "DESTINATION", "METHOD", "PATH", "COUNT", "BEST", "WORST", "LAST", "SUCCESS_RATE"]
    )
    stat = [column.title for column in STAT_COLUMNS]
    assert [title for title in stat if title.startswith(("SUCCESS", "RPS", "LATENCY", "TCP"))] == (
        ["SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN"]
    )
    assert {"SRC", "DST", "SECURED"} <= {column.title for column in EDGE_COLUMNS}
