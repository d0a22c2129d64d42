"""Who holds a port that we wanted: evidence for an error, on Linux; elsewhere nobody is named."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minimesh.control.paths import STATE_FOLDER
from minimesh.supervise import sockets
from minimesh.supervise.children import RUN_VARIABLE, processes, stat
from minimesh.supervise.kin import INSTANCE_VARIABLE, environment, program_of
from minimesh.supervise.runfile import read_run


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port. cwd: "" where it may not be read; age: seconds since its start.

    mesh: what of minimesh it is, `payments of the mesh in ~/other-shop`; "" where it is none.
    """

    pid: int
    program: str
    cwd: str
    age: float | None = None
    mesh: str = ""

    def __str__(self) -> str:
        """`node, pid 4312, started 2 h ago in ~/other-shop (not a minimesh process)`."""
        since = f", started {_ago(self.age)} ago" if self.age is not None else ""
        place = f" in {_short(self.cwd)}" if self.cwd else ""
        return f"{self.program}, pid {self.pid}{since}{place} ({self.mesh or 'not a minimesh process'})"


def holder_of(port: int) -> Holder | None:
    """The first process found that listens on a TCP port; None if it cannot be told (another user's)."""
    found = sockets.owners([one.inode for one in sockets.listening(port) if one.inode], processes())
    return next((_described(pid) for pid in found.values()), None)


def _described(pid: int) -> Holder:
    cwd = ""
    with suppress(OSError):
        cwd = str(Path(f"/proc/{pid}/cwd").readlink())
    return Holder(pid, program_of(pid) or "?", cwd, _age(pid), _mesh(pid, cwd))


def _age(pid: int) -> float | None:
    entry = stat(pid)
    if entry is None:
        return None
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - entry.start / os.sysconf("SC_CLK_TCK"))


def _mesh(pid: int, cwd: str) -> str:
    """A mesh itself, or what one has started: of which project is told by the folders above."""
    found = environment(pid, (RUN_VARIABLE, INSTANCE_VARIABLE))
    for root in (Path(cwd), *Path(cwd).parents) if cwd else ():
        run = read_run(root / STATE_FOLDER / "run.json")
        if run is not None and run.pid == pid:
            return f"the mesh in {_short(str(root))}"
        if run is not None and run.run_id == found.get(RUN_VARIABLE):
            return f"{found.get(INSTANCE_VARIABLE, '?').partition('/')[0]} of the mesh in {_short(str(root))}"
    return "of another mesh" if RUN_VARIABLE in found else ""


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _short(path: str) -> str:
    """With `~` for the user's own folder."""
    with suppress(RuntimeError, ValueError):
        return str(Path("~") / Path(path).relative_to(Path.home()))
    return path
