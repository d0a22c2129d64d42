"""What services say: the latest in memory, all of it in files, live for whoever follows."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from minimesh.model.clock import Clock
from minimesh.model.project import LogLimits
from minimesh.supervise.logfile import LogFile
from minimesh.supervise.logwriter import LAST_PATIENCE, Batch, LogWriter

LINES_KEPT = 1_000
CHARACTERS_KEPT = 1024 * 1024
"""Of a service in memory, whichever is reached first."""


class Stream(StrEnum):
    """MESH: what the supervisor itself has to say about the service."""

    STDOUT = "stdout"
    STDERR = "stderr"
    MESH = "mesh"


class LogLine(NamedTuple):
    """`time` is wall seconds. `text` is what the program wrote, control characters and all: escape to show.

    `at` is monotonic seconds, and what lines are put in order by: the wall clock may be set back.
    """

    time: float
    service: str
    replica: int
    stream: Stream
    text: str
    at: float


Follower = Callable[[Sequence[LogLine]], None]
"""Called with lines of one service as they come; must not wait."""


class ServiceLog:
    """The log of one service, all replicas together."""

    def __init__(self, service: str, file: LogFile, clock: Clock, followers: list[Follower], writer: LogWriter) -> None:
        self.service = service
        self._file = file
        self._writer = writer
        self._unwritten = self._left_out = self._unsaid = 0
        self._clock = clock
        self._followers = followers
        self._kept: deque[LogLine] = deque()
        self._characters = 0

    def add(self, replica: int, stream: Stream, texts: Sequence[str]) -> None:
        if not texts:
            return
        now, at = self._clock.wall(), self._clock.monotonic()
        lines = [LogLine(now, self.service, replica, stream, text, at) for text in texts]
        prefix = f"{_stamp(now)} {replica} {stream} "
        self._write(_stamp(now), "".join([f"{prefix}{text}\n" for text in texts]), len(texts))
        self._keep(lines)
        for follower in tuple(self._followers):
            follower(lines)

    def tail(self, count: int = LINES_KEPT) -> list[LogLine]:
        """The latest lines, oldest first."""
        return list(self._kept)[-count:] if count > 0 else []

    def restore(self, lines: list[LogLine]) -> None:
        """Lines of an earlier image of this program: kept, and told to nobody."""
        self._keep(lines)

    @property
    def dropped(self) -> int:
        """Lines that the file does not have: a write failed (a full disk), or the disk does not keep up."""
        return self._unwritten + self._left_out

    def take(self, limits: LogLimits) -> None:
        self._file.limits = limits

    def close(self) -> None:
        self._file.close()

    def _write(self, stamp: str, text: str, lines: int) -> None:
        """The file itself says where lines are missing."""
        if self._unsaid:
            text = f"{stamp} 1 {Stream.MESH} {self._unsaid} lines left out: the disk does not keep up\n{text}"
        if self._writer.put(Batch(self._file, text, lines, self._lose)):
            self._unsaid = 0
        else:
            self._left_out += lines
            self._unsaid += lines

    def _lose(self, lines: int) -> None:
        """Called by the writer's thread, and by nobody else."""
        self._unwritten += lines

    def _keep(self, lines: list[LogLine]) -> None:
        self._kept.extend(lines)
        self._characters += sum([len(line.text) for line in lines])
        while len(self._kept) > LINES_KEPT or self._characters > CHARACTERS_KEPT:
            self._characters -= len(self._kept.popleft().text)


class Logs:
    """The logs of a project, files in `folder` (made with mode 0700) as <service>.log."""

    def __init__(self, folder: Path, limits: LogLimits, clock: Clock) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._followers: list[Follower] = []
        self._logs: dict[str, ServiceLog] = {}
        self._writer = LogWriter()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def of(self, service: str) -> ServiceLog:
        log = self._logs.get(service)
        if log is None:
            file = LogFile(self._folder / f"{service}.log", self._limits)
            log = self._logs[service] = ServiceLog(service, file, self._clock, self._followers, self._writer)
        return log

    def take(self, limits: LogLimits) -> None:
        """Other limits for all of them, from the next write on."""
        self._limits = limits
        for log in self:
            log.take(limits)

    def __iter__(self) -> Iterator[ServiceLog]:
        return iter(tuple(self._logs.values()))

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Calls `follower` with all that comes from now on; returns what ends that."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def flush(self, patience: float = LAST_PATIENCE) -> bool:
        """Waits until the files have all that came so far; False if a disk takes longer than `patience` seconds."""
        return self._writer.flush(patience)

    def close(self) -> None:
        """Writes what is left, within a few seconds."""
        if self._writer.close():
            for log in self:
                log.close()


def _stamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
