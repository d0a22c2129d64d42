"""What is left out of a watch: what git leaves out, and what no editor's user means."""

import re
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import translate
from itertools import pairwise
from pathlib import Path

from minimesh.supervise.watching.gitignore import parse

GITIGNORE = ".gitignore"
FOLDERS = frozenset({".git", ".hg", ".jj", ".svn", ".minimesh", "__pycache__", "node_modules"})
FILES = ("*.sw[a-z]", "*~", "4913", ".#*", "#*#", "*___jb_tmp___", "*___jb_old___", ".DS_Store")
"""Backups, swap and lock files of vim, Emacs, JetBrains and others; vim tries a folder with a file called 4913."""

_LEFT = re.compile("|".join(map(translate, FILES)))


def is_always_out(name: str, *, folder: bool) -> bool:
    return name in FOLDERS if folder else _LEFT.match(name) is not None


class Rules:
    """The lines of one .gitignore; they count from its folder."""

    def __init__(self, folder: str, lines: Sequence[str]) -> None:
        self._start = len(folder.rstrip("/")) + 1
        self._lines = [line for line in reversed([parse(line) for line in lines]) if line is not None]

    def verdict(self, path: str, *, folder: bool) -> bool | None:
        """True: left out; False: taken back in; None: no line says anything. The last line that does counts.

        path: absolute, of something in the folder of these rules; whoever asks has come down to it."""
        names = path[self._start :].split("/")
        for line in self._lines:
            if (folder or not line.folders_only) and line.fits(names):
                return not line.back
        return None


def is_ignored(rules: Sequence[Rules], path: str, *, folder: bool) -> bool:
    """By the last of these that says anything, as with git the deepest .gitignore does."""
    verdicts = (each.verdict(path, folder=folder) for each in reversed(rules))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def rules_above(root: Path) -> tuple[Rules, ...]:
    """The rules that come down to a folder from the git working tree that it is in, its own .gitignore left out.

    Where they leave out the whole folder they do not count: somebody watches it nevertheless.
    """
    top = next((each for each in (root, *root.parents) if (each / ".git").exists()), None)
    if top is None:
        return ()
    rules = [Rules(str(top), _lines(_excludes(top / ".git")))]
    way = [each for each in reversed((root, *root.parents)) if each.is_relative_to(top)]
    for parent, child in pairwise(way):
        rules.append(Rules(str(parent), _lines(parent / GITIGNORE)))
        if is_ignored(rules, str(child), folder=True):
            return ()
    return tuple(rules)


def lines_of(content: bytes) -> list[str]:
    return content.decode("utf-8", "surrogateescape").splitlines()


def _excludes(git: Path) -> Path:
    """info/exclude of a repository; of a further working tree `.git` is a file that says where that one is."""
    if git.is_file():
        for line in _lines(git):
            if line.startswith("gitdir: "):
                git = git.parent / line.removeprefix("gitdir: ")
        for line in _lines(git / "commondir")[:1]:
            git = git / line
    return git / "info" / "exclude"


def _lines(path: Path) -> list[str]:
    with suppress(OSError):
        return lines_of(path.read_bytes())
    return []
