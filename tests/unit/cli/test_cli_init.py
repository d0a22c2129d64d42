"""`minimesh init`: what it writes, and that it writes nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.cli.found import service_name
from minimesh.cli.init import quoted
from minimesh.spec import load

Command = Callable[..., tuple[int, str, str]]


def test_from_nothing_it_writes_twelve_lines_that_are_valid(minimesh: Command, project: Path) -> None:
    code, out, err = minimesh("init")
    assert (code, out) == (0, "")
    assert "wrote minimesh.toml: 1 service, 1 route (/ -> web), an example to edit" in err
    assert {file.name for file in project.iterdir()} == {"minimesh.toml", ".gitignore"}
    assert (project / ".gitignore").read_text() == ".minimesh/\n"
    assert len((project / "minimesh.toml").read_text().splitlines()) == 12
    loaded = load(project / "minimesh.toml", {})
    assert (list(loaded.project.services), loaded.warnings) == (["web"], ())


def test_it_never_overwrites_without_force(minimesh: Command, project: Path) -> None:
    (project / "minimesh.toml").write_text("mine")
    code, _, err = minimesh("init")
    assert code == 2
    assert err.startswith("error[MM406]: minimesh.toml is already there\n")
    assert (project / "minimesh.toml").read_text() == "mine"
    assert minimesh("init", "--force")[0] == 0
    assert (project / "minimesh.toml").read_text() != "mine"


def test_gitignore_is_extended_once(minimesh: Command, project: Path) -> None:
    (project / ".gitignore").write_text("*.pyc")
    minimesh("init")
    minimesh("init", "--force")
    assert (project / ".gitignore").read_text() == "*.pyc\n.minimesh/\n"


def test_a_procfile_gives_a_service_a_line(minimesh: Command, project: Path) -> None:
    (project / "Procfile").write_text('# c\nweb: python app.py -p $PORT\nWork_er: echo "a\\b"\n\nnonsense\n')
    code, _, err = minimesh("init")
    assert (code, err.splitlines()[0]) == (0, "found Procfile (web, work-er)")
    services = load(project / "minimesh.toml", {}).project.services
    assert {name: service.has_port for name, service in services.items()} == {"web": True, "work-er": False}
    assert str(services["work-er"].process and services["work-er"].process.command) == 'echo "a\\b"'


def test_package_json_runs_its_dev_script_with_the_manager_whose_lock_is_there(
    minimesh: Command, project: Path
) -> None:
    (project / "package.json").write_text(json.dumps({"scripts": {"start": "node .", "dev": "vite"}}))
    (project / "pnpm-lock.yaml").touch()
    code, out, _ = minimesh("init", "--json")
    assert (code, json.loads(out)["found"]) == (0, "package.json")
    service = load(project / "minimesh.toml", {}).project.services["web"]
    assert str(service.process and service.process.command) == "pnpm run dev"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"scripts": {"test": "x"}}', '{"scripts": 3}'])
def test_a_package_json_without_a_script_to_run_is_nothing_to_start_from(
    minimesh: Command, project: Path, content: str
) -> None:
    (project / "package.json").write_text(content)
    assert minimesh("init", "--from", "package.json")[0] == 2
    assert "nothing found" in minimesh("init")[2]


@given(st.text(max_size=100))
def test_any_text_becomes_a_service_name(text: str) -> None:
    name = service_name(text)
    assert name.isascii()
    assert name[0].isalpha()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) <= 63
    assert name not in ("gateway", "self")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_quoted_text_is_that_text_in_toml(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"x = {quoted(text)}") == {"x": text}
