"""What happens, told: to the journal for whoever asks later, to the reporter for the person who started the mesh."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import anyio

from minimesh.control.attesting import Stranger
from minimesh.control.bypass import Bypass
from minimesh.control.failing import given_up
from minimesh.control.journal import MESH, Journal, message_of
from minimesh.control.report import LogLine, Note, Reporter, ServiceEvent, Trouble
from minimesh.control.world import World
from minimesh.dataplane import Seen
from minimesh.model.clock import Clock
from minimesh.model.egress import OUTSIDE
from minimesh.supervise import logs
from minimesh.supervise.status import InstanceStatus, State
from minimesh.telemetry import Audit

IMPATIENCE = 1.0
UNATTESTED = "unattested"
"""Kind of the events that tell of callers that are not who they call as."""


class Telling:
    """Says what is new, once."""

    def __init__(self, journal: Journal, report: Reporter, clock: Clock, world: Callable[[], World]) -> None:
        self._journal = journal
        self._report = report
        self._clock = clock
        self._world = world
        self._began = clock.monotonic()
        self._known: dict[tuple[str, int], InstanceStatus] = {}
        self._asked_to_stop: dict[tuple[str, int], float] = {}
        self._full: frozenset[str] = frozenset()

    def go_on(self, statuses: Iterable[InstanceStatus], began: float) -> None:
        """These are known from an earlier image of the mesh, which began at this moment (monotonic)."""
        self._known = {(status.name, status.replica): status for status in statuses}
        self._began = began

    def status(self, status: InstanceStatus) -> None:
        """The new status of a replica."""
        before = self._known.get((status.name, status.replica))
        self._known[status.name, status.replica] = status
        message = message_of(status)
        if before is not None and (before.state, message_of(before)) == (status.state, message):
            return
        if (
            before is None
            or (before.state, before.streak) != (status.state, status.streak)
            or status.state is State.RUNNING  # where it listens instead is news, too
        ):
            self._journal.add(status.name, status.state.value, message)
        if status.state is State.STOPPING:
            self._asked_to_stop[status.name, status.replica] = self._clock.monotonic()
        self._tell(status, message)
        if status.state is State.CRASH_LOOP and status.streak and status.streak.next_try is None:
            asyncio.get_running_loop().run_in_executor(None, self._given_up, status)

    async def who_stays(self, within: float | None) -> None:
        """Says every second who is still stopping, and when that ends. within: instead of each program's own."""
        while True:
            await anyio.sleep(IMPATIENCE)
            now, programs = self._clock.monotonic(), {each.name: each for each in self._world().programs}
            for replica, status in self._known.items():
                if status.state is State.STOPPING and (program := programs.get(status.name)):
                    since = now - self._asked_to_stop[replica]
                    stop = program.stop
                    limit = stop.within if within is None else within
                    self._tell(status, f"stopping for {since:.0f} s: SIG{stop.signal} sent, SIGKILL after {limit:g} s")

    def _tell(self, status: InstanceStatus, message: str) -> None:
        listen = f"127.0.0.1:{status.port}" if status.port is not None else None
        seconds = self._clock.monotonic() - self._began
        self._report(
            ServiceEvent(status.name, status.replica, status.state.value, message, listen, status.pid, seconds)
        )

    def forget_others(self, world: World) -> None:
        """Replicas that are no part of this world are new when they come back."""
        known = {(program.name, program.replica) for program in world.programs}
        self._known = {replica: status for replica, status in self._known.items() if replica in known}
        self._asked_to_stop = {replica: at for replica, at in self._asked_to_stop.items() if replica in known}

    def output(self, lines: Sequence[logs.LogLine]) -> None:
        for line in lines:
            self._report(LogLine(line.service, line.replica, line.stream.value, line.text))

    def note(self, message: str) -> None:
        self._journal.add(MESH, "note", message)
        self._report(Note(message))

    def bypass(self, bypass: Bypass) -> None:
        """A stranger may be a person who has a look, and knows it."""
        self._journal.add(bypass.callee, "bypass", str(bypass))
        if bypass.service:
            self._report(Note(str(bypass)))

    def audited(self, news: Iterable[Audit]) -> None:
        """What rules under audit would have done."""
        for audit in news:
            self._journal.add(audit.destination, "audit", str(audit))

    def outside(self, seen: Iterable[Seen]) -> None:
        """Hosts that were called for the first time."""
        for each in seen:
            self._journal.add(each.source, OUTSIDE, _first_call(each))

    def stranger(self, stranger: Stranger) -> None:
        """As with a bypass: who does it by hand knows it."""
        self._journal.add(stranger.callee, UNATTESTED, str(stranger))
        if stranger.found.other:
            self._report(Note(str(stranger)))

    def full(self, full: frozenset[str]) -> None:
        """When a listener begins to leave callers waiting, and when it is over; at most once a second."""
        for name in sorted(full - self._full):
            self._journal.add(MESH, "full", f"{name}: callers wait, for a descriptor or below limits.connections")
        for name in sorted(self._full - full):
            self._journal.add(MESH, "accepting", f"{name}: accepts callers again")
        self._full = full

    def _given_up(self, status: InstanceStatus) -> None:
        world = self._world()
        program = next((each for each in world.programs if each.name == status.name), None)
        if program is not None and not program.task:
            self._report(Trouble(given_up(world.project, status, program.env)))


def _first_call(seen: Seen) -> str:
    """What is said of the first call of somebody to a host."""
    if seen.listed:
        return f"calls {seen.target}" if seen.passed else f"was refused {seen.target}, though it lists it"
    what = "calls" if seen.passed else "was refused"
    return f'{what} {seen.target}, which it does not list: egress = ["{seen.target}"]'
