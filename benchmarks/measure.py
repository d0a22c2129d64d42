"""What processes cost: CPU time and resident memory, of a process and all of its descendants.

CPU time comes from the process's own clock (clock_getcpuclockid(3)): nanoseconds, all threads, ended ones included.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")

Round = dict[str, float]
"""What one round of one contender gave, by metric."""


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # ended meanwhile
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time together. OSError if one of them has ended: it must not, while it is measured."""
    return sum(time.clock_gettime(cpu_clock(pid)) for pid in pids)


def cpu_clock(pid: int) -> int:
    """The id of another process's CPU clock, as clock_getcpuclockid(3) makes it (linux/posix-timers_types.h)."""
    scheduler_clock = 2
    return (~pid << 3) | scheduler_clock


def rss_bytes(pids: Iterable[int]) -> int:
    return sum(status_bytes(pid, "VmRSS") for pid in pids)


def peak_bytes(pids: Iterable[int]) -> int:
    """The most that was resident since `reset_peak`; the sum of the processes' own peaks."""
    return sum(status_bytes(pid, "VmHWM") for pid in pids)


def reset_peak(pids: Iterable[int]) -> None:
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text("5")  # proc(5): resets the peak resident set size


def status_bytes(pid: int, field: str) -> int:
    """A size from /proc/PID/status."""
    return status_field((PROC / str(pid) / "status").read_text(), field)


def status_field(status: str, field: str) -> int:
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)
