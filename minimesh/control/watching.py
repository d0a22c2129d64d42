"""What comes of files that change: services that watch them are restarted or sent a signal, and under `up --watch` the
files of the project are read again.

One thing at a time, a reload before any restart; what changes meanwhile comes after, once. A service that was stopped
by hand stays so, and a process that was started after the change has seen it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from minimesh.control import codes
from minimesh.control.apply import Asked, Changes
from minimesh.control.journal import MESH, Journal
from minimesh.control.report import Note, Problem, Refused, Reporter, Trouble
from minimesh.control.settle import StartError
from minimesh.control.watched import OWN, changed_files, targets
from minimesh.control.world import World
from minimesh.model.clock import Clock
from minimesh.spec.problem import Problem as Mistake
from minimesh.spec.problem import Severity, SpecError
from minimesh.spec.render import render
from minimesh.supervise.status import InstanceStatus, State
from minimesh.supervise.supervisor import Supervisor

if TYPE_CHECKING:
    from minimesh.supervise.watching.watcher import Watcher

RESTING = frozenset({State.PENDING, State.WAITING, State.STOPPING, State.STOPPED})
"""States of what nobody wants to run, or what is still to be started."""
HEARING = frozenset({State.RUNNING, State.READY, State.FAILED})
"""States of a process that has had the time to say which signals it handles."""

READ_WITHIN = 1.0
"""Seconds in which somebody else's reload has read its files: what has changed since is looked at again."""


@dataclass(slots=True)
class _Changed:
    """told_to: see Watcher, when the first change was told. pids: who ran then, by replica."""

    told_to: float
    pids: dict[int, int | None]
    paths: set[str] = field(default_factory=set)


class Watching:
    """`run` it; `take` tells of another world. Loads nothing and costs nothing where nothing is watched."""

    def __init__(
        self, world: World, supervisor: Supervisor, changes: Changes, journal: Journal, report: Reporter, clock: Clock
    ) -> None:
        self._world = world
        self._supervisor = supervisor
        self._changes = changes
        self._journal = journal
        self._report = report
        self._clock = clock
        self._targets = targets(world)
        self._since = clock.wall()
        self._began: float | None = None
        self._wanted = anyio.Event()
        self._watcher: Watcher | None = None
        self._pending: dict[str, _Changed] = {}
        self._unmet: set[tuple[str, str]] = set()
        self._arrived = anyio.Event()
        if self._targets:
            self._wanted.set()

    def go_on(self, seen_to: float) -> None:
        """Before `run`: an earlier image of this process has seen to all changes until then."""
        self._since = seen_to

    @property
    def seen_to(self) -> float:
        """Wall time up to which every change has been seen to."""
        return min((each.told_to for each in self._pending.values()), default=self._told_to())

    def take(self, world: World, doubtful: Sequence[Path] = ()) -> None:
        """Another world, and so perhaps other files."""
        self._world = world
        wanted = targets(world, doubtful)
        if wanted == self._targets:
            return
        self._targets = wanted
        self._since = self._began if self._began is not None else self._clock.wall() - READ_WITHIN
        self._wanted.set()
        if self._watcher is not None:
            self._watcher.take(wanted, self._since)

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._wanted.wait()
        from minimesh.supervise.watching.watcher import Watcher  # noqa: PLC0415 - most projects watch nothing

        self._watcher = Watcher(self._clock, self._on_change, self._tell, self._on_unmet)
        self._watcher.take(self._targets, self._since)
        async with anyio.create_task_group() as group:
            group.start_soon(self._watcher.run)
            while True:
                await self._arrived.wait()
                self._arrived = anyio.Event()
                await self._work()

    def _on_change(self, key: str, paths: Sequence[str]) -> None:
        if key not in self._pending:
            self._pending[key] = _Changed(self._told_to(), {each.replica: each.pid for each in self._unit(key)})
        self._pending[key].paths.update(paths)
        self._arrived.set()

    def _on_unmet(self, key: str, glob: str) -> None:
        if key != OWN and (key, glob) not in self._unmet:
            self._unmet.add((key, glob))
            self._say(key, "note", f'watch: no file matches "{glob}" (what .gitignore names is left out)')

    async def _work(self) -> None:
        if own := self._pending.pop(OWN, None):
            await self._reload(own)
        async with self._changes.lock:
            pending, self._pending = self._pending, {}
            async with anyio.create_task_group() as group:
                for name, changed in pending.items():
                    group.start_soon(self._renew, name, changed)

    async def _renew(self, name: str, changed: _Changed) -> None:
        """Has a service see what has changed, if it does not know yet."""
        service, unit = self._world.project.services.get(name), self._unit(name)
        behind = [each for each in unit if each.pid is None or each.pid == changed.pids.get(each.replica)]
        if service is None or service.watch is None or not any(each.state not in RESTING for each in behind):
            return
        what = changed_files(sorted(changed.paths), self._world.project.root)
        if service.watch.signal and all(each.state in HEARING and each.pid is not None for each in unit):
            self._say(name, "signalled", f"{what} changed, SIG{service.watch.signal} sent")
            self._supervisor.signal(name, signal.Signals[f"SIG{service.watch.signal}"])
        else:
            self._say(name, "restarting", f"{what} changed, restarting")
            await self._supervisor.restart(name)

    async def _reload(self, changed: _Changed) -> None:
        self._say(MESH, "reloading", f"{changed_files(sorted(changed.paths), self._world.project.root)} changed")
        self._began = self._clock.wall()
        try:
            await self._changes.reload(Asked())
        except SpecError as error:
            mistakes = [each for each in error.problems if each.severity is Severity.ERROR]
            for mistake in mistakes[1:]:  # the first is in the journal already
                self._journal.add(MESH, "refused", f"{mistake.where}: {mistake.message}")
            self._report(Refused(tuple(map(render, error.problems))))
            self.take(self._world, self._files_of(error.problems))
        except StartError as error:
            self._report(Trouble(error.problem))
        except Exception as error:  # noqa: BLE001 - the next change may find it well, and the services run on
            self._say(MESH, "refused", f"nothing changed: {error}")
        finally:
            self._began = None

    def _told_to(self) -> float:
        return self._since if self._watcher is None else self._watcher.told_to

    def _files_of(self, mistakes: Sequence[Mistake]) -> list[Path]:
        """Where the mistakes are: in a file that is not part of the project yet, say."""
        names = {place.file for each in mistakes for place in (each.where, *(at.where for at in each.places))}
        root = self._world.project.root
        return [root / name for name in sorted(names) if (root / name).is_file()]

    def _unit(self, name: str) -> list[InstanceStatus]:
        return [each for each in self._supervisor.status() if each.name == name]

    def _say(self, name: str, kind: str, text: str) -> None:
        self._journal.add(name, kind, text)
        self._report(Note(text if name == MESH else f"{name}: {text}"))

    def _tell(self, message: str, help_: str) -> None:
        self._journal.add(MESH, "trouble", message)
        self._report(Trouble(Problem(codes.WATCH, message, help=help_)))
