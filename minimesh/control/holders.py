"""Who holds a port that we wanted: evidence for an error, on Linux; elsewhere nobody is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port. cwd and command: "" where they may not be read."""

    pid: int
    program: str
    cwd: str

    def __str__(self) -> str:
        place = f", in {self.cwd}" if self.cwd else ""
        return f"{self.program}, pid {self.pid}{place}"


def holder_of(port: int, proc: Path = Path("/proc")) -> Holder | None:
    """The first process found that listens on a TCP port; None if it cannot be told (another user's)."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    if not inodes:
        return None
    for process in proc.glob("[0-9]*"):
        if any(target in inodes for target in _open_files(process)):
            return Holder(int(process.name), _text(process / "comm") or "?", _link(process / "cwd"))
    return None


def _listening(port: int, proc: Path) -> Iterator[str]:
    """Inodes of the sockets that listen on a port (proc_pid_net(5): columns 1, 3 and 9)."""
    for table in ("tcp", "tcp6"):
        for line in _text(proc / "net" / table).splitlines()[1:]:
            columns = line.split()
            if int(columns[1].rpartition(":")[2], 16) == port and columns[3] == _LISTEN:
                yield columns[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield _link(descriptor)
    except OSError:
        return  # it has ended, or belongs to somebody else


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
