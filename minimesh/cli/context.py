"""What every command is given: the common options, the two streams, and the way to the running mesh."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.table import Column, render
from minimesh.cli.terminal import Terminal

if TYPE_CHECKING:
    from minimesh.control.client import Client, Parameters

FILE_NAME = "minimesh.toml"


class Context(NamedTuple):
    """`file` and `project` (a folder) as -f and -p or their variables gave them; output: table, wide, json, name.

    `further`: what each -f after the first names.
    """

    out: Terminal
    err: Terminal
    file: str | None = None
    project: str | None = None
    output: str = "table"
    quiet: bool = False
    verbose: bool = False
    no_input: bool = False
    further: tuple[str, ...] = ()

    @property
    def json(self) -> bool:
        return self.output == "json"

    def note(self, text: str) -> None:
        """For people, on stderr; not with -q."""
        if not self.quiet:
            for line in self.err.fitting(text):
                self.err.line(line)

    def detail(self, text: str) -> None:
        """On stderr, with --verbose only."""
        if self.verbose:
            self.err.line(self.err.paint(text, "dim"))

    def folder(self) -> Path:
        """Where to look from: -p, or here. Absolute."""
        folder = Path(self.project or ".").resolve()
        if not folder.is_dir():
            raise CommandError("MM411", f"there is no folder {folder}", exit_code=Exit.USAGE)
        return folder

    def root(self) -> Path:
        """The folder whose mesh is meant: of -f, else the nearest upwards with a minimesh.toml or a state folder."""
        if self.file is not None:
            return (self.folder() / self.file).parent.resolve()
        here = self.folder()
        for folder in (here, *here.parents):
            if (folder / FILE_NAME).is_file() or (folder / ".minimesh").is_dir():
                return folder
        return here

    def client(self) -> Client:
        from minimesh.control.client import Client  # noqa: PLC0415 - costs 60 ms, and not every command asks

        root = self.root()
        self.detail(f"project {root}")
        return Client(root)

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """An answer of the control API. Raises what the client raises."""
        self.detail(f"GET {path} {json.dumps(parameters or {})}")
        return self.client().get(path, parameters)

    def stream(self, path: str, parameters: Parameters | None = None) -> Iterator[dict[str, Any]]:
        self.detail(f"GET {path} {json.dumps(parameters or {})}")
        return self.client().stream(path, parameters)

    def ticking(self, path: str, parameters: Parameters, every: float) -> Iterator[dict[str, Any] | None]:
        """The same, with None for each `every` seconds in which nothing came."""
        self.detail(f"GET {path} {json.dumps(parameters)}")
        return self.client().ticking(path, parameters, every)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], paint: Callable[[str], str] = str
    ) -> None:
        """Rows for people; `paint` colours a finished line. Columns marked wide come with `-o wide`."""
        for line in self.rows(columns, rows, paint):
            self.out.line(line)

    def rows(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], paint: Callable[[str], str] = str
    ) -> list[str]:
        """The lines of a table, the titles first."""
        shown = [index for index, column in enumerate(columns) if self.output == "wide" or not column.wide]
        titles, *lines = render(
            [columns[index] for index in shown], [[row[index] for index in shown] for row in rows], self.out
        )
        return [self.out.paint(titles, "bold"), *map(paint, lines)]

    def array(self, items: Sequence[object]) -> None:
        """The one JSON array of a list."""
        self.out.line(json.dumps(items, indent=2))

    def object(self, item: object) -> None:
        """One line of a JSON stream, or a single object."""
        self.out.line(json.dumps(item))
        self.out.flush()

    def names(self, names: Sequence[str]) -> None:
        for name in names:
            self.out.line(name)


def environment(name: str) -> str | None:
    """A variable that is set to something."""
    return os.environ.get(name) or None
