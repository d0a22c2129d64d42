"""Reading in a process of its own: the same project, the same mistakes, and no other version's."""

import asyncio
from pathlib import Path

import pytest

from minimesh.control import reader
from minimesh.control.reader import read, read_apart
from minimesh.control.report import UpOptions
from minimesh.control.settle import StartError
from minimesh.spec.problem import SpecError

FILE = """
version = 1
[services.web]
run = ["sleep", "${SECONDS:-7}"]
depends_on = ["orders"]
[services.orders]
run = "true"
"""


def test_it_reads_what_reading_here_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minimesh.toml").write_text(FILE)
    (tmp_path / "more.toml").write_text('[services.orders]\ntimeout = "3s"\n')
    # A file of the user's own with the name of a module that reading needs.
    (tmp_path / "tomllib.py").write_text("raise SystemExit('taken for a module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECONDS", "9")
    options = UpOptions(Path(), Path("minimesh.toml"), further=(Path("more.toml"),), overrides=("mesh.name=shop",))
    found = asyncio.run(read_apart(options))
    assert found == read(options)
    assert found.project.name == "shop"
    assert str(found.project.services["web"].process.command) == "sleep 9"  # type: ignore[union-attr]  # it has one
    alone = asyncio.run(read_apart(UpOptions(tmp_path, only=("web",), alone=True)))
    assert alone.project.services["web"].depends_on == ()


def test_its_mistakes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "minimesh.toml").write_text(FILE.replace("run =", "rnu ="))
    options = UpOptions(tmp_path)
    with pytest.raises(SpecError) as here:
        read(options)
    with pytest.raises(SpecError) as apart:
        asyncio.run(read_apart(options))
    assert apart.value.problems == here.value.problems


def test_another_version_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minimesh.toml").write_text(FILE)
    monkeypatch.setattr(reader, "__version__", "0.0.9")
    with pytest.raises(StartError, match=r"this mesh runs 0\.0\.9"):
        asyncio.run(read_apart(UpOptions(tmp_path)))
