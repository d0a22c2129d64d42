"""Questions to the file system whose answer is never an exception (what cannot be seen is not there), and reading."""

import errno
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG

LARGEST = 16 << 20
"""Bytes. No file of a configuration is larger."""


def is_there(path: Path) -> bool:
    return _mode(path) is not None


def is_folder(path: Path) -> bool:
    return S_ISDIR(_mode(path) or 0)


def is_plain_file(path: Path) -> bool:
    return S_ISREG(_mode(path) or 0)


def folders_in(path: Path) -> list[str]:
    """The names of the folders in a folder."""
    try:
        return [at.name for at in path.iterdir() if is_folder(at)]
    except OSError:
        return []


def toml_files_in(path: Path, start: Path) -> list[str]:
    """The TOML files in a folder, as paths from another one."""
    try:
        return [os.path.relpath(at, start) for at in path.iterdir() if at.suffix == ".toml"]
    except (OSError, ValueError):
        return []


def read_plain_file(path: Path, largest: int = LARGEST) -> bytes:
    """What a file holds. Raises OSError; also for what might never end, such as a pipe, and for what is too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        mode = os.fstat(descriptor).st_mode
        if S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
        content = source.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest >> 20} MiB")
    return content


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # no permission, a name too long, a loop of links …
        return None
