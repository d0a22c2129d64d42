"""Processes that outlived their run: daemons and forks that left their group, or all after a kill -9."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio

from minimesh.model.clock import Clock
from minimesh.supervise.children import belongs_to, processes, stat
from minimesh.supervise.group import FIRST_PAUSE, KILL_PATIENCE, LONGEST_PAUSE


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that was found, and its command line."""

    pid: int
    command: str


def find(run_ids: Iterable[str], also: Iterable[int] = ()) -> list[Leftover]:
    """Living processes with the environment of these runs, and `also`, but for this process and its ancestors.

    Empty on systems without /proc: there only process groups are ended.
    """
    wanted, spared = frozenset(run_ids), _ancestors()
    found = {pid for pid in processes() if belongs_to(pid, wanted)} | set(also)
    return [Leftover(pid, _command(pid)) for pid in sorted(found - spared)]


async def sweep(
    run_ids: Iterable[str],
    clock: Clock,
    within: float = 2.0,
    bury: Callable[[], object] = lambda: None,
    also: Callable[[], Iterable[int]] = lambda: (),
) -> list[Leftover]:
    """Ends what is left of these runs: SIGTERM, after `within` seconds SIGKILL; returns all that were found.

    also: pids that are known to belong to them by other signs than their environment.
    """
    wanted = frozenset(run_ids)
    seen: dict[int, Leftover] = {}
    deadline = clock.monotonic() + within
    pause = FIRST_PAUSE
    while left := find(wanted, also()):
        late = clock.monotonic() - deadline
        if late > KILL_PATIENCE:
            break
        for leftover in left:
            if late >= 0:
                _signal(leftover.pid, signal.SIGKILL)
            elif leftover.pid not in seen:
                _signal(leftover.pid, signal.SIGTERM)
                _signal(leftover.pid, signal.SIGCONT)
            seen[leftover.pid] = leftover
        await anyio.sleep(pause)
        bury()
        pause = min(pause * 1.5, LONGEST_PAUSE)
    bury()
    return list(seen.values())


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _ancestors() -> set[int]:
    """This process and who started it: a mesh started by a leftover must not end its own terminal."""
    pid, found = os.getpid(), set[int]()
    while pid > 0 and pid not in found:
        found.add(pid)
        entry = stat(pid)
        pid = entry.parent if entry is not None else 0
    return found


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""
