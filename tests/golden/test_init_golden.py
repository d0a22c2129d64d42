"""Folders with other tools' files, and what `minimesh init` makes of them.

Each folder of tests/golden/init holds the files, perhaps `command` (the words after `minimesh init`), and what comes
of them: expected.txt is what is said, expected.toml what is written; without it nothing is.
`GOLDEN=write pytest tests/golden/test_init_golden.py` writes both anew: read the difference.
"""

import os
import shutil
from pathlib import Path

import pytest

from minimesh.cli.app import run
from minimesh.spec import load

FOLDER = Path(__file__).parent / "init"
CASES = sorted(folder for folder in FOLDER.iterdir() if folder.is_dir())
OURS = ("expected.toml", "expected.txt", "command")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_init(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "shop"
    shutil.copytree(case, root, ignore=shutil.ignore_patterns(*OURS))
    before = contents(root)
    monkeypatch.chdir(root)
    for name in ("MINIMESH_FILE", "MINIMESH_PROJECT", "MINIMESH_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    command = case / "command"
    words = command.read_text().split() if command.exists() else []
    code = run(["init", *words])
    out, said = capsys.readouterr()
    assert out == ""
    written = root / "minimesh.toml"
    text = written.read_text(encoding="utf-8") if written.exists() else None
    assert code == (2 if text is None else 0)
    assert contents(root).items() - {("minimesh.toml", text)} == before.items(), "nothing else is touched"
    said = said.replace(str(root), "ROOT")
    if os.environ.get("GOLDEN") == "write":
        update(case / "expected.txt", said)
        update(case / "expected.toml", text)
    assert said == (case / "expected.txt").read_text(encoding="utf-8")
    if text is None:
        assert not (case / "expected.toml").exists()
    else:
        assert text == (case / "expected.toml").read_text(encoding="utf-8")
        load(written, {"STRIPE_KEY": "for ${STRIPE_KEY:?…}"})


def contents(root: Path) -> dict[str, str]:
    return {str(file.relative_to(root)): file.read_text(encoding="utf-8") for file in root.rglob("*") if file.is_file()}


def update(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(text, encoding="utf-8")


def test_there_are_enough() -> None:
    assert len(CASES) >= 20
