"""Whose a process is: which replica it came from, at whatever remove, and what it is for people. On Linux."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minimesh.supervise.children import RUN_VARIABLE, stat

INSTANCE_VARIABLE = "MINIMESH_INSTANCE"
"""Which program of the run a process came from: `payments/1`."""
_FARTHEST = 64


@dataclass(frozen=True, slots=True)
class Kin:
    """The replicas of a run by the pid of their leaders, each also the number of a session and a group."""

    run_id: str
    leaders: Mapping[int, str]

    def instance_of(self, pid: int) -> str:
        """`payments/1`; "" for a stranger. By session and group, by its environment, by its parents."""
        for _ in range(_FARTHEST):
            entry = stat(pid)
            if entry is None:
                break
            for number in (pid, entry.session, entry.group):
                if number in self.leaders:
                    return self.leaders[number]
            if marked := self._marked(pid):
                return marked
            pid = entry.parent
        return ""

    def _marked(self, pid: int) -> str:
        found = environment(pid, (RUN_VARIABLE, INSTANCE_VARIABLE))
        return found.get(INSTANCE_VARIABLE, "") if found.get(RUN_VARIABLE) == self.run_id else ""


def environment(pid: int, names: Iterable[str]) -> dict[str, str]:
    """These variables of a process as it was started; none where that may not be read, or was written over."""
    wanted = {os.fsencode(name): name for name in names}
    with suppress(OSError):
        entries = [entry.partition(b"=") for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
        return {wanted[name]: value.decode("utf-8", "replace") for name, _, value in entries if name in wanted}
    return {}


def program_of(pid: int) -> str:
    """The short name of what a process runs, `node`; "" where there is none any more."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return ""
