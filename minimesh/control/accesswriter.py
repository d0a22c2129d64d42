"""Writes the access log: what the ring has, ten times a second, never in the way of a request."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio import to_thread

from minimesh.model.project import AccessLog, LogFormat, LogLimits, Project
from minimesh.model.record import Record
from minimesh.policy.resend import MOST_CONNECT_TRIES
from minimesh.supervise.logfile import LogFile
from minimesh.telemetry.accesslog import AccessLine, access_line, as_json, as_text
from minimesh.telemetry.ring import Ring

EVERY = 0.1
SLICE = 64
"""Records that are formatted in one turn of the loop: about half a millisecond."""


class AccessWriter:
    """Records that the ring lost before they were written, or that the disk did not take, are counted as dropped."""

    def __init__(
        self, settings: AccessLog, limits: LogLimits, ring: Ring, say: Callable[[str], None], position: int = 0
    ) -> None:
        """say: told once when the log cannot be written, and once when it can again. position: in the ring."""
        self._file = LogFile(settings.path, limits)
        self._format: Callable[[AccessLine], str] = as_json if settings.format is LogFormat.JSON else as_text
        self._ring = ring
        self.position = position
        self._say = say
        self._failing = False
        self._turn = anyio.Lock()
        self.dropped = 0

    async def run(self) -> None:
        """Until it is cancelled; then what is left is written."""
        with suppress(OSError):  # then the first write says so
            await anyio.Path(self._file.path.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            while True:
                await anyio.sleep(EVERY)
                await self.write()
        finally:
            with anyio.CancelScope(shield=True):
                await self.write()
            self._file.close()

    async def write(self) -> None:
        """What has come since the last time."""
        async with self.held():
            pass

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """What has come is written, and nothing more is being written, until this is left."""
        async with self._turn:
            await self._write()
            yield

    async def _write(self) -> None:
        batch = self._ring.since(self.position)
        self.position = batch.next - len(batch.records)
        self.dropped += batch.dropped
        for start in range(0, len(batch.records), SLICE):
            records = batch.records[start : start + SLICE]
            text = self._lines(records)
            written = await to_thread.run_sync(self._file.write, text)
            self.position += len(records)  # with each slice: whoever is cancelled before the next has lost none
            if not written:
                self.dropped += len(records)
            self._tell(failing=not written)

    def _tell(self, *, failing: bool) -> None:
        if failing != self._failing:
            self._failing = failing
            what = "cannot be written" if failing else f"goes on, {self.dropped} lines are missing"
            self._say(f"the access log {self._file.path} {what}")

    def _lines(self, records: Sequence[Record]) -> str:
        offset = self._ring.wall_offset
        return "".join([f"{self._format(access_line(record, offset, MOST_CONNECT_TRIES))}\n" for record in records])


class AccessLogKeeper:
    """Has the access log written as the project says, also when it says something else."""

    def __init__(self, project: Project, ring: Ring, say: Callable[[str], None]) -> None:
        self._settings = project.access_log, project.logs
        self._ring = ring
        self._position = ring.total
        self._writer: AccessWriter | None = None
        self._say = say
        self._scope = anyio.CancelScope()
        self._earlier = 0

    @property
    def dropped(self) -> int:
        """Lines that no file has, since the start."""
        return self._earlier + (self._writer.dropped if self._writer else 0)

    def take(self, project: Project) -> None:
        """From now on as this project says; what the old log lacks still goes there."""
        settings = project.access_log, project.logs
        if settings != self._settings:
            self._settings = settings
            self._scope.cancel()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """What has come is written, and nothing more is being written, until this is left."""
        if self._writer is None:
            yield
        else:
            async with self._writer.held():
                yield

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            log, limits = self._settings
            with anyio.CancelScope() as self._scope:
                if log is None:
                    await anyio.sleep_forever()
                else:
                    self._writer = AccessWriter(log, limits, self._ring, self._say, self._position)
                    await self._writer.run()
            self._position = self._ring.total if self._writer is None else self._writer.position
            self._earlier, self._writer = self.dropped, None
