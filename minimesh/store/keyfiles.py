"""Key files: for their owner alone, written whole and on the disk before anybody counts on them."""

import os
import stat
from pathlib import Path


class KeyFileError(Exception):
    """A key that cannot be used as it lies there; `fix`: what to type."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def write_key(path: Path, content: bytes) -> None:
    """A file of mode 0600 in a folder of mode 0700. Raises OSError, with the old one still there."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def remove_key(path: Path) -> None:
    """Raises OSError."""
    path.unlink(missing_ok=True)
    if path.parent.exists():
        _sync_folder(path.parent)


def read_key(path: Path) -> bytes:
    """The content of a key file that nobody else could read. Raises KeyFileError."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path} is not a file", f"ls -l {path}")
            if status.st_mode & 0o077:
                message = f"{path} can be read or changed by others (mode {status.st_mode & 0o777:04o})"
                raise KeyFileError(message, f"chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        raise KeyFileError(f"{path} is not there", f"ls -l {path.parent}") from None
    except PermissionError:
        raise KeyFileError(f"{path} cannot be read by this user", f"chmod 600 {path}") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}", f"ls -l {path}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
