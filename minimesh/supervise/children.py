"""Which children are ours to wait for, and which were adopted and are only to be buried.

As a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) the mesh becomes the parent of whatever its services leave
behind. Such a process must be waited for when it ends, and nobody else's exit status may be taken: so only
pids are waited for that were seen to be adopted.
"""

import ctypes
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36
RUN_VARIABLE = "MINIMESH_RUN"


def become_subreaper() -> bool:
    """Makes this process adopt orphaned descendants. False where the system has no such thing."""
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


class ProcessStat(NamedTuple):
    """From /proc/<pid>/stat (proc_pid_stat(5)). start: in ticks since the machine's own."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start: int


def stat(pid: int) -> ProcessStat | None:
    """None: there is no such process, or no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - a path costs half as much again
            text = file.read()
    except OSError:
        return None
    # The name stands in brackets and may hold brackets and spaces itself.
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessStat(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def processes() -> list[int]:
    """All pids of the machine; empty without /proc."""
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - there may be thousands
    return []


def belongs_to(pid: int, run_ids: frozenset[str]) -> bool:
    """Was started, at whatever remove, by one of these runs. A dead process has no environment left."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    prefix = RUN_VARIABLE.encode() + b"="
    return any(
        entry.startswith(prefix) and entry[len(prefix) :].decode("utf-8", "replace") in run_ids
        for entry in environment.split(b"\0")
    )


class Children:
    """The direct children of this process, told apart."""

    def __init__(self, run_id: str) -> None:
        self._run_ids = frozenset({run_id})
        self._ours: set[int] = set()
        self._adopted: set[int] = set()

    def add(self, pid: int) -> None:
        """This one we started and wait for ourselves."""
        self._ours.add(pid)

    def remove(self, pid: int) -> None:
        self._ours.discard(pid)

    def hand_over(self, kept: Iterable[int]) -> tuple[list[int], list[int]]:
        """Those that were adopted, and those of ours that are not among the kept."""
        return sorted(self._adopted), sorted(self._ours - {*kept})

    def take_over(self, adopted: Iterable[int]) -> None:
        """These have nobody who waits for them, as an earlier image knew."""
        self._adopted.update(adopted)

    def bury(self) -> int:
        """Waits for the adopted that have ended; returns how many. Never blocks."""
        session = os.getsid(0)
        strangers = [pid for pid in _children_of_this_process() if pid not in self._ours]
        self._adopted.intersection_update(strangers)
        buried = 0
        for pid in strangers:
            found = stat(pid)
            if found is not None and self._is_adopted(found, session) and found.state == "Z":
                with suppress(ChildProcessError):
                    buried += os.waitpid(pid, os.WNOHANG)[0] != 0
                self._adopted.discard(pid)
        return buried

    def adopted(self) -> list[int]:
        """Who was left behind by our own and lives, with or without our variables, and their descendants."""
        session = os.getsid(0)
        roots = {
            pid
            for pid in _children_of_this_process()
            if pid not in self._ours and (found := stat(pid)) is not None and self._is_adopted(found, session)
        }
        everybody = [found for pid in processes() if (found := stat(pid)) is not None] if roots else []
        parents = {found.pid: found.parent for found in everybody}
        return [found.pid for found in everybody if found.state not in "ZX" and _descends(found.pid, roots, parents)]

    def _is_adopted(self, child: ProcessStat, session: int) -> bool:
        """Only who is sure to be: other code in this process may have children, too.

        A child that anybody starts here is in our session or leads one of its own. One that is neither
        came with a parent between; a leader is recognised by its environment while it lives.
        """
        if child.session == session:
            return False
        if child.session != child.pid or child.pid in self._adopted:
            return True
        if belongs_to(child.pid, self._run_ids):
            self._adopted.add(child.pid)
        return child.pid in self._adopted


def _descends(pid: int, roots: Collection[int], parents: Mapping[int, int]) -> bool:
    seen = set[int]()
    while pid not in roots and pid in parents and pid not in seen:
        seen.add(pid)
        pid = parents[pid]
    return pid in roots


def _children_of_this_process() -> list[int]:
    """The kernel keeps the list by thread (proc_tid_children(5)); where it does not, there is the long way."""
    me = os.getpid()
    try:
        lists = [path.read_bytes() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:
        lists = []
    if lists:
        return [int(pid) for text in lists for pid in text.split()]
    return [pid for pid in processes() if (found := stat(pid)) is not None and found.parent == me]
