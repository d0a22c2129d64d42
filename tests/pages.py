"""Pages of docs/ whose commands are run: what they say is printed is printed.

A block follows its HTML comment. `<!-- file: NAME -->`: the block is written to a file. `<!-- run -->`: a console in
which lines that begin with "$ " are commands and the others are what they print; a line "..." stands for any lines.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^<!-- (?:file: (?P<file>\S+)|run) -->\n```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 60.0


class Step(NamedTuple):
    """A command and what it prints, or a file (`file` is its name) and what it holds."""

    command: str
    text: str
    file: str = ""


def steps(page: Path) -> list[Step]:
    """In the order of the page."""
    found: list[Step] = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            found.append(Step("", block["text"], block["file"]))
            continue
        assert block["text"].startswith("$ "), "a console begins with a command"
        for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append(Step(command, printed))
    return found


def play(page: Path, folder: Path) -> None:
    """Does in a folder what a page says, step by step. Raises AssertionError where something else is printed."""
    for step in steps(page):
        if step.file:
            (folder / step.file).write_text(step.text, encoding="utf-8")
        else:
            printed = _run(step.command, folder)
            assert _pattern(step.text).fullmatch(printed), (
                f"$ {step.command}\n{printed}\n-- the page says --\n{step.text}"
            )


def _run(command: str, folder: Path) -> str:
    shell = f'minimesh() {{ "{sys.executable}" -m minimesh "$@"; }}\nset -eu -o pipefail\n{command}'
    environment = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", shell], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _pattern(text: str) -> re.Pattern[str]:
    lines = text.splitlines(keepends=True)
    return re.compile("".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in lines))
