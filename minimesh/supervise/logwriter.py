"""Writes the logs of all services in a thread of its own: a slow disk holds up neither requests nor services."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from minimesh.supervise.logfile import LogFile

BACKLOG = 16 * 1024 * 1024
"""Characters that wait to be written at most, of all services together; what comes then is not in the files."""
AT_ONCE = 16
"""Batches of one file that are written as one; a batch is what a read of a pipe gave, some 16 KiB."""
LAST_PATIENCE = 5.0
"""Seconds for what still waits at the end."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of one file. `lost` is told how many lines were not written."""

    file: LogFile
    text: str
    lines: int
    lost: Callable[[int], None]


class LogWriter:
    """The thread starts with the first batch and ends with `close`; a later batch starts another one."""

    def __init__(self) -> None:
        self._waiting: deque[Batch] = deque()
        self._characters = 0
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing = False
        self._ending = False

    def put(self, batch: Batch) -> bool:
        """Never waits. False: there is no room, the batch is left out."""
        with self._wake:
            if self._characters + len(batch.text) > BACKLOG and self._waiting:
                return False
            self._waiting.append(batch)
            self._characters += len(batch.text)
            if self._thread is None:
                self._ending = False
                self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        return True

    def flush(self, patience: float = LAST_PATIENCE) -> bool:
        """Returns when all that was put has been written; False after `patience` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._waiting and not self._writing, patience)

    def close(self, patience: float = LAST_PATIENCE) -> bool:
        """Writes what waits. False: the disk takes longer than `patience` seconds, and does not get the rest."""
        self.flush(patience)
        with self._wake:
            thread, self._thread = self._thread, None
            self._ending = True
            self._waiting.clear()
            self._characters = 0
            self._wake.notify_all()
        if thread is None:
            return True
        thread.join(patience)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                batches = self._next()
                self._writing = True
            text = "".join([batch.text for batch in batches])
            if not batches[0].file.write(text):
                batches[0].lost(sum(batch.lines for batch in batches))
            with self._wake:
                self._writing = False
                self._characters -= len(text)
                self._wake.notify_all()

    def _next(self) -> list[Batch]:
        """The first of those that wait, and what follows for the same file, up to a bound."""
        batches = [self._waiting.popleft()]
        while self._waiting and self._waiting[0].file is batches[0].file and len(batches) < AT_ONCE:
            batches.append(self._waiting.popleft())
        return batches
