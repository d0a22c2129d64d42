"""A command pays only for what it uses."""

import subprocess
import sys

import pytest

HEAVY = (
    "textual",
    "minimesh_tui",
    "minimesh.dataplane",
    "rich",
    "httpx",
    "uvicorn",
    "starlette",
    "uvloop",
    "cryptography",
    "asyncio",
    "anyio",
    "typer",
)


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["ps"], ["stat", "-t", "10s"], ["env", "web"], ["up", "--help"], ["ui", "--help"], ["ui"]],
)
def test_nothing_heavy_is_loaded(words: list[str], tmp_path: object) -> None:
    program = (
        "import sys, minimesh.cli\n"
        "from minimesh.cli.app import run\n"
        f"run({words!r})\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=str(tmp_path), check=True)
    assert ran.stderr.splitlines()[-1] == ""


def test_the_package_alone_loads_nothing() -> None:
    program = "import sys; before = {*sys.modules}; import minimesh.cli; print(*sorted({*sys.modules} - before))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["minimesh", "minimesh.cli"]
