"""Globs, taken apart at their slashes and walked down folder by folder: only folders that can hold a match are entered.

`*`, `?` and `[…]` stay within one name, `**` is any number of folders, none too. A pattern whose last part has none of
these may name a folder as well, and then means everything below it.
"""

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

ANY_FOLDERS = "**"
EVERYTHING = (ANY_FOLDERS, "*")
_MAGIC = re.compile(r"[*?[]")

Parts = tuple[str, ...]
"""What is left of a pattern below a folder; never empty."""


class Glob(NamedTuple):
    """root: the folder from which the parts count."""

    root: Path
    parts: Parts

    @property
    def named(self) -> bool:
        """It names one file or folder, so whoever wrote it means that one whatever else is left out."""
        return not any(map(is_magic, self.parts))


def is_magic(part: str) -> bool:
    return _MAGIC.search(part) is not None


def glob(root: Path, pattern: str) -> Glob:
    """A pattern that counts from a folder; it may begin with `../`."""
    parts = [part for part in posixpath.normpath(pattern).split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        root = root.parent
        parts.pop(0)
    if not parts:
        return Glob(root, EVERYTHING)
    if parts[-1] == ANY_FOLDERS:
        parts.append("*")
    return Glob(root, tuple(parts))


def is_match(parts: Parts, name: str) -> bool:
    """Whether a file of this name, right here, is meant."""
    if parts[0] == ANY_FOLDERS:
        return is_match(parts[1:], name)
    return len(parts) == 1 and fnmatchcase(name, parts[0])


def below(parts: Parts, name: str, *, linked: bool = False) -> Iterator[Parts]:
    """What is left of a pattern in a folder of this name; nothing: no match can be in there.

    linked: the folder is a symbolic link, which only its name leads through, for `**` could go round in circles.
    """
    head, *rest = parts
    if linked and is_magic(head):
        return
    if head == ANY_FOLDERS:
        yield parts
        yield from below(tuple(rest), name)
    elif fnmatchcase(name, head):
        if rest:
            yield tuple(rest)
        elif not is_magic(head):
            yield EVERYTHING
