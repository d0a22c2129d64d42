"""What is shipped: the wheel is built and looked into."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_our_two_packages_are_importable(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("minimesh-")} == {"minimesh", "minimesh_tui"}


def test_nothing_is_compiled(names: list[str]) -> None:
    assert not [name for name in names if name.endswith((".so", ".pyd", ".c"))]


def test_both_packages_are_typed(names: list[str]) -> None:
    assert {"minimesh/py.typed", "minimesh_tui/py.typed"} <= set(names)


def test_the_screens_have_their_layout(names: list[str]) -> None:
    assert "minimesh_tui/app.tcss" in names


def test_the_licence_and_the_command_are_in_it(names: list[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)


@pytest.mark.parametrize("folder", ["tui", "config", "packaging", "benchmarks", "examples"])
def test_folders_beside_the_package_are_not_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
