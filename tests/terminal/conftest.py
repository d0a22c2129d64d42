"""Terminals for tests, and projects to run in them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.terminal.kit import Screen, write


@pytest.fixture(scope="session", autouse=True)
def _tmux() -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: apt-get install tmux")


@pytest.fixture
def open_screen() -> Iterator[Callable[..., Screen]]:
    """Opens terminals that are closed at the end."""
    with ExitStack() as stack:
        yield lambda *args, **variables: stack.enter_context(Screen(*args, **variables))


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a project of these services, behind a gateway that leads to `web`."""

    def make(services: str, name: str = "shop") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write(folder, services)
        return folder

    return make
