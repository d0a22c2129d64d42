"""The state folder of a project, `<root>/.minimesh`: what lies where in it, and where its socket is."""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minimesh.supervise.privatefile import write_private

STATE_FOLDER = ".minimesh"
LONGEST_SOCKET_PATH = 100
"""In bytes. The kernel's limit is 108 on Linux and 104 on macOS, with the closing NUL."""


class UnsafeFolderError(Exception):
    """A folder that should be ours alone belongs to someone else, or is open to others."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths only; nothing exists before `create`. `root` is absolute."""

    root: Path

    @property
    def path(self) -> Path:
        return self.root / STATE_FOLDER

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def mesh_log(self) -> Path:
        """Output of a detached mesh itself."""
        return self.logs / "mesh.log"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def run(self) -> Path:
        """The running mesh: run id, pid, start. Left behind by one that was killed."""
        return self.path / "run.json"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    @property
    def leaders(self) -> Path:
        """The processes that the running mesh has started."""
        return self.path / "leaders"

    @property
    def state(self) -> Path:
        """What must outlive a run: authorities, what is revoked, keys of the API."""
        return self.path / "state.db"

    @property
    def ca(self) -> Path:
        """The keys of the project's own roots."""
        return self.path / "ca"

    @property
    def tasks(self) -> Path:
        """Which tasks have completed, and what they were made from."""
        return self.path / "tasks.json"

    @property
    def dev_key(self) -> Path:
        """What signs the tokens of `minimesh token`."""
        return self.path / "token.key"

    @property
    def socket_hint(self) -> Path:
        """Names the control socket where that cannot be in this folder, and the folder that it is of."""
        return self.path / "control.path"

    def create(self) -> None:
        """Make the folder, for its owner only, and hide it from git."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            write_private(ignore, "*\n")

    def socket(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Where a mesh of this project would bind its control socket."""
        near = self.path / "control.sock"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return runtime_folder(environ) / f"{name}.sock"

    def bound_socket(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Where a running mesh of this project has bound it, whatever its environment was."""
        try:
            path, _, root = self.socket_hint.read_text().strip().partition("\n")
        except OSError:
            return self.socket(environ)
        # In a copy of a folder the hint is still that of the original.
        return Path(path) if root in ("", str(self.root)) else self.socket(environ)


def runtime_folder(environ: Mapping[str, str]) -> Path:
    """$XDG_RUNTIME_DIR/minimesh, or a folder of this user's under /tmp: both are short.

    The variable counts where it names a folder of this user, as its specification has it: `su` and `sudo` may leave
    somebody else's, and containers one that is not there.
    """
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base, "minimesh") if base.startswith("/") and _is_own(base) else Path(f"/tmp/minimesh-{os.getuid()}")


def _is_own(folder: str) -> bool:
    try:
        status = Path(folder).stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter, or check that an existing one is so.

    Raises UnsafeFolderError: under /tmp somebody else may have made it first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UnsafeFolderError(f"{folder} is not a folder of this user's alone")
