"""`include`: the further files of a project, by name or by pattern."""

import glob
import os
import re
import shlex
from pathlib import Path

from minimesh.spec import codes
from minimesh.spec.files import is_folder, is_there, toml_files_in
from minimesh.spec.kinds import quote
from minimesh.spec.many import ListOf
from minimesh.spec.node import Node, RejectedError
from minimesh.spec.schema import Key, Kind
from minimesh.spec.source import path_from
from minimesh.spec.suggest import closest

_DEEP = re.compile(r"(?:^|/)(\*\*)(?:/(?=.)|$)")


class Included(Kind[tuple[Path, ...]]):
    """The name of a file, which must be there, or a pattern, which should match one; from the folder of this file."""

    noun = "a string"
    example = '"services/*.toml"'

    def read(self, node: Node) -> tuple[Path, ...]:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if not text:
            node.reject(codes.VALUE, f"{node.label} names no file", self.example)
        if glob.has_magic(text):
            return self._matching(node, text)
        path = node.folder / text
        if is_folder(path):
            fix = quote(f"{text.rstrip('/')}/*.toml")
            node.reject(codes.NO_FILE, f"{node.label}: {quote(text)} is a folder, not a file", fix)
        if not is_there(path):
            near = closest(text, toml_files_in(path.parent, node.folder))
            hint = f"; did you mean {quote(near)}?" if near else ""
            message = f"{node.label}: the file {quote(text)} is not there{hint}"
            fix = quote(near) if near else f"touch {shlex.quote(path_from(Path.cwd(), path))}"
            node.reject(codes.NO_FILE, message, fix)
        return (path,)

    def _matching(self, node: Node, pattern: str) -> tuple[Path, ...]:
        found = sorted(matching(pattern, str(node.folder)))
        files = tuple(path for name in found if not is_folder(path := node.folder / name))
        if not files:
            message = f"{node.label}: {quote(pattern)} matches no file"
            node.warn(codes.NO_FILE, message, "it may stay, for files to come")
        return files


def matching(pattern: str, folder: str) -> set[str]:
    """What a pattern matches. "**" goes into no hidden folder, and follows no link, which may lead back."""
    deep = _DEEP.search(pattern)
    if deep is None:
        return set(glob.glob(pattern, root_dir=folder))  # noqa: PTH207 - absolute ones too
    before, after = pattern[: deep.start(1)], pattern[deep.end() :]
    found: set[str] = set()
    for start in matching(before, folder) if before else {""}:
        for at, folders, _ in os.walk(os.path.join(folder, start)):  # noqa: PTH118 - names, as glob has them
            folders[:] = [name for name in folders if not name.startswith(".")]
            found |= {os.path.join(at, name) for name in matching(after or "*", at)}  # noqa: PTH118
    return found


INCLUDED = Included()
INCLUDE = Key(
    "include",
    ListOf(INCLUDED, "a list of names and patterns of files"),
    "further files, merged in this order; minimesh.local.toml, where it is there, comes last by itself",
    "[]",
)


def included(document: Node) -> tuple[list[Path], list[Path]]:
    """The files that a document includes, in order, each once; and its patterns, whatever they match.

    What is wrong with one leaves the others."""
    node = document.children.get(INCLUDE.name)
    paths: dict[Path, None] = {}
    patterns: list[Path] = []
    for item in node.items if node else ():
        try:
            found = INCLUDED.read(item)
        except RejectedError:
            continue
        paths |= dict.fromkeys(Path(os.path.normpath(path)) for path in found)
        if glob.has_magic(text := item.text()):
            patterns.append(Path(os.path.normpath(item.folder / text)))
    return list(paths), patterns
