"""Asks one run of a program whether it is ready, in the way that its `ready` says, and doubts what it hears."""

import anyio

from minimesh.model.clock import Clock
from minimesh.model.service import Probe
from minimesh.supervise.census import Census
from minimesh.supervise.doubt import FIRST_LOOK, Doubt
from minimesh.supervise.probe import Answer, LogWatch, ask_exec, ask_grpc, ask_http, ask_tcp
from minimesh.supervise.process import Spawner
from minimesh.supervise.program import Program
from minimesh.supervise.tenant import Tenant

LOOKS = 6
"""How often a program without a probe is looked for elsewhere, with pauses that double: for about a minute."""


class Prober:
    """leader: the pid of the run; None where the program lives elsewhere, and nothing can be known of it."""

    def __init__(
        self,
        program: Program,
        watch: LogWatch,
        spawner: Spawner,
        census: Census,
        clock: Clock,
        leader: int | None,
    ) -> None:
        self._program = program
        self._watch = watch
        self._spawner = spawner
        self._clock = clock
        self._doubt: Doubt | None = None
        if leader is not None and program.port is not None and not program.datagrams:
            tenant = Tenant(program.name, program.instance, leader, program.port, spawner.run_id)
            self._doubt = Doubt(tenant, census, clock.monotonic())

    def take(self, program: Program, watch: LogWatch) -> None:
        """Other settings of the same run count from the next question on."""
        self._program, self._watch = program, watch

    async def ask(self) -> Answer:
        ready, targets = self._program.ready, self._program.targets
        match ready.probe:
            case Probe.HTTP:
                program = self._program
                return await self._examined(
                    await ask_http(targets, ready.target, ready.timeout, program.name, program.tls)
                )
            case Probe.TCP:
                return await self._examined(await ask_tcp(targets, ready.timeout))
            case Probe.GRPC:
                return await self._examined(await ask_grpc(targets, ready.target, ready.timeout, self._program.name))
            case Probe.LOG:
                return await self._watch.ask(ready.every)
            case Probe.EXEC:
                return await ask_exec(self._program, self._spawner, self._clock)
            case Probe.RUNNING:
                return Answer(True, "running")

    async def stray(self) -> str:
        """Where a program that nobody asks listens, if not where it is called; "" as soon as all is well."""
        pause = FIRST_LOOK
        for _ in range(LOOKS):
            await anyio.sleep(pause)
            pause *= 2
            if self._doubt is None or (found := await self._doubt.stray()) is None:
                return ""
            if found:
                return found
        return ""

    async def _examined(self, answer: Answer) -> Answer:
        return answer if self._doubt is None else await self._doubt.examine(answer, self._clock.monotonic())
