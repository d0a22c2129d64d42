"""Whether a file is still what it was: by its content where it is small, else by size, time and inode.

So a `touch`, a save without an edit, or a `git checkout` there and back are no change.
"""

import hashlib
import os
import stat
from typing import NamedTuple

SMALL = 256 * 1024
"""Bytes up to which a file is read."""
RECENT = 1_000_000_000
"""Nanoseconds: a file that was written so lately is read again, for its time may be the same after another write."""


class Fingerprint(NamedTuple):
    """digest: b"" where the file is not small, or could not be read. changed: when it was written or came to this
    name, as the kernel's clock has it, which is some milliseconds behind. Times in nanoseconds."""

    modified: int
    size: int
    inode: int
    digest: bytes
    changed: int = 0

    def is_same(self, other: "Fingerprint") -> bool:
        if self.digest and other.digest:
            return self.digest == other.digest
        return self[:3] == other[:3]


def fingerprint(path: str, before: Fingerprint | None, now: float) -> Fingerprint | None:
    """Of a plain file that is there; None: there is none. now: wall seconds."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    facts = (found.st_mtime_ns, found.st_size, found.st_ino)
    if before is not None and before[:3] == facts and found.st_mtime_ns < now * 1e9 - RECENT:
        return before
    return Fingerprint(*facts, _digest(path) if found.st_size <= SMALL else b"", found.st_ctime_ns)


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return hashlib.blake2b(file.read(SMALL + 1), digest_size=16).digest()
    except OSError:
        return b""
