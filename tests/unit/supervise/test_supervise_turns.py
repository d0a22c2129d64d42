"""When a task has its turn: once, or when what it is made from has changed."""

import json
import stat
from pathlib import Path

import pytest

from minimesh.model.service import When
from minimesh.supervise.program import Program
from minimesh.supervise.turns import Turn, Turns, digest_of

NOON = 1_000_000_000.0


def migrate(when: When, recipe: tuple[str, ...] = ("migrate", "A=1")) -> Program:
    return Program("migrate", ("migrate",), Path(), task=True, when=when, recipe=recipe)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "1.sql").write_text("create")
    return tmp_path


def test_a_task_without_a_when_always_has_its_turn_and_nothing_is_written(root: Path) -> None:
    turns, task = Turns(root / "tasks.json"), migrate(When())
    turns.completed(task, turns.of(task), NOON)
    assert turns.of(task).unneeded == ""
    assert not (root / "tasks.json").exists()


def test_once_is_once_in_a_project_whatever_changes(root: Path) -> None:
    file, once = root / "tasks.json", When(always=False, root=root)
    assert Turns(file).of(migrate(once)).unneeded == ""
    Turns(file).completed(migrate(once), Turns(file).of(migrate(once)), NOON)
    assert Turns(file).of(migrate(once, ("other",))).unneeded.startswith("not run: completed on 2001-09-0")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_changes_gives_another_turn(root: Path) -> None:
    turns = Turns(root / "tasks.json")
    task = migrate(When(always=False, changed=("sql/*.sql",), root=root))
    turns.completed(task, turns.of(task), NOON)
    assert Turns(root / "tasks.json").of(task).unneeded.startswith("not run: unchanged since 2001-09-0")
    (root / "sql" / "notes.txt").write_text("does not match")
    assert turns.of(task).unneeded
    (root / "sql" / "1.sql").write_text("create more")
    changed = turns.of(task)
    assert changed.unneeded == ""
    turns.completed(task, changed, NOON)
    assert turns.of(task).unneeded
    assert not turns.of(migrate(task.when, ("migrate", "A=2"))).unneeded
    (root / "sql" / "1.sql").rename(root / "sql" / "2.sql")
    assert not turns.of(task).unneeded


def test_names_and_contents_do_not_run_into_each_other(root: Path) -> None:
    when = When(always=False, changed=("sql/*",), root=root)
    digests = set()
    for names in (["a", "bc"], ["ab", "c"], ["abc"], []):
        for path in (root / "sql").iterdir():
            path.unlink()
        for name in names:
            (root / "sql" / name).write_text("x")
        digests.add(digest_of(when, ()))
    assert len(digests) == 4


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"migrate": 1}', '{"migrate": {"completed": "x", "digest": ""}}', "\0"]
)
def test_a_damaged_file_costs_only_the_memory(root: Path, text: str) -> None:
    file, once = root / "tasks.json", migrate(When(always=False, root=root))
    file.write_text(text)
    turns = Turns(file)
    assert "tasks run again" in turns.trouble
    assert turns.of(once) == Turn("", "")
    turns.completed(once, Turn("", ""), NOON)
    assert json.loads(file.read_text()) == {"migrate": {"completed": NOON, "digest": ""}}
    assert Turns(file).trouble == ""


def test_no_file_is_no_trouble(root: Path) -> None:
    assert Turns(root / "tasks.json").trouble == ""
    assert Turns(None).of(migrate(When(always=False))).unneeded == ""


@pytest.mark.parametrize("pattern", ["sql/**", "sql", "**/*.sql", "sql/*/*", "../*/sql/**", "sql/more/2.sql"])
def test_a_file_in_a_folder_in_a_folder_counts(root: Path, pattern: str) -> None:
    when = When(always=False, changed=(pattern,), root=root)
    (root / "sql" / "more").mkdir()
    before = digest_of(when, ())
    (root / "sql" / "more" / "2.sql").write_text("alter")
    assert digest_of(when, ()) != before


def test_what_the_mesh_and_tools_write_does_not_count_unless_it_is_named(root: Path) -> None:
    everything, named = (When(always=False, changed=(each,), root=root) for each in ("**", "node_modules/x.json"))
    before = digest_of(everything, ()), digest_of(named, ())
    for folder in (".minimesh", "node_modules"):
        (root / folder).mkdir()
        (root / folder / "x.json").write_text("{}")
    assert digest_of(everything, ()) == before[0]
    assert digest_of(named, ()) != before[1]


def test_a_link_that_goes_round_in_circles_is_no_folder_to_walk(root: Path) -> None:
    (root / "sql" / "self").symlink_to(root / "sql")
    digest_of(When(always=False, changed=("sql/**", "**/*.sql"), root=root), ())
