"""How a command says that it cannot, and with which exit code.

The shape: `error[MMnnn]: what failed`, `  --> file:line:col`, evidence, one `  help:` to paste. Always on stderr.
"""

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from minimesh.cli.terminal import Terminal
from minimesh.cli.text import escape

if TYPE_CHECKING:
    from minimesh.control.report import Problem


class Exit(IntEnum):
    """Exit codes, which are an API. `exec` and `run` return their program's own."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    TIMED_OUT = 4
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130


def shell_code(returned: int) -> int:
    """An exit code as a shell has it: 128 and the number of the signal where one ended the program (`returned` < 0)."""
    return 128 - returned if returned < 0 else returned


MOST_SHOWN = 20
"""Mistakes. Whoever mends so many runs the command again."""


class Told(NamedTuple):
    """An error ready to be shown: as text without colours, and as what stands under `"error"` with --json."""

    text: str
    facts: Mapping[str, object]


class CommandError(Exception):
    """What a person did or what the world refused; never shown with a traceback.

    code: `MMnnn`, known to `minimesh explain`. where: `file` or `file:line:col`. evidence: lines below.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        exit_code: Exit = Exit.FAILED,
        where: str = "",
        evidence: Sequence[str] = (),
        help: str = "",  # noqa: A002 - the field's name
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.exit_code = exit_code
        self.where = where
        self.evidence = tuple(evidence)
        self.help = help

    def told(self) -> Told:
        lines = [f"error[{self.code}]: {escape(self.message)}"]
        if self.where:
            lines.append(f"  --> {escape(self.where)}")
        lines += [f"  {escape(line)}" for line in self.evidence]
        if self.help:
            lines.append(f"  help: {escape(self.help)}")
        return Told("\n".join(lines), self._facts())

    def _facts(self) -> dict[str, object]:
        file, line, column = split_where(self.where)
        return {
            "code": self.code,
            "severity": "error",
            "message": self.message,
            "file": file,
            "line": line,
            "column": column,
            "evidence": list(self.evidence),
            "help": self.help or None,
        }


def of_problem(problem: "Problem") -> CommandError:
    """The mesh's own words for what is wrong."""
    return CommandError(
        problem.code, problem.message, where=problem.where, evidence=problem.evidence, help=problem.help
    )


def usage(message: str, help: str = "") -> CommandError:  # noqa: A002
    """A command line that cannot be understood."""
    return CommandError("MM402", message, exit_code=Exit.USAGE, help=help)


def show(errors: Sequence[Told], err: Terminal, as_json: bool) -> None:
    """Writes the errors: for people, or as one JSON object, with `errors` where there is more than one."""
    if as_json:
        several = {"errors": [error.facts for error in errors]} if len(errors) > 1 else {}
        err.line(json.dumps({"error": errors[0].facts, **several}))
    else:
        write_problems(errors, err)
    err.flush()


def write_problems(problems: Sequence[Told], err: Terminal) -> None:
    """Writes problems for people, in their order; of very many, errors before warnings, and how many more there are."""
    shown = problems
    if len(problems) > MOST_SHOWN:
        by_weight = sorted(range(len(problems)), key=lambda at: problems[at].facts["severity"] != "error")
        shown = [problems[at] for at in sorted(by_weight[:MOST_SHOWN])]
    for problem in shown:
        err.line(coloured(problem.text, err))
    if len(shown) < len(problems):
        err.line(f"and {len(problems) - len(shown):,} more; all of them: minimesh validate -o json")


def coloured(text: str, err: Terminal) -> str:
    """A rendered problem with its label in colour, and its sentence broken between words."""
    sentence, newline, below = text.partition("\n")
    sentence = "\n  ".join(err.fitting(sentence))
    label, colon, rest = sentence.partition(": ")
    if colon:
        colour = "yellow" if label.startswith("warning") else "red"
        sentence = err.paint(f"{label}:", "bold", colour) + f" {rest}"
    return sentence + newline + below


def split_where(where: str) -> tuple[str | None, int | None, int | None]:
    """`minimesh.toml:3:20` as its parts; None for each that is not there."""
    file = where
    numbers: list[int] = []
    while len(numbers) < 2:
        head, _, tail = file.rpartition(":")
        if not head or not tail.isdecimal():
            break
        numbers.insert(0, int(tail))
        file = head
    return file or None, numbers[0] if numbers else None, numbers[1] if len(numbers) > 1 else None
