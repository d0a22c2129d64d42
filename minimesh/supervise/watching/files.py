"""The files that a glob means now, in the language of `watch`; what .gitignore leaves out is among them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from minimesh.supervise.watching.globs import Glob, Parts, below, is_match
from minimesh.supervise.watching.ignoring import is_always_out


def files(glob: Glob) -> Iterator[Path]:
    """Each once, in no order. Folders of tools are left out unless the glob names them, as are links that `**` would
    go through. Raises OSError for a folder that cannot be read."""
    yield from _within(glob.root, frozenset((glob.parts,)))


def _within(folder: Path, reaches: frozenset[Parts]) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return  # it has gone meanwhile
    for entry in entries:
        if _is(entry.is_dir):
            left = frozenset(rest for parts in reaches for rest in _into(parts, entry))
            if left:
                yield from _within(folder / entry.name, left)
        elif _is(entry.is_file) and any(is_match(parts, entry.name) for parts in reaches):
            yield folder / entry.name


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:
        return False  # a link that leads nowhere: to itself, or where we may not look


def _into(parts: Parts, entry: os.DirEntry[str]) -> Iterator[Parts]:
    if is_always_out(entry.name, folder=True) and parts[0] != entry.name:
        return
    yield from below(parts, entry.name, linked=entry.is_symlink())
