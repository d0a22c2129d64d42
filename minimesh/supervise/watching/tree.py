"""The watched part of a folder: which folders can hold matches, which files match, and what they were when last seen.

An event only says where to look; a look compares what is there with what was. So a file that was deleted and is there
again, a save by way of another file, lost events and polling need nothing of their own.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import NamedTuple

from minimesh.supervise.watching.fingerprint import Fingerprint, fingerprint
from minimesh.supervise.watching.globs import Parts, below, is_magic, is_match
from minimesh.supervise.watching.ignoring import (
    GITIGNORE,
    Rules,
    is_always_out,
    is_ignored,
    lines_of,
    rules_above,
)
from minimesh.supervise.watching.target import Left, Target

MOST_FILES = 100_000
"""More are not looked at: that is no source code any more."""

Found = dict[str, list[str]]
"""By key of a target, the absolute paths of its files that have changed, have come or have gone."""


class Reach(NamedTuple):
    """What of a glob is left in a folder. target, glob: which one it is. named: see `Glob.named`. since: rules before
    this one do not count."""

    target: int
    glob: int
    parts: Parts
    named: bool
    since: int = 0


class Folder:
    """inode: to see that another one has taken its place. files: those that match, with the keys they concern."""

    def __init__(self, path: str, inode: int, reaches: frozenset[Reach], rules: tuple[Rules, ...]) -> None:
        self.path = path
        self.inode = inode
        self.reaches = reaches
        self.above = rules
        self.rules = rules
        self.gitignore = b""
        self.files: dict[str, tuple[frozenset[str], Fingerprint]] = {}
        self.folders: set[str] = set()
        self._exact: dict[str, list[Reach]] = defaultdict(list)
        self._others: list[Reach] = []
        for reach in reaches:
            head = reach.parts[0]
            (self._others if is_magic(head) else self._exact[head]).append(reach)

    def candidates(self, name: str) -> list[Reach]:
        return [*self._exact.get(name, ()), *self._others]


class Tree:
    """Of one root. `watch` is called for each folder before it is read, `leave` for each that is of no interest any
    more. `start` and `look` read files: not on the loop."""

    def __init__(
        self,
        root: Path,
        targets: Sequence[Target],
        watch: Callable[[str], None],
        leave: Callable[[str], None],
        known: Mapping[str, Fingerprint] | None = None,
    ) -> None:
        self.root = str(root)
        self.folders: dict[str, Folder] = {}
        self.full = False
        self._targets = targets
        self._left = [Left(target) for target in targets]
        self._reaches = frozenset(
            Reach(number, index, glob.parts, glob.named)
            for number, target in enumerate(targets)
            for index, glob in enumerate(target.globs())
            if glob.root == root
        )
        self._met: set[tuple[int, int]] = set()
        self._rules = rules_above(root)
        self._watch = watch
        self._leave = leave
        self._known = dict(known or {})
        self._files = 0
        self._now = 0.0
        self._since = inf
        self._found: Found = {}

    def start(self, now: float, since: float = inf) -> Found:
        """Reads all of it. A change is what differs from the fingerprints that were known before, and of the other
        files what came or was written after `since` (wall seconds)."""
        self._since = since
        found = self._looked([self.root], now, fresh=True)
        self._since = inf
        self._known.clear()
        return found

    def look(self, paths: Iterable[str], now: float) -> Found:
        """Looks into these folders, as far as they are in this tree, and into new ones below. now: wall seconds."""
        return self._looked(paths, now, fresh=False)

    @property
    def prints(self) -> dict[str, Fingerprint]:
        """Of all files, by path."""
        return {
            os.path.join(folder.path, name): print_  # noqa: PTH118
            for folder in self.folders.values()
            for name, (_, print_) in folder.files.items()
        }

    def unmet(self) -> list[tuple[str, str]]:
        """Globs that no file matches so far, behind the key of their target."""
        globs = sorted({(reach.target, reach.glob) for reach in self._reaches} - self._met)
        return [(self._targets[target].key, self._targets[target].paths[glob]) for target, glob in globs]

    def sees(self, path: str, name: str, *, folder: bool) -> bool:
        """Whether a look would be worth it after something happened to this entry of a folder."""
        known = self.folders.get(path)
        if known is None:
            return False
        if not name or name == GITIGNORE or name in known.files or name in known.folders:
            return True
        at = os.path.join(path, name)  # noqa: PTH118
        return bool(self._into(known, name, linked=False) if folder else self._keys(known, name, at))

    def _looked(self, paths: Iterable[str], now: float, *, fresh: bool) -> Found:
        self._now, self._found = now, {}
        for path in sorted(set(paths)):
            known = self.folders.get(path)
            if path == self.root:
                self._visit(path, _inode(path), self._reaches, self._rules, fresh=fresh)
            elif known is not None:
                self._visit(path, known.inode, known.reaches, known.above, fresh=fresh)
        return self._found

    def _visit(
        self,
        path: str,
        inode: int,
        reaches: frozenset[Reach],
        above: tuple[Rules, ...],
        *,
        fresh: bool,
        deep: bool = False,
    ) -> None:
        """fresh: what comes or goes is so because others are wanted now, and no change. deep: known folders too."""
        folder = self.folders.get(path)
        if folder is None or (folder.inode, folder.reaches, folder.above) != (inode, reaches, above):
            before, folder = folder, Folder(path, inode, reaches, above)
            if before is not None:
                folder.files, folder.folders, folder.gitignore = before.files, before.folders, before.gitignore
                folder.rules = (*above, *before.rules[len(before.above) :])
            deep = True
        self.folders[path] = folder
        self._watch(path)
        try:
            with os.scandir(path) as found:
                folders, files = _sorted_out(found)
        except OSError:
            self._drop(path, fresh=fresh)
            return
        if self._take_rules(folder, {entry.name for entry in files}):
            fresh = deep = True
        self._take_files(folder, files, fresh=fresh)
        self._take_folders(folder, folders, fresh=fresh, deep=deep)

    def _take_rules(self, folder: Folder, names: Collection[str]) -> bool:
        """Reads its .gitignore; whether that says something else than before."""
        content = _content(os.path.join(folder.path, GITIGNORE)) if GITIGNORE in names else b""  # noqa: PTH118
        if content == folder.gitignore:
            return False
        folder.gitignore = content
        own = (Rules(folder.path, lines_of(content)),) if content else ()
        folder.rules = (*folder.above, *own)
        return True

    def _take_files(self, folder: Folder, entries: Iterable[os.DirEntry[str]], *, fresh: bool) -> None:
        gone = dict(folder.files)
        for entry in entries:
            keys = self._keys(folder, entry.name, entry.path)
            before = folder.files.get(entry.name)
            if not keys or (before is None and self._is_full()):
                continue
            seen = before[1] if before else self._known.pop(entry.path, None)
            now = fingerprint(entry.path, seen, self._now)
            if now is None:
                continue
            gone.pop(entry.name, None)
            folder.files[entry.name] = (keys, now)
            self._files += before is None
            new = not fresh or now.changed > self._since * 1e9
            if new if seen is None else not now.is_same(seen):
                self._tell(entry.path, keys)
        for name, (keys, _) in gone.items():
            self._forget_file(folder, name, keys, fresh=fresh)

    def _take_folders(self, folder: Folder, entries: Iterable[os.DirEntry[str]], *, fresh: bool, deep: bool) -> None:
        gone = set(folder.folders)
        for entry in entries:
            reaches = self._into(folder, entry.name, linked=entry.is_symlink())
            if not reaches:
                continue
            gone.discard(entry.name)
            folder.folders.add(entry.name)
            known, inode = self.folders.get(entry.path), _inode(entry.path)
            if deep or known is None or known.inode != inode:
                self._visit(entry.path, inode, reaches, folder.rules, fresh=fresh, deep=deep)
        for name in gone:
            folder.folders.discard(name)
            self._drop(os.path.join(folder.path, name), fresh=fresh)  # noqa: PTH118

    def _keys(self, folder: Folder, name: str, path: str) -> frozenset[str]:
        """Whom a file concerns."""
        matching = [reach for reach in folder.candidates(name) if is_match(reach.parts, name)]
        meant = [reach for reach, _ in self._meant(folder, matching, name, path, folder_=False)]
        self._met.update((reach.target, reach.glob) for reach in meant)
        return frozenset(self._targets[reach.target].key for reach in meant)

    def _into(self, folder: Folder, name: str, *, linked: bool) -> frozenset[Reach]:
        """What is left of the globs in a folder in a folder; nothing: there is no reason to go there."""
        path = os.path.join(folder.path, name)  # noqa: PTH118
        rests = [
            (reach, rest)
            for reach in folder.candidates(name)
            for rest in dict.fromkeys(below(reach.parts, name, linked=linked))
        ]
        meant = dict(self._meant(folder, [reach for reach, _ in rests], name, path, folder_=True))
        return frozenset(
            Reach(reach.target, reach.glob, rest, reach.named and not is_magic(rest[0]), meant[reach])
            for reach, rest in rests
            if reach in meant
        )

    def _meant(
        self, folder: Folder, reaches: Sequence[Reach], name: str, path: str, *, folder_: bool
    ) -> Iterable[tuple[Reach, int]]:
        """Those of which nothing leaves this entry out, each with the rule from which on others count in there."""
        if not reaches:
            return
        always = is_always_out(name, folder=folder_)
        verdicts: dict[int, bool] = {}
        for reach in reaches:
            if self._left[reach.target].out(path, folder=folder_):
                continue
            out = always
            if not always:
                if reach.since not in verdicts:
                    verdicts[reach.since] = is_ignored(folder.rules[reach.since :], path, folder=folder_)
                out = verdicts[reach.since]
            if not out:
                yield reach, reach.since
            elif reach.named:
                yield reach, len(folder.rules)

    def _drop(self, path: str, *, fresh: bool) -> None:
        """A folder that is not there, or not wanted, any more."""
        folder = self.folders.pop(path, None)
        if folder is None:
            return
        self._leave(path)
        for name, (keys, _) in tuple(folder.files.items()):
            self._forget_file(folder, name, keys, fresh=fresh)
        for name in folder.folders:
            self._drop(os.path.join(path, name), fresh=fresh)  # noqa: PTH118

    def _forget_file(self, folder: Folder, name: str, keys: Iterable[str], *, fresh: bool) -> None:
        del folder.files[name]
        self._files -= 1
        if not fresh:
            self._tell(os.path.join(folder.path, name), keys)  # noqa: PTH118

    def _tell(self, path: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._found.setdefault(key, []).append(path)

    def _is_full(self) -> bool:
        self.full = self.full or self._files >= MOST_FILES
        return self.full


def _sorted_out(entries: Iterable[os.DirEntry[str]]) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Folders, and everything else."""
    folders: list[os.DirEntry[str]] = []
    others: list[os.DirEntry[str]] = []
    for entry in entries:
        try:
            (folders if entry.is_dir() else others).append(entry)
        except OSError:
            others.append(entry)
    return folders, others


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except OSError:
        return 0


def _content(path: str) -> bytes:
    with suppress(OSError), open(path, "rb") as file:  # noqa: PTH123
        return file.read(1024 * 1024)
    return b""
