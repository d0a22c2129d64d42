"""Which files a mesh watches."""

from dataclasses import replace
from pathlib import Path

import pytest

from minimesh.control.layout import Layout
from minimesh.control.report import UpOptions
from minimesh.control.watched import OWN, changed_files, targets
from minimesh.control.world import World
from minimesh.spec.load import load
from minimesh.supervise.watching.target import Target

FILE = """
version = 1
include = ["services/*.toml", "../more/[ab]*/x.toml"]
[services.web]
run = "x"
env_file = ["web.env?", "../secret.env"]
watch = { paths = ["web"], ignore = ["*.md"] }
[services.elsewhere]
address = "127.0.0.1:9000"
[tasks.migrate]
run = "x"
env_file = "task.env"
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    root = tmp_path / "shop"
    (root / "services").mkdir(parents=True)
    (root / "minimesh.toml").write_text(FILE)
    (tmp_path / "secret.env").touch()
    (root / "task.env").touch()
    (root / "real.toml").write_text('[services.orders]\nrun = "x"\nwatch = ["*.py"]\n')
    (root / "services/orders.toml").symlink_to("../real.toml")
    loaded = load(root / "minimesh.toml", {})
    return World(UpOptions(root), loaded, loaded.project, Layout(), (), frozenset(), {})


def test_services_are_watched_in_any_case(world: World) -> None:
    root = world.project.root
    assert targets(world) == (
        Target("web", root, ("web",), ("*.md",)),
        Target("orders", root / "services", ("*.py",)),
    )


def test_the_mesh_watches_what_it_read_and_would_read(world: World) -> None:
    root = world.project.root
    watching = replace(world, options=replace(world.options, watch=True))
    own = [target for target in targets(watching, [root / "bad.toml"]) if target.key == OWN]
    assert {target.root: set(target.paths) for target in own} == {
        root: {
            "minimesh.toml",
            "services/orders.toml",
            "real.toml",
            "minimesh.local.toml",
            ".env",
            "web.env",
            "task.env",
            "bad.toml",
            "services/*.toml",
        },
        root.parent: {"secret.env"},
        root.parent / "more": {"[ab]*/x.toml"},
    }


def test_a_change_is_told_from_the_root_in_a_few_words(tmp_path: Path) -> None:
    assert changed_files([f"{tmp_path}/web/app.py"], tmp_path) == "web/app.py"
    assert changed_files([f"{tmp_path}/a", f"{tmp_path}/b"], tmp_path) == "a and 1 more file"
    assert changed_files(["/elsewhere/a"] * 3, tmp_path) == "/elsewhere/a and 2 more files"
    assert changed_files([f"{tmp_path}/a\x1b[2J"], tmp_path) == r"a\x1b[2J"
