"""`minimesh init`: what it says, what it writes, and that it writes nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from minimesh.spec import load

Command = Callable[..., tuple[int, str, str]]
PROCFILE = "web: python app.py -p $PORT\nworker: celery worker\nrelease: ./migrate\n"


def test_from_nothing_it_writes_twelve_lines_that_are_valid(minimesh: Command, project: Path) -> None:
    code, out, err = minimesh("init")
    assert (code, out) == (0, "")
    assert "wrote minimesh.toml: 1 service, 1 route (/ -> web), an example to edit" in err
    assert {file.name for file in project.iterdir()} == {"minimesh.toml"}
    assert len((project / "minimesh.toml").read_text().splitlines()) == 12
    loaded = load(project / "minimesh.toml", {})
    assert (list(loaded.project.services), loaded.warnings) == (["web"], ())


def test_it_never_overwrites_without_force(minimesh: Command, project: Path) -> None:
    (project / "minimesh.toml").write_text("mine")
    code, _, err = minimesh("init")
    assert code == 2
    assert err.startswith("error[MM406]: minimesh.toml is already there\n")
    assert err.endswith("help: minimesh init --force\n")
    assert (project / "minimesh.toml").read_text() == "mine"
    assert minimesh("init", "--force")[0] == 0
    assert (project / "minimesh.toml").read_text() != "mine"


def test_what_it_cannot_read_leaves_what_is_there(minimesh: Command, project: Path) -> None:
    (project / "minimesh.toml").write_text("mine")
    (project / "compose.yaml").write_text("services: [")
    code, _, err = minimesh("init", "--force", "--json")
    error = json.loads(err)["error"]
    assert (code, error["code"], error["file"], error["line"]) == (2, "MM420", "compose.yaml", 1)
    assert (project / "minimesh.toml").read_text() == "mine"


def test_a_file_that_is_not_text_or_too_large_is_told(minimesh: Command, project: Path) -> None:
    (project / "Procfile").write_bytes(b"web: \xff\xfe\n")
    assert "Procfile cannot be understood: it is not UTF-8 text" in minimesh("init")[2]
    (project / "Procfile").write_bytes(b"#" * (1 << 20) + b"\n")
    assert "Procfile cannot be understood: it is larger than 1 MiB" in minimesh("init")[2]
    assert not (project / "minimesh.toml").exists()


def test_gitignore_is_extended_once(minimesh: Command, project: Path) -> None:
    (project / ".gitignore").write_text("*.pyc")
    assert "added .minimesh/ and minimesh.local.toml to .gitignore" in minimesh("init")[2]
    assert ".gitignore" not in minimesh("init", "--force")[2]
    assert (project / ".gitignore").read_text() == "*.pyc\n.minimesh/\nminimesh.local.toml\n"


def test_what_gitignore_has_in_other_words_is_not_added(minimesh: Command, project: Path) -> None:
    (project / ".gitignore").write_text("/.minimesh\n")
    assert "added minimesh.local.toml to .gitignore" in minimesh("init")[2]


def test_gitignore_is_made_in_a_work_tree_of_git_alone(minimesh: Command, project: Path) -> None:
    minimesh("init")
    assert not (project / ".gitignore").exists()
    below = project / "below"
    below.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    minimesh("init", "-p", str(below))
    assert (below / ".gitignore").read_text() == ".minimesh/\nminimesh.local.toml\n"


def test_as_json_it_is_one_object(minimesh: Command, project: Path) -> None:
    (project / "Procfile").write_text(PROCFILE)
    (project / "compose.yaml").write_text('services: {db: {image: postgres, ports: ["5432:5432"]}}')
    (project / "process-compose.yaml").write_text("processes: {old: {command: ./old, disabled: true}}")
    code, out, err = minimesh("init", "--json", "--no-input")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "file": str(project / "minimesh.toml"),
        "found": [
            {"file": "compose.yaml", "names": ["db"]},
            {"file": "Procfile", "names": ["web", "worker", "release"]},
        ],
        "services": ["db", "web", "worker"],
        "tasks": ["release"],
        "route": "web",
        "containers": ["db"],
        "ignored": [],
        "notes": [
            {"file": "process-compose.yaml", "service": "old", "text": "left out: it is `disabled`"},
        ],
    }


def test_quiet_says_nothing(minimesh: Command, project: Path) -> None:
    assert minimesh("init", "-q") == (0, "", "")


def test_one_kind_alone_can_be_taken(minimesh: Command, project: Path) -> None:
    (project / "Procfile").write_text(PROCFILE)
    (project / "compose.yaml").write_text("services: [")
    assert "found Procfile (web, worker, release)" in minimesh("init", "--from", "procfile")[2]
    assert minimesh("init", "--force", "--from", "kubernetes")[0] == 2


def test_a_file_of_another_name_is_made_beside_what_is_read(minimesh: Command, project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub/Procfile").write_text(PROCFILE)
    assert "wrote mesh.toml: 2 services, 1 task" in minimesh("init", "-f", "sub/mesh.toml")[2]
    assert list(load(project / "sub/mesh.toml", {}).project.services) == ["web", "worker"]


@pytest.mark.parametrize(
    "content", ["{}", '{"scripts": {"test": "x"}}', '{"scripts": 3}', '{"workspaces": ["../*", "**"]}']
)
def test_a_package_json_without_a_script_to_run_is_nothing_to_start_from(
    minimesh: Command, project: Path, content: str
) -> None:
    (project / "package.json").write_text(content)
    assert minimesh("init", "--from", "package.json")[0] == 2
    assert "nothing found" in minimesh("init")[2]


def test_no_other_command_pays_for_what_reads_yaml() -> None:
    code = "import sys, minimesh.cli.init; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"yaml", "minimesh.integrations", "minimesh.spec"} & {*loaded}


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_a_gitignore_that_is_no_file_is_left_alone(minimesh: Command, project: Path, kind: str) -> None:
    ignored = project / ".gitignore"
    match kind:
        case "folder":
            ignored.mkdir()
        case "pipe":
            os.mkfifo(ignored)
        case _:
            ignored.symlink_to(ignored)
    code, _, err = minimesh("init")
    assert code == 0
    assert "gitignore" not in err


def test_of_very_many_names_some_are_told(minimesh: Command, project: Path) -> None:
    (project / "Procfile").write_text("".join(f"worker{n}: run\n" for n in range(200)))
    _, _, err = minimesh("init")
    assert "worker19 and 180 more)" in err
    assert (project / "minimesh.toml").read_text().count("[services.") == 200
