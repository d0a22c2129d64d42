"""Completion in the shells themselves, with and without a running mesh."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that does not run, and a `minimesh` to call."""
    (tmp_path / "minimesh.toml").write_text(
        'version = 1\n[services.front]\nrun = "x"\n[services.back]\nrun = "x"\n[tasks.seed]\nrun = "x"\n'
    )
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "minimesh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m minimesh "$@"\n')
    program.chmod(0o755)
    return tmp_path


def ask(folder: Path, *command: str) -> list[str]:
    ran = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["lo"], {"logs"}),
        (["--json", "lo"], {"logs"}),
        (["logs", "fr"], {"front"}),
        (["-p", ".", "logs", ""], {"front", "back", "seed"}),
        (["run", ""], {"front", "back", "seed"}),
        (["logs", "--s"], {"--since"}),
        (["stat", "--fail"], {"--fail-below"}),
        (["version", ""], set()),
        (["logs", "--level", "w"], {"warn"}),
        (["up", "--attach", "fr"], {"front"}),
        (["edges", "-o", ""], {"table", "wide", "json", "name"}),
        (["tap", "-o", "n"], set()),
        (["stat", "--by", "ro"], {"route"}),
        (["tap", "--max", ""], set()),
        (["config", "-f", "mini"], {"minimesh.toml"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash(folder: Path, words: list[str], offered: set[str]) -> None:
    typed = " ".join(f"'{word}'" for word in ["minimesh", *words])
    script = f'eval "$(minimesh completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _minimesh; '
    assert set(ask(folder, "bash", "-c", script + 'echo "${COMPREPLY[@]}"')) == offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("minimesh lo", "logs"),
        ("minimesh logs fr", "front"),
        ("minimesh logs --sin", "--since"),
        ("minimesh logs --level w", "warn"),
        ("minimesh up --attach fr", "front"),
        ("minimesh config -f mini", "minimesh.toml"),
        ("minimesh completion z", "zsh"),
    ],
)
def test_fish(folder: Path, line: str, offered: str) -> None:
    script = f'minimesh completion fish | source; complete -C "{line}"'
    assert ask(folder, "fish", "--no-config", "-c", script)[0] == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_can_read_it(folder: Path) -> None:
    """What Tab shows was looked at in a terminal; here the script is loaded after compinit, as ~/.zshrc would."""
    script = 'autoload -U compinit; compinit -u -d ./dump; eval "$(minimesh completion zsh)"; print $_comps[minimesh]'
    assert ask(folder, "zsh", "-f", "-c", script) == ["_minimesh"]


def test_names_are_quiet_about_what_is_wrong(folder: Path) -> None:
    (folder / "minimesh.toml").write_text("services = 3\n[")
    ran = subprocess.run([*MINIMESH, "completion", "names"], cwd=folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
