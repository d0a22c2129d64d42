"""A log file that rotates by size and never troubles who writes to it."""

import os
from contextlib import suppress
from pathlib import Path

from minimesh.model.project import LogLimits


class LogFile:
    """Appends to `path` (mode 0600), kept files are `path`.1 (the newest), .2, …

    Opens on the first write. A write that fails is dropped, and each later one tries again.
    """

    def __init__(self, path: Path, limits: LogLimits) -> None:
        self.path = path
        self.limits = limits
        self._fd: int | None = None
        self._size = 0
        self._torn = False

    def write(self, text: str) -> bool:
        """Appends whole lines. False: they were dropped, on a full disk perhaps after a part of them."""
        data = text.encode("utf-8", "replace")
        try:
            if self._fd is None:
                self._open()
            if self._size and self._size + len(data) > self.limits.max_size:
                self._rotate()
            self._append(data)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        if self._torn:
            data = b"\n" + data
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]
            self._torn = bool(data)

    def _rotate(self) -> None:
        """With `keep` 0 the file starts again from nothing."""
        self.close()
        for number in range(self.limits.keep, 0, -1):
            older = self._numbered(number - 1)
            with suppress(FileNotFoundError):
                older.replace(self._numbered(number))
        if self.limits.keep == 0:
            self.path.unlink(missing_ok=True)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
