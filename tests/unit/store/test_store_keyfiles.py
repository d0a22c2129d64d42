"""Key files: their modes, and what is said of one that others could read."""

import os
from pathlib import Path

import pytest

from minimesh.store.keyfiles import KeyFileError, read_key, remove_key, write_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "ca" / "root.key"
    old = os.umask(0)
    try:
        write_key(path, b"secret")
    finally:
        os.umask(old)
    return path


def test_it_is_for_its_owner_alone_whatever_the_umask(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert read_key(key) == b"secret"
    assert [each.name for each in key.parent.iterdir()] == ["root.key"]


def test_it_is_replaced_and_removed(key: Path) -> None:
    write_key(key, b"other")
    assert read_key(key) == b"other"
    remove_key(key)
    remove_key(key)
    assert not key.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_one_that_others_can_read_or_change_is_refused_with_the_fix(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}") as error:
        read_key(key)
    assert error.value.fix == f"chmod 600 {key}"


def test_one_that_is_not_there_or_no_file_is_told(key: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="is not there"):
        read_key(tmp_path / "none")
    with pytest.raises(KeyFileError, match="Is a directory"):
        read_key(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFileError, match="is not a file"):
        read_key(tmp_path / "pipe")
    key.chmod(0)
    if os.getuid():
        with pytest.raises(KeyFileError, match="cannot be read") as error:
            read_key(key)
        assert error.value.fix == f"chmod 600 {key}"


def test_a_write_that_fails_leaves_the_old_one(key: Path) -> None:
    (key.parent / "root.key.new").mkdir()
    with pytest.raises(OSError, match=r"root\.key\.new"):
        write_key(key, b"other")
    assert read_key(key) == b"secret"
