"""Of which service a process is, as surely as the kernel tells: nothing counts that a process says of itself.

`Kin` believes the environment of any process, which is what finding leftovers wants. Here it counts of a process alone
that came to the mesh as its parent: a daemon whose own parent has ended, which only what the mesh started can leave.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from minimesh.supervise.children import RUN_VARIABLE, ProcessStat, stat
from minimesh.supervise.kin import INSTANCE_VARIABLE, environment

_FARTHEST = 64


@dataclass(frozen=True, slots=True)
class Guest:
    """A process that is not of the mesh and was let in as a service. start: in ticks, so that no later one of the same
    pid is taken for it."""

    service: str
    start: int


@dataclass(frozen=True, slots=True)
class Descent:
    """service: "" for a stranger. vouched: it is a guest, or one of a guest's. ours: it came from the mesh, though it
    may not be known any more from which service."""

    service: str = ""
    vouched: bool = False
    ours: bool = False


STRANGER = Descent()


@dataclass(frozen=True, slots=True)
class Lineage:
    """At one moment: what was looked up once is not looked up again. leaders: instances (`payments/1`) by the pids that
    were started for them."""

    run_id: str
    leaders: Mapping[int, str]
    guests: Mapping[int, Guest] = field(default_factory=dict)
    _stats: dict[int, ProcessStat | None] = field(default_factory=dict)

    def of(self, pid: int) -> Descent:
        """By session and group, which nobody can join from outside, and by its parents."""
        me = os.getpid()
        for _ in range(_FARTHEST):
            entry = self._stat(pid)
            if entry is None or pid == me:
                break
            for number in (pid, entry.session, entry.group):
                if number in self.leaders:
                    return Descent(_service(self.leaders[number]), ours=True)
            guest = self.guests.get(pid)
            if guest is not None and guest.start == entry.start:
                return Descent(guest.service, vouched=True)
            if entry.parent == me:
                return Descent(self._marked(pid), ours=True)
            pid = entry.parent
        return STRANGER

    def _stat(self, pid: int) -> ProcessStat | None:
        if pid not in self._stats:
            self._stats[pid] = stat(pid)
        return self._stats[pid]

    def _marked(self, pid: int) -> str:
        found = environment(pid, (RUN_VARIABLE, INSTANCE_VARIABLE))
        return _service(found.get(INSTANCE_VARIABLE, "")) if found.get(RUN_VARIABLE) == self.run_id else ""


def _service(instance: str) -> str:
    return instance.partition("/")[0]
