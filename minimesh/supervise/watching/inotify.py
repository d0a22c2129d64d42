"""inotify(7): the kernel tells which entry of a watched folder has changed. Linux alone."""

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x8, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
OVERFLOW, IGNORED, ONLY_FOLDERS, IS_FOLDER = 0x4000, 0x8000, 0x0100_0000, 0x4000_0000
WANTED = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF | ONLY_FOLDERS
"""A file counts as written when it is closed, so nobody sees half of it, and an open log wakes nobody up."""

_HEAD = struct.Struct("iIII")
_READ = 64 * 1024

OnEvent = Callable[[str, str, bool], None]
"""Folder, name in there ("": the folder itself), and whether that is a folder. Folder "": some events are lost."""


class Inotify:
    """Raises OSError where there is no inotify: ENOSYS elsewhere, EMFILE where max_user_instances are in use.

    `add` and `forget` may be called on another thread than that of the loop, one at a time.
    """

    def __init__(self, on_event: OnEvent) -> None:
        if sys.platform != "linux":
            raise OSError("there is no inotify here")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._on_event = on_event
        self._paths: dict[int, set[str]] = {}
        self._numbers: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def __len__(self) -> int:
        """Watched folders."""
        return len(self._numbers)

    def add(self, path: str) -> None:
        """Raises OSError: ENOSPC where max_user_watches are in use."""
        number = self._checked(self._libc.inotify_add_watch(self._fd, os.fsencode(path), WANTED))
        if self._numbers.get(path, number) != number:
            self.forget(path)  # another folder has taken its place
        self._numbers[path] = number
        self._paths.setdefault(number, set()).add(path)

    def forget(self, path: str) -> None:
        number = self._numbers.pop(path, None)
        if number is None or number not in self._paths:
            return
        self._paths[number].discard(path)
        if not self._paths[number]:
            del self._paths[number]
            self._libc.inotify_rm_watch(self._fd, number)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    def _read(self) -> None:
        data = b""
        with suppress(BlockingIOError):
            data = os.read(self._fd, _READ)
        at = 0
        while at < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size + length
            if mask & OVERFLOW:
                self._on_event("", "", False)
            elif mask & IGNORED:
                self._gone(number)
            else:
                name = os.fsdecode(data[at - length : at].rstrip(b"\0"))
                for path in tuple(self._paths.get(number, ())):
                    self._on_event(path, name, bool(mask & IS_FOLDER))

    def _gone(self, number: int) -> None:
        """The kernel has let go of a folder, mostly because it is not there any more."""
        for path in self._paths.pop(number, ()):
            if self._numbers.get(path) == number:
                del self._numbers[path]
            self._on_event(path, "", True)
