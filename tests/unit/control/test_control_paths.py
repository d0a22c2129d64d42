"""The state folder: private, hidden from git, and with a socket path that the kernel takes."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from minimesh.control.paths import StateFolder, UnsafeFolderError, make_private
from minimesh.supervise.privatefile import write_private


def test_created_for_its_owner_alone(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.create()
    folder.create()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.logs.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_the_socket_is_in_the_folder_where_its_path_is_short() -> None:
    assert StateFolder(Path("/shop")).socket({}) == Path("/shop/.minimesh/control.sock")


def test_a_long_path_has_its_socket_in_a_short_one() -> None:
    deep = StateFolder(Path("/" + "deep/" * 30))
    with TemporaryDirectory(dir="/tmp") as short:
        socket = deep.socket({"XDG_RUNTIME_DIR": short})
        assert str(socket.parent) == f"{short}/minimesh"
        assert len(str(socket)) < 100
        assert socket != StateFolder(Path("/" + "deep/" * 31)).socket({"XDG_RUNTIME_DIR": short})


@pytest.mark.parametrize("runtime", ["", "x", "/nobody/has/this", "/dev/null", "/proc/self"])
def test_a_runtime_folder_that_is_not_there_or_not_ours_is_not_used(runtime: str) -> None:
    deep = StateFolder(Path("/" + "deep/" * 30))
    assert str(deep.socket({"XDG_RUNTIME_DIR": runtime}).parent) == f"/tmp/minimesh-{os.getuid()}"


def test_a_client_follows_the_hint_whatever_its_own_environment(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.create()
    assert folder.bound_socket({}) == tmp_path / ".minimesh/control.sock"
    for hint in ("/run/user/7/minimesh/abc.sock\n", f"/run/user/7/minimesh/abc.sock\n{tmp_path}\n"):
        write_private(folder.socket_hint, hint)
        assert folder.bound_socket({}) == Path("/run/user/7/minimesh/abc.sock")


def test_the_hint_in_the_copy_of_a_folder_is_not_its_own(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.create()
    write_private(folder.socket_hint, "/run/user/7/minimesh/abc.sock\n/home/me/original\n")
    assert folder.bound_socket({}) == tmp_path / ".minimesh/control.sock"


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    make_private(tmp_path / "mine")
    make_private(tmp_path / "mine")
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "mine")
    for unsafe in (open_to_all, link):
        with pytest.raises(UnsafeFolderError):
            make_private(unsafe)


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
