"""All programs of a run, as one thing to start, watch and stop."""

import signal
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from minimesh.model.clock import Clock
from minimesh.model.service import Dependency
from minimesh.supervise import group, order
from minimesh.supervise.board import Board
from minimesh.supervise.census import Census
from minimesh.supervise.children import Children, become_subreaper
from minimesh.supervise.inherited import SupervisorState
from minimesh.supervise.instance import Instance, Surroundings
from minimesh.supervise.leaders import Leaders
from minimesh.supervise.leftovers import Leftover, find, sweep
from minimesh.supervise.logs import Logs
from minimesh.supervise.process import Spawner
from minimesh.supervise.program import Program
from minimesh.supervise.status import InstanceStatus, State
from minimesh.supervise.turns import Turns

BURY_EVERY = 1.0
DAEMON_PATIENCE = 2.0


class Supervisor:
    """Use as `async with`; leaving it kills whatever `stop_all` has not stopped. It is a task group: an error
    of the body comes out in an ExceptionGroup.

    Programs of one name are replicas. `on_change` is called on the loop with each new status, several times
    a second while something starts, and must not wait. `descriptors` is the soft limit of open files that
    children get (None: the mesh's own). `run_id` is put into their environment as MINIMESH_RUN. `turns` says
    which tasks need not run (None: each runs). `leaders` is the file that keeps who was started, for the run
    after one that is killed.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        run_id: str,
        logs: Logs,
        clock: Clock,
        rng: Random,
        on_change: Callable[[InstanceStatus], None] = lambda status: None,
        descriptors: int | None = None,
        turns: Turns | None = None,
        leaders: Path | None = None,
    ) -> None:
        self.run_id = run_id
        self._clock = clock
        self._children = Children(run_id)
        self._board = Board((), on_change)
        spawner = Spawner(run_id, self._children, descriptors)
        self._around = Surroundings(
            self._board,
            logs,
            clock,
            rng,
            spawner,
            turns or Turns(None),
            Leaders(leaders),
            Census(run_id, self.running, clock),
            anyio.Lock(),
        )
        self._units: dict[str, list[Instance]] = {}
        self._depends_on: dict[str, tuple[Dependency, ...]] = {}
        self._needs: dict[str, list[str]] = {}
        self._levels: list[list[str]] = []
        self._locks: dict[str, anyio.Lock] = {}
        self.take(programs)
        self._stopping = self._killing = False
        self._group: TaskGroup
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        become_subreaper()
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        self._group.start_soon(self._bury_now_and_then)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.kill()
        with anyio.CancelScope(shield=True):
            await self._end_daemons()
        self._group.cancel_scope.cancel()
        return await self._stack.__aexit__(kind, error, trace)

    def take(self, programs: Sequence[Program]) -> None:
        """From now on these are the programs. Replicas that are known live on (see `Instance.adopt`), new ones are
        there to be started; those that are not among them any more must have been stopped."""
        known = {(name, each.program.replica): each for name, unit in self._units.items() for each in unit}
        self._units, changed = {}, []
        for program in programs:
            instance = known.get((program.name, program.replica))
            if instance is None:
                instance = Instance(program, self._around)
            elif instance.program != program:
                changed.append((instance, program))
            self._units.setdefault(program.name, []).append(instance)
        self._board.replace(each.status for unit in self._units.values() for each in unit)
        for instance, program in changed:
            instance.adopt(program)
        self._depends_on = {name: unit[0].program.depends_on for name, unit in self._units.items()}
        needs = {name: [other.name for other in others] for name, others in self._depends_on.items()}
        if needs != self._needs:
            self._needs, self._levels = needs, order.levels(needs)
        self._locks = {name: self._locks.get(name) or anyio.Lock() for name in self._units}

    def start_all(self) -> None:
        """Sets everything off, each as soon as what it depends on allows; `settled` tells when that is done."""
        for name in self._units:
            self._begin(name)

    async def settled(self) -> None:
        """Returns when nothing changes by itself any more: each is up, has ended, or is stuck with a reason."""
        while self._board.moving or not order.settled(self._depends_on, self._board.statuses):
            await self._board.changed()

    async def stop_all(self, within: float | None = None) -> list[Leftover]:
        """Stops everything, dependants first, then daemons that left their groups; returns who is left: nobody.

        `within`: seconds until SIGKILL, instead of each program's own. Nothing starts any more from now on.
        """
        self._stopping = True
        if within is not None:
            self.hurry(self._units, within)
        for level in reversed(self._levels):
            await _all(self._stop_unit(name, within) for name in level)
        await self._end_daemons()
        return find([self.run_id], self._children.adopted())

    def kill(self) -> None:
        """SIGKILL for all groups at once; whoever waits in `stop_all` gets on."""
        self._stopping = self._killing = True
        for unit in self._units.values():
            for instance in unit:
                instance.kill()

    async def start(self, name: str, *, anew: bool = True) -> None:
        """Starts a service that is stopped or has ended, as far as what it depends on allows. Raises KeyError.

        A task runs, too; without `anew` only if it is its turn.
        """
        async with self._locks[name]:
            self._begin(name, anew=anew)

    async def stop(self, name: str, within: float | None = None) -> None:
        """Stops a service; what depends on it goes on. Nothing where there is none of this name (any more)."""
        await self._stop_unit(name, within)

    def hurry(self, names: Collection[str], within: float) -> None:
        """A stop of these that is under way takes no longer than this, in seconds since it began. Whoever asks for
        another one would else wait behind it."""
        for name in names:
            for instance in self._units.get(name, ()):
                instance.hurry(within)

    async def start_replicas(self, replicas: Collection[tuple[str, int]]) -> None:
        """Starts these, by name and replica, where they do not live."""
        for name in dict.fromkeys(name for name, _ in replicas):
            async with self._locks[name]:
                for instance in self._units[name]:
                    if (name, instance.program.replica) in replicas and not self._stopping:
                        instance.begin(self._group)

    async def stop_replicas(self, replicas: Collection[tuple[str, int]], within: float | None = None) -> None:
        """Stops these, by name and replica, dependants first."""

        async def stop(name: str, instances: Sequence[Instance]) -> None:
            async with self._locks[name]:
                await _all(instance.stop(within) for instance in instances)

        for level in reversed(self._levels):
            meant = {name: [i for i in self._units[name] if (name, i.program.replica) in replicas] for name in level}
            await _all(stop(name, instances) for name, instances in meant.items() if instances)

    def alive(self) -> frozenset[tuple[str, int]]:
        """The replicas, by name and number, that were begun and have neither ended for good nor been stopped."""
        return frozenset(
            (name, each.program.replica) for name, unit in self._units.items() for each in unit if each.alive
        )

    def state(self, replica: tuple[str, int]) -> State:
        """Of a replica, by name and number; PENDING where there is none."""
        unit = self._board.statuses.get(replica[0], ())
        return next((status.state for status in unit if status.replica == replica[1]), State.PENDING)

    async def restart(self, name: str) -> None:
        """Stops and starts; its row of restarts begins anew. Raises KeyError."""
        async with self._locks[name]:
            await _all(instance.stop() for instance in self._units.get(name, ()))
            self._begin(name, anew=True)

    def still(self) -> bool:
        """Nothing is on its way from one state to another, so that all of it can be handed over."""
        return not any(lock.locked() for lock in self._locks.values()) and all(
            instance.still for unit in self._units.values() for instance in unit
        )

    def hold_output(self, held: bool) -> None:
        """Whether what programs write stays in their pipes for now."""
        for unit in self._units.values():
            for instance in unit:
                instance.hold_output(held)

    def hand_over(self) -> SupervisorState:
        """For the next image of this program, which then calls `take_over`. Only while it is `still`."""
        instances = [instance.hand_over() for unit in self._units.values() for instance in unit]
        kept = [process["pid"] for each in instances if (process := each.get("process")) is not None]
        adopted, strays = self._children.hand_over(kept)
        return {"instances": instances, "adopted": adopted, "strays": strays}

    def take_over(self, state: SupervisorState) -> None:
        """Goes on with what an earlier image started, instead of `start_all`. What is unknown here is killed."""
        known = {
            (instance.program.name, instance.program.replica): instance
            for unit in self._units.values()
            for instance in unit
        }
        unwanted = list(state["strays"])
        for each in state["instances"]:
            instance = known.get((each["status"]["name"], each["status"]["replica"]))
            if instance is not None:
                instance.take_over(self._group, each)
            elif (process := each.get("process")) is not None:
                unwanted.append(process["pid"])
        for pid in unwanted:
            group.send(pid, signal.SIGKILL)
        self._children.take_over([*state["adopted"], *unwanted])

    def signal(self, name: str, number: int) -> None:
        """Sends a signal to the process groups of all replicas that run."""
        for instance in self._units.get(name, ()):
            if instance.status.pid is not None:
                group.send(instance.status.pid, number)

    def status(self) -> tuple[InstanceStatus, ...]:
        """Of all instances, in the order of the programs, replicas together."""
        return tuple(status for instances in self._board.statuses.values() for status in instances)

    def running(self) -> dict[int, str]:
        """The replicas that run, by the pids that were started for them."""
        return {
            each.status.pid: each.program.instance
            for unit in self._units.values()
            for each in unit
            if each.status.pid is not None
        }

    def _begin(self, name: str, *, anew: bool = False) -> None:
        if not self._stopping:
            for instance in self._units.get(name, ()):
                instance.begin(self._group, anew=anew)

    async def _stop_unit(self, name: str, within: float | None) -> None:
        if (lock := self._locks.get(name)) is not None:
            async with lock:
                await _all(instance.stop(within) for instance in self._units.get(name, ()))

    async def _end_daemons(self) -> None:
        patience = 0.0 if self._killing else DAEMON_PATIENCE
        await sweep([self.run_id], self._clock, patience, self._children.bury, self._children.adopted)

    async def _bury_now_and_then(self) -> None:
        while True:
            await anyio.sleep(BURY_EVERY)
            self._children.bury()


async def _all(works: Iterable[Awaitable[None]]) -> None:
    async def wait(work: Awaitable[None]) -> None:
        await work

    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(wait, work)
