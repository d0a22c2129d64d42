"""What is watched of a folder, what is left out, and what counts as a change; on real files, without any event."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.supervise.watching.fingerprint import SMALL
from minimesh.supervise.watching.target import Target
from minimesh.supervise.watching.tree import Tree

NOW = 1_700_000_000.0


class Watched:
    """A tree, and the folders for which it asked to be told."""

    def __init__(self, root: Path, *paths: str, ignore: tuple[str, ...] = (), key: str = "web") -> None:
        self.root = root
        self.folders: set[str] = set()
        self.tree = Tree(root, [Target(key, root, paths, ignore)], self.folders.add, self.folders.discard)
        self.tree.start(NOW)

    @property
    def files(self) -> set[str]:
        return {os.path.relpath(path, self.root) for path in self.tree.prints}

    @property
    def seen(self) -> set[str]:
        return {os.path.relpath(path, self.root) for path in self.folders}

    def look(self, *folders: str) -> list[str]:
        """What has changed in these folders; in the root where none is named."""
        paths = [str(self.root / folder) if folder else str(self.root) for folder in folders or ("",)]
        found = self.tree.look(paths, NOW)
        return sorted(os.path.relpath(path, self.root) for path in found.get("web", []))


def make(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def age(*paths: Path) -> None:
    """Long before NOW."""
    for path in paths:
        os.utime(path, (NOW - 100, NOW - 100))


def test_only_folders_that_can_hold_a_match_are_watched(tmp_path: Path) -> None:
    make(tmp_path, {"web/app.py": "", "web/node_modules/x/y.py": "", "docs/a/b.md": "", "node_modules/z/z.py": ""})
    watched = Watched(tmp_path, "web/**/*.py", "*.toml")
    assert watched.seen == {".", "web"}
    assert watched.files == {"web/app.py"}


@pytest.mark.parametrize("name", [".app.py.swp", "4913", "app.py~", ".#app.py", "app.py___jb_tmp___"])
def test_what_editors_leave_is_no_file_of_anybody(tmp_path: Path, name: str) -> None:
    watched = Watched(tmp_path, "**")
    make(tmp_path, {name: "x", "__pycache__/a.pyc": "", ".git/HEAD": "", ".minimesh/x": ""})
    assert watched.look() == []
    assert watched.seen == {"."}
    assert not watched.tree.sees(str(tmp_path), name, folder=False)


def test_what_is_not_meant_is_not_looked_at(tmp_path: Path) -> None:
    make(tmp_path, {"web/app.py": "", "web/a.log": ""})
    watched = Watched(tmp_path, "web/**/*.py")
    sees = watched.tree.sees
    assert sees(str(tmp_path / "web"), "app.py", folder=False)
    assert sees(str(tmp_path / "web"), "new.py", folder=False)
    assert sees(str(tmp_path / "web"), "new", folder=True)
    assert sees(str(tmp_path / "web"), ".gitignore", folder=False)
    assert not sees(str(tmp_path / "web"), "a.log", folder=False)
    assert not sees(str(tmp_path), "docs", folder=True)
    assert not sees(str(tmp_path / "elsewhere"), "a.py", folder=False)


def test_gitignore_counts_everywhere(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            ".git/info/exclude": "secret.py\n",
            ".gitignore": "*.gen.py\nbuild/\n",
            "shop/.gitignore": "!keep.gen.py\n/top.py\n",
            "shop/a.py": "",
            "shop/a.gen.py": "",
            "shop/keep.gen.py": "",
            "shop/secret.py": "",
            "shop/top.py": "",
            "shop/sub/top.py": "",
            "shop/build/x.py": "",
        },
    )
    watched = Watched(tmp_path / "shop", "**/*.py")
    assert watched.files == {"a.py", "keep.gen.py", "sub/top.py"}
    assert watched.seen == {".", "sub"}


def test_a_further_working_tree_has_the_excludes_of_its_repository(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "repo/.git/info/exclude": "secret.py\n",
            "repo/.git/worktrees/one/commondir": "../..\n",
            "one/.git": f"gitdir: {tmp_path}/repo/.git/worktrees/one\n",
            "one/secret.py": "",
            "one/a.py": "",
        },
    )
    assert Watched(tmp_path / "one", "*.py").files == {"a.py"}


def test_a_project_in_an_ignored_folder_is_watched(tmp_path: Path) -> None:
    make(tmp_path, {".git/HEAD": "", ".gitignore": "scratch/\n*.py\n", "scratch/shop/a.py": ""})
    assert Watched(tmp_path / "scratch" / "shop", "*.py").files == {"a.py"}


def test_whoever_names_a_file_means_it(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            ".git/HEAD": "",
            ".gitignore": "*.json\nbuild/\n",
            "a.json": "",
            "build/out.js": "",
            "build/other.js": "",
            "build/deep/x.js": "",
            "node_modules/left/pad.js": "",
        },
    )
    assert Watched(tmp_path, "a.json").files == {"a.json"}
    assert Watched(tmp_path, "*.json").files == set()
    assert Watched(tmp_path, "build/out.js").files == {"build/out.js"}
    assert Watched(tmp_path, "build/*.js").files == set()
    assert Watched(tmp_path, "build").files == {"build/out.js", "build/other.js", "build/deep/x.js"}
    assert Watched(tmp_path, "node_modules/left/pad.js").files == {"node_modules/left/pad.js"}
    assert Watched(tmp_path, "a.json", ignore=("*.json",)).files == set()


def test_ignore_is_read_as_gitignore_is(tmp_path: Path) -> None:
    make(tmp_path, {"web/a.py": "", "web/a_test.py": "", "web/static/x.py": "", "web/gen/x.py": "", "gen/x.py": ""})
    watched = Watched(tmp_path, "**/*.py", ignore=("*_test.py", "web/static", "/gen/"))
    assert watched.files == {"web/a.py", "web/gen/x.py"}
    assert watched.seen == {".", "web", "web/gen"}


def test_an_edit_is_a_change_and_a_touch_is_none(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "1"})
    age(tmp_path / "a.py")
    watched = Watched(tmp_path, "*.py")
    (tmp_path / "a.py").touch()
    assert watched.look() == []
    (tmp_path / "a.py").write_text("1")
    assert watched.look() == []
    (tmp_path / "a.py").write_text("2")
    assert watched.look() == ["a.py"]
    assert watched.look() == []


def test_an_edit_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    file = make(tmp_path, {"a.py": "1"}) / "a.py"
    os.utime(file, (NOW, NOW))
    watched = Watched(tmp_path, "*.py")
    file.write_text("2")
    os.utime(file, (NOW, NOW))
    assert watched.look() == ["a.py"]


def test_of_a_large_file_time_and_size_decide(tmp_path: Path) -> None:
    file = make(tmp_path, {"a.bin": "x" * (SMALL + 1)}) / "a.bin"
    age(file)
    watched = Watched(tmp_path, "*.bin")
    assert watched.look() == []
    file.touch()
    assert watched.look() == ["a.bin"]


def test_an_atomic_save_and_a_file_that_is_back_are_what_they_hold(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "1", "b.py": "1"})
    watched = Watched(tmp_path, "*.py")
    make(tmp_path, {"new": "1"})
    (tmp_path / "new").replace(tmp_path / "a.py")
    (tmp_path / "b.py").unlink()
    make(tmp_path, {"b.py": "1"})
    assert watched.look() == []
    make(tmp_path, {"new": "2"})
    (tmp_path / "new").replace(tmp_path / "a.py")
    assert watched.look() == ["a.py"]


def test_files_that_come_and_go_are_changes(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "1"})
    watched = Watched(tmp_path, "**/*.py")
    make(tmp_path, {"b.py": "", "new/deep/c.py": ""})
    assert watched.look() == ["b.py", "new/deep/c.py"]
    assert watched.seen == {".", "new", "new/deep"}
    (tmp_path / "a.py").unlink()
    (tmp_path / "new").rename(tmp_path / "old")
    assert watched.look() == ["a.py", "new/deep/c.py", "old/deep/c.py"]
    assert watched.seen == {".", "old", "old/deep"}


def test_a_folder_that_another_one_replaced_is_read_anew(tmp_path: Path) -> None:
    make(tmp_path, {"web/sub/a.py": "1", "other/sub/a.py": "2", "other/sub/b.py": ""})
    watched = Watched(tmp_path, "web/**/*.py")
    (tmp_path / "web").rename(tmp_path / "gone")
    (tmp_path / "other").rename(tmp_path / "web")
    assert watched.look() == ["web/sub/a.py", "web/sub/b.py"]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watched = Watched(tmp_path, "web/**/*.py")
    assert watched.seen == {"."}
    make(tmp_path, {"web/a.py": ""})
    assert watched.look() == ["web/a.py"]
    assert watched.seen == {".", "web"}


def test_another_gitignore_changes_what_is_watched_and_is_no_change_itself(tmp_path: Path) -> None:
    make(tmp_path, {".git/HEAD": "", "a.py": "1", "gen/b.py": "1", "gen/deep/c.py": ""})
    watched = Watched(tmp_path, "**/*.py")
    make(tmp_path, {".gitignore": "gen/\n"})
    assert watched.look() == []
    assert (watched.files, watched.seen) == ({"a.py"}, {"."})
    make(tmp_path, {".gitignore": "c.py\n", "a.py": "2"})
    assert watched.look() == ["a.py"]
    assert watched.files == {"a.py", "gen/b.py"}
    make(tmp_path, {"gen/b.py": "2"})
    assert watched.look("gen") == ["gen/b.py"]


def test_lines_that_say_nothing_leave_the_others(tmp_path: Path) -> None:
    make(tmp_path, {".git/HEAD": "", ".gitignore": "!\n/\n\n# a.py\n*.gen\n", "a.gen": "", "a.py": ""})
    assert Watched(tmp_path, "a*").files == {"a.py"}


def test_no_pipe_is_opened_and_no_link_goes_in_circles(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    make(tmp_path, {"a.py": ""})
    assert Watched(tmp_path, "**").files == {"a.py"}


def test_a_file_concerns_each_whose_glob_meets_it(tmp_path: Path) -> None:
    make(tmp_path, {"lib/a.py": "1"})
    targets = [Target("web", tmp_path, ("web", "lib")), Target("orders", tmp_path, ("lib/*.py",))]
    tree = Tree(tmp_path, targets, lambda path: None, lambda path: None)
    tree.start(NOW)
    (tmp_path / "lib/a.py").write_text("2")
    path = str(tmp_path / "lib")
    assert tree.look([path], NOW) == {"web": [f"{path}/a.py"], "orders": [f"{path}/a.py"]}


def test_other_globs_remember_what_was_known(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "1", "b.txt": "1"})
    known = Watched(tmp_path, "*.py").tree.prints
    make(tmp_path, {"a.py": "2", "c.py": ""})
    tree = Tree(tmp_path, [Target("web", tmp_path, ("*",))], lambda path: None, lambda path: None, known)
    assert tree.start(NOW) == {"web": [str(tmp_path / "a.py")]}


def test_what_came_while_others_were_watched_is_a_change(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "1", "b.py": "1"})
    seen = (tmp_path / "b.py").stat().st_ctime
    tree = Tree(tmp_path, [Target("web", tmp_path, ("*",))], lambda path: None, lambda path: None)
    assert tree.start(NOW, seen + 60) == {}
    tree = Tree(tmp_path, [Target("web", tmp_path, ("b*",))], lambda path: None, lambda path: None)
    assert tree.start(NOW, seen - 1) == {"web": [str(tmp_path / "b.py")]}


SOME = (
    r"b/ /a *.py !a.py a/b **/b a/** !b a* #a /* !/b !b/ a//b ** / ! [^a] [!b].py \a ? a/*/b **/a/ a** \!a \#a \* [a\]b"
)
LINES = st.sampled_from([*SOME.split(), "a", "", "a ", r"a\ "])
NAMES = st.sampled_from(["a", "b", "c", "a.py", "b.py", "!a", "#a", "*"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=40, deadline=None)
@given(st.sets(PATHS, min_size=1, max_size=8), st.dictionaries(st.sampled_from(["", "a/", "b/"]), st.lists(LINES)))
def test_what_git_leaves_out_is_left_out(paths: set[str], ignores: dict[str, list[str]]) -> None:
    files = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        subprocess.run(["git", "init", "-q", name], check=True)
        make(root, dict.fromkeys(files, ""))
        for folder, lines in ignores.items():
            if (root / folder).is_dir():
                make(root, {f"{folder}.gitignore": "\n".join(lines)})
        listed = subprocess.run(
            ["git", "-C", name, "ls-files", "-z", "--others", "--exclude-standard"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")
        shown = {path for path in listed if path and not path.endswith(".gitignore")}
        assert {path for path in Watched(root, "**").files if not path.endswith(".gitignore")} == shown
