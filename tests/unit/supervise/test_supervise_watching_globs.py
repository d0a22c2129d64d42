"""Which files a glob means, by walking down; held against pathlib, which walks its own way."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.supervise.watching.globs import EVERYTHING, below, glob, is_match


def matches(pattern: str, path: str) -> bool:
    """Walks down to a file as a tree does."""
    *folders, name = path.split("/")
    states = {glob(Path("/"), pattern).parts}
    for folder in folders:
        states = {rest for parts in states for rest in below(parts, folder)}
    return any(is_match(parts, name) for parts in states)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.toml", "a.toml", True),
        ("*.toml", "web/a.toml", False),
        ("web/**/*.py", "web/app.py", True),
        ("web/**/*.py", "web/a/b/app.py", True),
        ("web/**/*.py", "webs/app.py", False),
        ("web/**/*.py", "web/app.pyc", False),
        ("**/*.py", "app.py", True),
        ("web", "web/a/b.txt", True),
        ("web", "web", True),
        ("web/", "web/x", True),
        ("./web//x.py", "web/x.py", True),
        ("web/**", "web/a/b.txt", True),
        ("web/**", "web", False),
        ("web/*", "web/a/b.txt", False),
        ("we?", "web/a.txt", False),
        ("**/web", "a/web/b/c.txt", True),
        ("**/a/**/b.py", "x/a/y/a/b.py", True),
        ("a/../b.py", "b.py", True),
        (".", "any/thing", True),
        ("[ab].py", "b.py", True),
        (".env*", ".env.local", True),
        ("*", ".hidden", True),
    ],
)
def test_a_glob_means_files(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_a_pattern_may_climb() -> None:
    found = glob(Path("/shop/web"), "../lib/**/*.py")
    assert (found.root, found.parts, found.named) == (Path("/shop"), ("lib", "**", "*.py"), False)


def test_a_pattern_without_magic_names_what_it_means() -> None:
    assert glob(Path("/shop"), "web/settings.json").named
    assert not glob(Path("/shop"), "web/*.json").named


def test_only_folders_that_can_hold_a_match_are_entered() -> None:
    assert list(below(("web", "*.py"), "node_modules")) == []
    assert list(below(("web", "*.py"), "web")) == [("*.py",)]
    assert list(below(("*.py",), "web")) == []
    assert list(below(("web",), "web")) == [EVERYTHING]


def test_only_its_name_leads_through_a_link() -> None:
    assert list(below(("**", "*.py"), "link", linked=True)) == []
    assert list(below(("*", "x.py"), "link", linked=True)) == []
    assert list(below(("link", "*.py"), "link", linked=True)) == [("*.py",)]


NAMES = st.sampled_from(["a", "b", "ab", "a.py", "b.py"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(st.sampled_from(["a", "b", "*", "?", "**", "*.py", "a*", "[!a]*"]), min_size=1, max_size=4).map(
    "/".join
)


@settings(max_examples=150, deadline=None)
@given(st.sets(PATHS, max_size=8), PATTERNS)
def test_walking_down_finds_what_pathlib_finds(paths: set[str], pattern: str) -> None:
    files = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        whole = f"{pattern}/*" if pattern.endswith("**") else pattern
        found = {path for path in root.glob(whole) if path.is_file()}
        last = pattern.rsplit("/", maxsplit=1)[-1]
        if last in ("a", "b"):
            found |= {path for one in root.glob(whole) if one.is_dir() for path in one.rglob("*") if path.is_file()}
        assert {path for path in files if matches(pattern, path)} == {str(path.relative_to(root)) for path in found}
