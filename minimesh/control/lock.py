"""One mesh to a folder: a lock that ends with the process that holds it, however that ends, and says who it is."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class LockedError(Exception):
    """Another process holds the lock."""


class Lock:
    """Held while it is entered. Raises LockedError at once where somebody else holds it, OSError for the rest.

    inherited: the descriptor of one that an earlier image of this process entered.
    """

    def __init__(self, path: Path, inherited: int | None = None) -> None:
        self._path = path
        self._inherited = inherited
        self.descriptor = -1

    def __enter__(self) -> Self:
        if self._inherited is not None:
            os.set_inheritable(self._inherited, False)
            self.descriptor = self._inherited
            self._sign()
            return self
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LockedError(str(self._path)) from None
        self.descriptor = descriptor
        self._sign()
        return self

    def _sign(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, b"%d\n" % os.getpid(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def last_holder(path: Path) -> int | None:
    """The pid of who holds the lock, or held it last; None: nobody has, or another user."""
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return None
