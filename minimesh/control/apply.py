"""Another file, other numbers of replicas, on a mesh that runs: a transaction that touches only what differs.

Settle and listen first, for that can fail and changes nothing then; from there on it cannot. Who is to go gets no new
exchange, then the processes change, what stays stays as it is. A changed program is stopped and started (its port is
the same, so two of it cannot run side by side); the rest of its settings is taken over while it runs.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from anyio import to_thread

from minimesh.control import codes
from minimesh.control.certifier import Certifier
from minimesh.control.change import Change, Replica, difference, summary
from minimesh.control.journal import MESH, Journal
from minimesh.control.paths import StateFolder
from minimesh.control.reader import read_apart
from minimesh.control.report import Note, Problem, Reporter, UpOptions
from minimesh.control.serving import Serving
from minimesh.control.settle import StartError, remember
from minimesh.control.world import World, again, check_profiles, check_scale, names_meant, rescaled, settled
from minimesh.dataplane import ListenError
from minimesh.model.clock import Clock
from minimesh.model.project import Project
from minimesh.spec.problem import Severity, SpecError
from minimesh.supervise.status import State
from minimesh.supervise.supervisor import Supervisor

RESTART_PATIENCE = 1.0
"""Seconds that exchanges have to finish before their service is told to stop, because it will be back soon."""
NEVER_BEGUN = frozenset({State.PENDING, State.STOPPED})
"""States of what nobody wants to run now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """only: start these too, with what they need (empty: everything); None: leave what is stopped as it is.
    profiles: turn these on. further, overrides: instead of those until now; None: as they are. dry_run: tell what would
    be done, and do nothing. watch: read the files again whenever one changes."""

    only: tuple[str, ...] | None = None
    profiles: tuple[str, ...] = ()
    further: tuple[Path, ...] | None = None
    overrides: tuple[str, ...] | None = None
    dry_run: bool = False
    watch: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done. started: the names of what had been stopped, or had never been started."""

    change: Change
    started: tuple[str, ...]
    generation: int
    seconds: float
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        started = [f"{name} started" for name in self.started]
        return ", ".join([*started, summary(self.change), f"{self.seconds * 1e3:.0f} ms"])


class Changes:
    """One at a time, under `lock`. Owns the world of the running mesh."""

    def __init__(
        self,
        world: World,
        folder: StateFolder,
        serving: Serving,
        supervisor: Supervisor,
        journal: Journal,
        report: Reporter,
        clock: Clock,
        on_world: Callable[[World], None],
        certifier: Certifier,
    ) -> None:
        self.world = world
        self._folder = folder
        self._serving = serving
        self._supervisor = supervisor
        self._journal = journal
        self._report = report
        self._clock = clock
        self._on_world = on_world
        self._certifier = certifier
        self.lock = anyio.Lock()
        self._closed = False

    def close(self) -> None:
        """The mesh stops: what has begun is finished, nothing else is."""
        self._closed = True

    async def reload(self, asked: Asked) -> Applied:
        """What the files say now. Raises SpecError or StartError, with nothing changed."""
        began = self._clock.monotonic()
        async with self.lock:
            try:
                options = with_asked(self.world.options, asked)
                if options.project is not None:
                    raise StartError(Problem(codes.NO_FILE, "this mesh has no minimesh.toml to read again"))
                loaded = await read_apart(options)
                check_profiles(loaded.project, asked.profiles)
                options = without_gone(options, loaded.project, asked)

                def make(avoid: Collection[int]) -> World:
                    return settled(options, loaded, self._folder, before=self.world, avoid=avoid)

                applied = await self._apply(make, asked, began)
            except (SpecError, StartError) as error:
                self._journal.add(MESH, "refused", f"nothing changed: {in_short(error)}")
                self._report(Note(f"reload refused, nothing changed: {in_short(error)}"))
                raise
            if not asked.dry_run:
                self._tell(applied)
            return applied

    async def scale(self, numbers: Mapping[str, int], why: str = "") -> Applied:
        """So many replicas of each of these services, until the file says another number. Raises StartError."""
        began = self._clock.monotonic()
        async with self.lock:
            for name, number in numbers.items():
                check_scale(self.world.loaded.project.services, name, number)
            applied = await self._apply(
                lambda avoid: rescaled(self.world, numbers, self._folder, avoid), Asked(), began
            )
            for name, words in applied.change.changed.items():
                self._journal.add(name, "scaled", why or words)
            return applied

    async def _apply(self, make: Callable[[Collection[int]], World], asked: Asked, began: float) -> Applied:
        """make: the world to be, given the ports to avoid; called on another thread, for there it may take its time."""
        old, taken = self.world, set[int]()
        while True:
            new, change = await to_thread.run_sync(_compared, old, make, taken)
            if self._closed:
                raise StartError(Problem(codes.STOPPING, "the mesh is stopping"))
            started = self._to_start(old, new, change, asked)
            if asked.dry_run:
                return self._applied(change, started, new, began)
            try:
                await self._certifier.take(new.project)
                self._serving.change(new, change.ended | change.renewed)
            except ListenError as error:
                await self._certifier.take(old.project)
                again(new, error, taken)
            else:
                break
        self._certifier.released()
        self.world = new
        self._on_world(new)
        with anyio.CancelScope(shield=True):  # what has begun is done, also where nobody waits for it any more
            await self._remember(new)
            await self._change_programs(old, new, change, started)
        return self._applied(change, started, new, began)

    async def _remember(self, world: World) -> None:
        """A disk that takes nothing costs the next start these ports, and this one nothing."""
        try:
            await to_thread.run_sync(remember, self._folder, world.project, world.layout)
        except OSError as error:
            self._report(Note(f"ports may be others at the next start, for they cannot be written down: {error}"))

    async def _change_programs(self, old: World, new: World, change: Change, started: Collection[Replica]) -> None:
        back = {replica for replica in change.renewed if self._supervisor.state(replica) not in NEVER_BEGUN}
        async with anyio.create_task_group() as group:
            for name in {name for name, _ in change.ended}:
                group.start_soon(self._let_go, old, [each for each in change.ended if each[0] == name])
            if back:
                group.start_soon(self._serving.quiet, back, RESTART_PATIENCE)
        await self._supervisor.stop_replicas(change.ended | change.renewed)
        self._supervisor.take(new.programs)
        self._serving.leave_nobody(change.ended)
        await self._supervisor.start_replicas({*back, *started})

    async def _let_go(self, old: World, replicas: Collection[Replica]) -> None:
        """Lets what runs at these finish, as long as they would have to stop."""
        program = next(each for each in old.programs if (each.name, each.replica) in replicas)
        await self._serving.quiet(replicas, program.stop.within)

    def _to_start(self, old: World, new: World, change: Change, asked: Asked) -> frozenset[Replica]:
        """Replicas to start that do not run: new ones, those of a profile that is on now, those asked for."""
        alive = self._supervisor.alive()
        running = {name for name, _ in alive}
        known = {program.name for program in old.programs}
        due = new.start - old.start
        meant = frozenset[str]() if asked.only is None else names_meant(new.project, asked.only, new.options.profiles)
        found = set()
        for program in new.programs:
            replica = (program.name, program.replica)
            if replica in change.made:
                wanted = program.name in running or (program.name in new.start and program.name not in known)
            else:
                wanted = program.name in due
            if program.name in meant:
                wanted = wanted or replica in change.made or self._supervisor.state(replica) is not State.COMPLETED
            if wanted and replica not in alive:
                found.add(replica)
        return frozenset(found)

    def _applied(self, change: Change, started: Collection[Replica], new: World, began: float) -> Applied:
        names = dict.fromkeys(program.name for program in new.programs if (program.name, program.replica) in started)
        before = {name for name, _ in started} - set(change.added) - {name for name, _ in change.made}
        return Applied(
            change,
            tuple(name for name in names if name in before),
            self._serving.snapshot.generation,
            self._clock.monotonic() - began,
            new.warnings,
        )

    def _tell(self, applied: Applied) -> None:
        self._journal.add(MESH, "changed", applied.summary)
        self._report(Note(f"reload: {applied.summary}"))
        for name in applied.change.added:
            self._journal.add(name, "added", "new in the file")
        for name in applied.change.removed:
            self._journal.add(name, "removed", "not in the file any more")
        for kind, words in (("restarting", applied.change.restarted), ("changed", applied.change.changed)):
            for name, text in words.items():
                self._journal.add(name, kind, text)


def in_short(error: SpecError | StartError) -> str:
    """The first mistake, and how many there are beside it."""
    if isinstance(error, StartError):
        return str(error)
    first, *others = (each for each in error.problems if each.severity is Severity.ERROR)
    return f"{first.where}: {first.message}" + (f" (and {len(others)} more)" if others else "")


def with_asked(options: UpOptions, asked: Asked) -> UpOptions:
    """The options of a mesh that somebody said `up` to once more: what was asked for adds up."""
    only = options.only
    if asked.only is not None and only:
        only = tuple(dict.fromkeys((*only, *asked.only))) if asked.only else ()
    return replace(
        options,
        only=only,
        profiles=tuple(dict.fromkeys((*options.profiles, *asked.profiles))),
        further=options.further if asked.further is None else asked.further,
        overrides=options.overrides if asked.overrides is None else asked.overrides,
        watch=options.watch or asked.watch,
    )


def without_gone(options: UpOptions, project: Project, asked: Asked) -> UpOptions:
    """A name that an earlier `up` asked for may leave the file; but not the last one, for no name means everything."""
    known = {*project.services, *project.tasks, *(asked.only or ())}
    left = tuple(name for name in options.only if name in known)
    return replace(options, only=left or options.only)


def _compared(old: World, make: Callable[[Collection[int]], World], avoid: Collection[int]) -> tuple[World, Change]:
    new = make(avoid)
    return new, difference(old, new)
