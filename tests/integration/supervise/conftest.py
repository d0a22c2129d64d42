"""A supervisor with real processes: small Python programs, small timings."""

import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import anyio
import pytest

from minimesh.model.clock import SystemClock
from minimesh.model.project import LogLimits
from minimesh.model.service import Condition, Dependency, Probe, Ready, Restart, RestartPolicy, Stop
from minimesh.supervise.leftovers import find
from minimesh.supervise.logs import Logs
from minimesh.supervise.program import Program
from minimesh.supervise.runfile import new_run
from minimesh.supervise.status import InstanceStatus, State
from minimesh.supervise.supervisor import Supervisor
from minimesh.supervise.turns import Turns

PATIENCE = 10.0
NO_PROBE = Ready(Probe.RUNNING)


class Stage:
    """Programs and a supervisor for them, with all that it told."""

    SLEEPER = "import time; time.sleep(60)"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self.run = new_run(self.clock.wall())
        self.told: list[InstanceStatus] = []
        self.logs = Logs(folder / "logs", LogLimits(), self.clock)
        self.turns = Turns(None)
        self.supervisor: Supervisor

    def program(
        self,
        name: str,
        source: str = SLEEPER,
        *after: str,
        ready: Ready = NO_PROBE,
        restart: RestartPolicy = RestartPolicy.NO,
        restarts: int = 2,
        within: float = 5.0,
        condition: Condition = Condition.READY,
        port: int | None = None,
        replica: int = 1,
        task: bool = False,
        argv: tuple[str, ...] | None = None,
    ) -> Program:
        """A Python program (`-S`: it needs nothing installed and starts faster)."""
        return Program(
            name=name,
            argv=argv or (sys.executable, "-S", "-c", textwrap.dedent(source)),
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin"},
            replica=replica,
            port=port,
            depends_on=tuple(Dependency(other, condition) for other in after),
            ready=ready,
            restart=Restart(restart, backoff_min=0.01, backoff_max=0.02, max=restarts),
            stop=Stop(within=within),
            task=task,
        )

    @asynccontextmanager
    async def supervise(self, *programs: Program, descriptors: int | None = None) -> AsyncIterator[Supervisor]:
        """Everything is set off; at the end nothing may be left."""
        self.supervisor = Supervisor(
            programs,
            run_id=self.run.run_id,
            logs=self.logs,
            clock=self.clock,
            rng=Random(1),
            on_change=self.told.append,
            descriptors=descriptors,
            turns=self.turns,
        )
        with anyio.fail_after(2 * PATIENCE):
            async with self.supervisor:
                self.supervisor.start_all()
                yield self.supervisor
        assert find([self.run.run_id]) == []

    async def settled(self) -> None:
        with anyio.fail_after(PATIENCE):
            await self.supervisor.settled()

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what other processes do has no event
                await anyio.sleep(0.005)

    def of(self, name: str) -> InstanceStatus:
        return next(status for status in self.supervisor.status() if status.name == name)

    def states(self, name: str) -> list[State]:
        """The states that a service went through."""
        states: list[State] = []
        for status in self.told:
            if status.name == name and states[-1:] != [status.state]:
                states.append(status.state)
        return states

    def first(self, name: str, state: State) -> int:
        """When a service first got into a state, as a position in what was told."""
        return next(i for i, status in enumerate(self.told) if (status.name, status.state) == (name, state))

    def said(self, name: str, stream: str = "stdout") -> list[str]:
        return [line.text for line in self.logs.of(name).tail() if line.stream == stream]


@pytest.fixture(params=[True], ids=["uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.logs.close()
