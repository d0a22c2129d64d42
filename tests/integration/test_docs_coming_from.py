"""The commands of docs/coming-from.md print what the page says."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/coming-from.md"
BLOCK = re.compile(r"^<!-- (?:file: (?P<file>\S+)|run) -->\n```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 60.0
SHELL = f'minimesh() {{ "{sys.executable}" -m minimesh "$@"; }}\nset -eu -o pipefail\n'


def test_the_page_says_what_is_printed(tmp_path: Path) -> None:
    blocks = list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(blocks) >= 8
    for block in blocks:
        if block["file"]:
            (tmp_path / block["file"]).write_text(block["text"], encoding="utf-8")
            continue
        for step in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            done = subprocess.run(
                ["bash", "-c", SHELL + command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
            )
            assert (done.returncode, done.stdout) == (0, printed), f"$ {command}\n{done.stderr}"
