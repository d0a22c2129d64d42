"""The list of running meshes: private, healed by whoever reads it, and never in the way."""

import os
from pathlib import Path

import pytest

from minimesh.control.registry import FOLDER, Entry, entries, registered

GONE = 2**22 + 1
"""No process has it: Linux counts to 2**22 at most."""


def entry(root: str, pid: int | None = None) -> Entry:
    return Entry(root, "shop", os.getpid() if pid is None else pid, f"{root}/.minimesh/control.sock")


def test_a_mesh_is_listed_while_it_runs(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    one, two = entry("/a"), entry("/b")
    with registered(two, environ), registered(one, environ):
        assert [each for each in entries(environ) if each in (one, two)] == [one, two]
        folder = tmp_path / "minimesh" / FOLDER
        assert [path.stat().st_mode & 0o777 for path in (folder.parent, folder)] == [0o700, 0o700]
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert [*folder.iterdir()] == []


def test_what_a_killed_mesh_left_is_removed_silently(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    folder = tmp_path / "minimesh" / FOLDER
    with registered(entry("/alive"), environ):
        (folder / "killed.json").write_text(f'{{"root": "/k", "project": "k", "pid": {GONE}, "socket": ""}}')
        (folder / "torn.json").write_text('{"root"')
        assert "/k" not in {each.root for each in entries(environ)}
        assert len([*folder.iterdir()]) == 1


def test_a_successor_in_the_folder_keeps_its_entry(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with registered(entry("/a", GONE), environ):
        (file,) = (tmp_path / "minimesh" / FOLDER).iterdir()
        file.write_text(file.read_text().replace(str(GONE), str(os.getpid())))
    assert file.exists()


def test_a_folder_that_others_can_enter_is_neither_read_nor_written(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    folder = tmp_path / "minimesh" / FOLDER
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with registered(entry("/a"), environ):
        assert [*folder.iterdir()] == []
        assert "/a" not in {each.root for each in entries(environ)}


@pytest.mark.parametrize("pid", [0, -1, 2**64])
def test_a_number_that_no_process_has_is_nobody(tmp_path: Path, pid: int) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with registered(entry("/alive"), environ):
        folder = tmp_path / "minimesh" / FOLDER
        (folder / "odd.json").write_text(f'{{"root": "/odd", "project": "odd", "pid": {pid}, "socket": ""}}')
        assert "/odd" not in {each.root for each in entries(environ)}
