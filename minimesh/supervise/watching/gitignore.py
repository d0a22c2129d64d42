"""One line of a .gitignore, as gitignore(5) has it, for whoever walks down folder by folder.

A line is asked about an entry itself, never about what is below a folder that it means: whoever walks does not go in
there. (Libraries that answer for whole paths get `!folder` wrong, because it then takes back what other lines leave
out in that folder.)
"""

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase, translate
from typing import NamedTuple

from minimesh.supervise.watching.globs import ANY_FOLDERS

_ESCAPED = re.compile(r"\\(.)")


class Line(NamedTuple):
    """back: it takes back in what lines before it leave out. fits: whether it means an entry, by the names of the
    folders down to it and its own."""

    back: bool
    folders_only: bool
    fits: Callable[[Sequence[str]], bool]


def parse(line: str) -> Line | None:
    """None: it says nothing."""
    text = re.sub(r"(?<!\\) +$", "", line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    back = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if not text:
        return None
    parts = [_ESCAPED.sub(_literal, part.replace("[^", "[!")) for part in text.removeprefix("/").split("/")]
    if "/" in text:
        return Line(back, folders_only, lambda names: _is_way(parts, names))
    matches = re.compile(translate(parts[0])).match
    return Line(back, folders_only, lambda names: matches(names[-1]) is not None)


def _literal(escaped: re.Match[str]) -> str:
    """The character behind a backslash, for fnmatch, which knows none."""
    return f"[{escaped[1]}]" if escaped[1] in "*?[" else escaped[1]


def _is_way(parts: Sequence[str], names: Sequence[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == ANY_FOLDERS:
        if len(parts) == 1:
            return bool(names)
        return any(_is_way(parts[1:], names[skipped:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _is_way(parts[1:], names[1:])
