"""Which process has the other end of a connection, and whether it is one of the service that it calls as.

Each look is for a batch of connections: the kernel says which sockets their other ends are, the descriptors of a
process whether it has one of these open. First those are read that have called before and those that began last,
which may soon be gone; then the rest of the service's tree; and everybody else's only to name a stranger. Not on the
loop.
"""

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from minimesh.model.attest import Found, Question
from minimesh.model.caller import Attested
from minimesh.supervise import sockets
from minimesh.supervise.children import processes
from minimesh.supervise.kin import program_of
from minimesh.supervise.lineage import Guest, Lineage
from minimesh.supervise.sockets import Socket

REMEMBERED = 8
"""Processes of a service that are read before all others."""
NEWEST = 32
"""Of all processes, those that are read whoever they are."""
BEFORE, BEHIND = 2, 16
"""Numbers of descriptors around the last one that was found, which are tried first: to list thousands takes long."""

LEFT = Found(Attested.UNKNOWN, why="a caller that had left before anybody looked")
HIDDEN = Found(Attested.UNKNOWN, why="a process whose descriptors may not be looked at")
THE_MESH = "the mesh itself"


class Callers:
    """Remembers who called, to be quicker the next time. One look at a time."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._known: dict[str, list[int]] = {}
        self._slots: dict[int, int] = {}

    def look(
        self,
        questions: Sequence[Question],
        leaders: Mapping[int, str],
        guests: Mapping[int, Guest],
        *,
        thorough: bool = True,
    ) -> list[Found | None]:
        """Who is at the other end of each, in their order. leaders, guests: see Lineage. Not `thorough`: who is not
        found at once, in less than a millisecond as a rule, is None; else all processes of the machine may be read."""
        look = _Look(questions, Lineage(self._run_id, leaders, guests), self._slots)
        services = {service for each in questions for service in each.among}
        likely = [pid for service in services for pid in self._known.get(service, ())]
        own = [pid for pid, instance in leaders.items() if instance.partition("/")[0] in services]
        look.read(dict.fromkeys((*likely, *own, *guests)))
        if look.missing:
            everybody = sorted(processes(), reverse=True)
            look.read(everybody[:NEWEST], strangers=True)
            if thorough and look.nameless():
                look.read(everybody)
                look.read(everybody, strangers=True)
        self._learn(look)
        return look.answers(thorough=thorough)

    def _learn(self, look: "_Look") -> None:
        for service, pid in look.callers:
            known = self._known.get(service, [])
            self._known[service] = [pid, *(each for each in known if each != pid)][:REMEMBERED]
        kept = {pid for known in self._known.values() for pid in known}
        self._slots = {pid: slot for pid, slot in self._slots.items() if pid in kept}


class _Look:
    """missing: of which nobody of the right service was found yet, by inode. callers: service and pid of who was."""

    def __init__(self, questions: Sequence[Question], lineage: Lineage, slots: dict[int, int]) -> None:
        self._questions = questions
        self._lineage = lineage
        self._slots = slots
        self._found: dict[int, Found] = {}
        self._strangers: dict[int, Found] = {}
        self.callers: dict[tuple[str, int], None] = {}
        open_ = sockets.exactly([each.ends for each in questions])
        self.missing = {one.inode: at for at, one in enumerate(open_) if one is not None}

    def read(self, pids: Iterable[int], *, strangers: bool = False) -> None:
        """The descriptors of those that are of a service; of all `strangers`, until each has a name."""
        for pid in pids:
            service = "" if strangers else self._lineage.of(pid).service
            wanted = {
                f"socket:[{inode}]": inode
                for inode, at in self.missing.items()
                if (at not in self._strangers if strangers else service in self._questions[at].among)
            }
            if not wanted and strangers:
                break
            for target, slot in _opened(pid, wanted.keys(), self._slots.get(pid)):
                self._slots[pid] = slot
                self._settle(wanted[target], pid)

    def _settle(self, inode: int, pid: int) -> None:
        at, descent = self.missing[inode], self._lineage.of(pid)
        among, program = self._questions[at].among, program_of(pid)
        if descent.service in among:
            attested = Attested.VOUCHED if descent.vouched else Attested.YES
            self._found[at] = Found(attested, descent.service, program, pid)
            self.callers[descent.service, pid] = None
            del self.missing[inode]
        elif pid == os.getpid():
            self._found[at] = Found(Attested.VOUCHED, next(iter(among)) if len(among) == 1 else "", THE_MESH, pid)
            del self.missing[inode]
        else:
            # A daemon of ours that has written over its environment may be anybody's.
            attested = Attested.UNKNOWN if descent.ours and not descent.service else Attested.NO
            self._strangers[at] = Found(attested, "", program, pid, descent.service)

    def answers(self, *, thorough: bool) -> list[Found | None]:
        nameless = self.nameless()
        found: dict[int, Found | None] = dict.fromkeys(nameless)
        if thorough and nameless:
            # Whoever left meanwhile is no stranger.
            again = sockets.exactly([self._questions[at].ends for at in nameless])
            found = {at: self._nobody(one) for at, one in zip(nameless, again, strict=True)}
        known = {**found, **self._strangers, **self._found}
        return [known.get(at, LEFT) for at in range(len(self._questions))]

    def nameless(self) -> list[int]:
        """The questions to which there is no answer at all yet, of those whose sockets are open."""
        return [at for at in self.missing.values() if at not in self._strangers]

    def _nobody(self, open_: Socket | None) -> Found:
        """It is open, and no process that we may look at has it."""
        if open_ is None:
            return LEFT
        if open_.user in (os.getuid(), *self._users()):
            return HIDDEN
        return Found(Attested.NO, why=f"a process of {_name_of(open_.user)}")

    def _users(self) -> Iterator[int]:
        """Who else the services' processes run as."""
        for pid in processes():
            if self._lineage.of(pid).ours:
                with suppress(OSError):
                    yield os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116 - as its neighbours in sockets.py


def _opened(pid: int, wanted: Iterable[str], near: int | None) -> Iterator[tuple[str, int]]:
    """Which of these a process has open, and as which descriptor; near: the number of one that it had before."""
    left = set(wanted)
    if not left:
        return
    folder = f"/proc/{pid}/fd"
    likely = [] if near is None else range(max(near - BEFORE, 0), near + BEHIND + len(left))
    with suppress(OSError):  # it has ended, or belongs to somebody else
        for numbers in (likely, _newest_first(folder)):
            for number in numbers:
                with suppress(OSError):
                    target = os.readlink(f"{folder}/{number}")  # noqa: PTH115 - as its neighbours in sockets.py
                    if target in left:
                        left.remove(target)
                        yield target, int(number)
                        if not left:
                            return


def _newest_first(folder: str) -> Iterator[int]:
    yield from map(int, reversed(os.listdir(folder)))  # noqa: PTH208


def _name_of(user: int) -> str:
    with suppress(KeyError):
        return f"user {pwd.getpwuid(user).pw_name}"
    return f"user {user}"
