"""What the process asks of Python, of malloc and of the kernel, so that requests do not wait for them."""

import ctypes
import gc
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread gives way to the loop (Python's own 5 ms would be felt)."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_TRIM_ABOVE = 16 * 1024 * 1024
_MMAP_ABOVE = 32 * 1024 * 1024
"""The most that glibc takes. Read buffers are smaller: they must not be mapped and unmapped with each read."""

_GROWTH = 64 * 1024 * 1024
_OBJECTS = 300_000
_WORTH_IT = 5_000
_QUIET_EVERY = 10.0
_PAGE = resource.getpagesize()


def tune_process() -> None:
    """For the whole process, once."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    with suppress(OSError, AttributeError):  # another C library has other knobs
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_ABOVE)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_ABOVE)


def raise_descriptor_limit() -> int:
    """Lift the soft limit of open files to the hard one; returns what it was, for the children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS refuses "infinity"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def resident_bytes() -> int | None:
    """Memory of this process that is in RAM; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None


def open_descriptors() -> int | None:
    """How many files and sockets this process has open; None where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no Path for each of thousands
    except OSError:
        return None


class Collector:
    """Python's garbage collector, at times of our choosing.

    A finished exchange leaves no cycle and neither does a start, so there is little to find, and looking for it stalls
    the loop, for 0.2 s with a thousand services. What is there after the start is never looked at; the rest when
    nothing else is to be done, or when memory has grown.
    """

    def __init__(self) -> None:
        self.collections = 0
        self.longest = 0.0
        self._began = 0.0
        self._last = 0.0
        self._baseline = 0

    def take_over(self, now: float) -> None:
        """From here on the collector runs when `care` says so. Undone by `close`."""
        gc.disable()
        gc.callbacks.append(self._measure)
        self.started(now)

    def started(self, now: float) -> None:
        """Whatever was made until now stays."""
        gc.freeze()
        self._last = now
        self._baseline = resident_bytes() or 0

    def care(self, now: float, quiet: bool) -> None:
        """To be called about once a second; quiet: no request was served since."""
        objects = gc.get_count()[0]
        due = quiet and objects > _WORTH_IT and now - self._last > _QUIET_EVERY
        if due or objects > _OBJECTS or (resident_bytes() or 0) > self._baseline + _GROWTH:
            gc.collect()
            _give_back()
            self._last = now
            self._baseline = resident_bytes() or 0

    def close(self) -> None:
        if self._measure in gc.callbacks:
            gc.callbacks.remove(self._measure)
            gc.unfreeze()
            gc.enable()

    def _measure(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.collections += 1
            self.longest = max(self.longest, time.perf_counter() - self._began)


def _give_back() -> None:
    """Free pages that malloc keeps go back to the system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
