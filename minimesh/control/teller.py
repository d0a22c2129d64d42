"""Between the mesh's loop and whoever reports to a person: a thread, because a terminal may stand still."""

import threading
from collections import deque

from minimesh.control.report import Event, LogLine, Note, Reporter

LINES_WAITING = 10_000


class Teller:
    """Calls a reporter with each event, in order, on a thread of its own. Itself a Reporter that never waits."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._waiting: deque[Event | threading.Event | None] = deque()
        self._given = self._told = 0
        self._wake = threading.Semaphore(0)
        self._dropped = 0
        self._thread = threading.Thread(target=self._tell, name="teller", daemon=True)
        self._thread.start()

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, LogLine) and len(self._waiting) >= LINES_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._put(Note(f"{dropped} lines of output are not shown here; minimesh logs has them"))
        self._put(event)

    @property
    def behind(self) -> bool:
        """Not everything was told yet."""
        return self._told < self._given

    def flush(self, patience: float) -> None:
        """Returns when everything was told, or after `patience` seconds. Blocks: not for the loop's thread."""
        done = threading.Event()
        self._put(done)
        done.wait(patience)

    def close(self, patience: float) -> None:
        """Returns when everything was told, or after `patience` seconds."""
        self._put(None)
        self._thread.join(patience)

    def _put(self, event: Event | threading.Event | None) -> None:
        self._given += 1
        self._waiting.append(event)
        self._wake.release()

    def _tell(self) -> None:
        while True:
            self._wake.acquire()
            event = self._waiting.popleft()
            if event is None:
                return
            if isinstance(event, threading.Event):
                self._told += 1
                event.set()
            else:
                self._reporter(event)
                self._told += 1
