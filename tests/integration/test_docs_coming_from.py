"""The commands of docs/coming-from.md, as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/coming-from.md"
BLOCKS = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
PATIENCE = 60.0
MINIMESH = f'minimesh() {{ "{sys.executable}" -m minimesh "$@"; }}\nset -eu -o pipefail\n'


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[2])
def test_the_commands_of_the_page(tmp_path: Path, block: str) -> None:
    try:
        done = subprocess.run(
            ["bash", "-c", MINIMESH + block], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        subprocess.run(
            [sys.executable, "-m", "minimesh", "down", "-t", "2"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )


def test_there_are_commands() -> None:
    assert len(BLOCKS) == 3
