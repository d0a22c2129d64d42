"""Everything that makes a project: its file and what is merged into it, in order."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from minimesh.spec import codes
from minimesh.spec.files import is_there
from minimesh.spec.include import INCLUDE, included
from minimesh.spec.merge import merge
from minimesh.spec.node import Node, Reading, RejectedError
from minimesh.spec.override import read_override
from minimesh.spec.problem import SpecError
from minimesh.spec.project import FILE, VERSION
from minimesh.spec.source import Source, read_source

LOCAL_FILE = "minimesh.local.toml"


@dataclass(slots=True)
class Gathered:
    """`document`: the merged whole; None if the project's own file cannot be read. `files`: absolute, in order.

    `patterns`: those of `include`, absolute. `whole`: no file had to be left out because it cannot be read.
    """

    reading: Reading
    document: Node | None = None
    files: dict[Path, None] = field(default_factory=dict)
    patterns: list[Path] = field(default_factory=list)
    whole: bool = True

    def first(self, file: Path) -> None:
        """The project's file, into which all others are merged."""
        self.files[file] = None
        self.document = self._grow_file(file)

    def file(self, file: Path) -> None:
        """A further file, once."""
        if file not in self.files:
            self.files[file] = None
            self._merge(self._grow_file(file))

    def override(self, text: str) -> None:
        self._merge(self._grow(lambda: read_override(text, self.reading.root)))

    def _grow_file(self, file: Path) -> Node | None:
        document = self._grow(lambda: read_source(file, self.reading.root))
        self.whole = self.whole and document is not None
        return document

    def _grow(self, read: Callable[[], Source]) -> Node | None:
        try:
            return self.reading.grow(read())
        except SpecError as error:
            for problem in error.problems:
                self.reading.note(problem)
            return None

    def _merge(self, later: Node | None) -> None:
        if later is None or self.document is None:
            return
        self.document = merge(self.document, _further(later), FILE, at_lower=True)


def gather(reading: Reading, file: Path, further: Sequence[Path], overrides: Sequence[str]) -> Gathered:
    """Reads all files of a project, and notes what is wrong with them as files."""
    gathered = Gathered(reading)
    gathered.first(file)
    local = file.with_name(LOCAL_FILE)
    includes, gathered.patterns = included(gathered.document) if gathered.document else ([], [])
    for path in includes:
        if path not in (local, *further):  # they have their turn
            gathered.file(path)
    if is_there(local):
        gathered.file(local)
    for path in further:
        gathered.file(path)
    for text in overrides:
        gathered.override(text)
    gathered.files.setdefault(local)
    return gathered


def _further(document: Node) -> Node:
    """A document without what only the first one says; `version` may stand there again."""
    version = document.children.get(VERSION.name)
    if version is not None:
        with suppress(RejectedError):
            VERSION.kind.read(version)
    include = document.children.get(INCLUDE.name)
    if include is not None:
        message = f"`{INCLUDE.name}` has a meaning in the project's first file only"
        include.note_key(codes.CONFLICT, message, f"move what is included to `{INCLUDE.name}` there")
    own = {name: node for name, node in document.children.items() if name not in (VERSION.name, INCLUDE.name)}
    return document.with_children(own)
