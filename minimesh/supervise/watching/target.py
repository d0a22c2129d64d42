"""What somebody wants to know of: the files of a service, or those of the mesh itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minimesh.supervise.watching.globs import Glob, glob
from minimesh.supervise.watching.ignoring import Rules


@dataclass(frozen=True, slots=True)
class Target:
    """key: whom to tell. paths: globs that count from `root`, an absolute folder. ignore: lines as in .gitignore,
    which count from there too."""

    key: str
    root: Path
    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()

    def globs(self) -> list[Glob]:
        return [glob(self.root, pattern) for pattern in self.paths]


class Left:
    """What a target leaves out for itself."""

    def __init__(self, target: Target) -> None:
        self._root = f"{target.root}/"
        self._rules = Rules(str(target.root), target.ignore) if target.ignore else None

    def out(self, path: str, *, folder: bool) -> bool:
        if self._rules is None or not path.startswith(self._root):
            return False
        return bool(self._rules.verdict(path, folder=folder))


def roots(targets: Sequence[Target]) -> list[Path]:
    """The folders from which the globs count, each once."""
    return list(dict.fromkeys(glob.root for target in targets for glob in target.globs()))
