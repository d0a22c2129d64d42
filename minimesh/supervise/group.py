"""Process groups: signalled, watched and ended as a whole."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import anyio

from minimesh.model.clock import Clock
from minimesh.supervise.children import processes, stat

KILL_PATIENCE = 2.0
"""Seconds after SIGKILL until a process in the kernel's hands is given up."""
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05


class Leader(Protocol):
    """The process that we started; its pid is the number of its group."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        ...


def send(group: int, number: int) -> None:
    """Signals whoever is left of a group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def exists(group: int) -> bool:
    """Somebody is in a group, be it a dead process that nobody waited for."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def members(group: int) -> list[int]:
    """Who is alive in a group. Without /proc a group that exists at all is reported by its number."""
    if not exists(group):
        return []
    pids = processes()
    if not pids:
        return [group]
    # The dead still count, hence the closer look.
    found = [stat(pid) for pid in pids]
    return [one.pid for one in found if one is not None and one.group == group and one.state not in "ZX"]


async def end(
    leader: Leader, number: int, deadline: Callable[[], float], clock: Clock, bury: Callable[[], object]
) -> list[int]:
    """Signals a group, waits, sends SIGKILL from `deadline()` (monotonic) on; returns who is left: nobody.

    The deadline is asked again and again, so that whoever waits may lose patience.
    """
    if leader.poll() is not None and not members(leader.pid):
        return []
    send(leader.pid, number)
    send(leader.pid, signal.SIGCONT)  # whoever is stopped would not notice the first
    pause = FIRST_PAUSE
    while True:
        if leader.poll() is None:
            left = [leader.pid]
        else:
            if exists(leader.pid):  # most groups are one process: who buries looks through all children
                bury()
            left = members(leader.pid)
        late = clock.monotonic() - deadline()
        if not left or late > KILL_PATIENCE:
            return left
        if late >= 0:
            send(leader.pid, signal.SIGKILL)
        await anyio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
