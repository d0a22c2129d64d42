"""The life of one replica: wait, start, probe, notice its end, start again or not, stop."""

import math
import signal
from dataclasses import dataclass, replace
from random import Random

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskGroup

from minimesh.model.clock import Clock
from minimesh.model.service import Probe
from minimesh.supervise import order, restarts
from minimesh.supervise.board import Board
from minimesh.supervise.group import end
from minimesh.supervise.leaders import Leaders
from minimesh.supervise.lines import telling
from minimesh.supervise.logs import Logs, Stream
from minimesh.supervise.probe import Cause, LogWatch
from minimesh.supervise.prober import Prober
from minimesh.supervise.process import Process, Spawner, SpawnError
from minimesh.supervise.program import Program
from minimesh.supervise.restarts import Verdict
from minimesh.supervise.status import InstanceStatus, State
from minimesh.supervise.turns import Turn, Turns


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the instances of a supervisor share."""

    board: Board
    logs: Logs
    clock: Clock
    rng: Random
    spawner: Spawner
    turns: Turns
    leaders: Leaders
    gate: anyio.Lock
    """Held for a turn of the loop by who is to start: a thousand starts in one turn would hold up everything else."""


_BETWEEN_FAILURES = frozenset({State.STARTING, State.RUNNING, State.READY, State.BACKOFF, State.FAILED})
"""What is called a crash loop instead, as long as there is one."""
EAGER = 0.02
"""Seconds until the second question: most programs are ready soon, so the first ones come faster than `every`."""


class Instance:
    """One replica of a service, or a task. Its state is on the board."""

    def __init__(self, program: Program, around: Surroundings) -> None:
        self.program = program
        self.status = fresh(program)
        self._around = around
        self._log = around.logs.of(program.name)
        self._watch = LogWatch("")
        self._stderr = ""
        self._ready_since: float | None = None
        self._cause = ""
        self._turn = Turn("", "")
        self._patience = program.stop.within
        self._kill_at = math.inf
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._ended.set()

    def begin(self, group: TaskGroup, *, anew: bool = False) -> None:
        """Starts a life in `group`, from the waiting for dependencies on. Nothing where there is one.

        anew: a task runs even if its `when` says that it need not.
        """
        if not self._ended.is_set():
            return
        self._ended, self._scope = anyio.Event(), anyio.CancelScope()
        self._patience, self._kill_at = self.program.stop.within, math.inf
        self._cause = ""
        self._publish(replace(fresh(self.program), state=State.WAITING))
        group.start_soon(self._live, anew)

    @property
    def alive(self) -> bool:
        """It was begun, and has neither ended for good nor been stopped."""
        return not self._ended.is_set()

    def adopt(self, program: Program) -> None:
        """Other settings for the same replica: argv, cwd and env count from its next start on, the rest at once."""
        if program.ready != self.program.ready and program.ready.probe is Probe.LOG:
            self._watch = LogWatch(program.ready.target)
        if not self._scope.cancel_called:
            self._patience = program.stop.within
        self.program = program
        if not self.alive:
            self._publish(replace(self.status, port=program.port))

    async def stop(self, within: float | None = None) -> None:
        """Returns when the whole group has ended. `within`: instead of the program's own setting."""
        if self._ended.is_set():
            return
        if within is not None:
            self._patience = within
        if self.status.pid is not None:
            self._publish(replace(self.status, state=State.STOPPING))
        self._scope.cancel()
        await self._ended.wait()

    def kill(self) -> None:
        """Ends the life at once, a stop under way too."""
        self._kill_at = self._around.clock.monotonic()
        self._scope.cancel()

    async def _live(self, anew: bool) -> None:
        try:
            with self._scope:
                await self._wait_for_others()
                if self.program.task:
                    await self._run_task(anew)
                else:
                    await (self._keep_running() if self.program.argv else self._live_elsewhere())
        except anyio.get_cancelled_exc_class():
            self._stopped()
            raise
        else:
            if self._scope.cancelled_caught:
                self._stopped()
        finally:
            self._ended.set()

    async def _wait_for_others(self) -> None:
        board = self._around.board
        while (unmet := order.unmet(self.program.depends_on, board.statuses)) is not None:
            self._publish(replace(self.status, state=State.WAITING, reason=order.waiting(unmet, board.statuses)))
            await board.changed(unmet.name)
        self._publish(replace(self.status, reason=""))

    async def _run_task(self, anew: bool) -> None:
        try:
            self._turn = await to_thread.run_sync(self._around.turns.of, self.program)
        except OSError as error:
            self._say(f"runs, whatever has changed: {error}")
            self._turn = Turn("", "")
        if (why := self._turn.unneeded) and not anew:
            self._say(why)
            self._publish(replace(self.status, state=State.COMPLETED, reason=why))
        else:
            await self._keep_running()

    async def _remember(self) -> None:
        """That a task has completed, before anybody is told."""
        turns, now = self._around.turns, self._around.clock.wall()
        try:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(turns.completed, self.program, self._turn, now)
        except OSError as error:
            self._say(f"will run again at the next start: cannot remember that it has completed: {error}")

    async def _keep_running(self) -> None:
        row = 0
        while True:
            async with self._around.gate:
                await anyio.lowlevel.checkpoint()
            row, verdict = await self._run_once(row)
            if verdict.delay is None:
                return
            await anyio.sleep(verdict.delay)
            self.status = replace(self.status, restarts=self.status.restarts + 1)

    async def _live_elsewhere(self) -> None:
        self._publish(replace(self.status, state=State.STARTING, started_at=self._around.clock.wall()))
        await self._become_ready(self._prober(None))
        await anyio.sleep_forever()

    async def _run_once(self, row: int) -> tuple[int, Verdict]:
        """From start to end, after `row` failures in a row; returns how many there are now, and what is next."""
        clock, program = self._around.clock, self.program
        self._stderr, self._ready_since = "", None
        if program.ready.probe is Probe.LOG:
            self._watch = LogWatch(program.ready.target)
        try:
            process = self._around.spawner.spawn(
                program.argv, program.cwd, program.env, self._take_output, program.instance
            )
        except SpawnError as error:
            return row + 1, self._not_started(error, row)
        self._around.leaders.add(process.pid)
        began = clock.monotonic()
        now = clock.wall()
        self._publish(
            replace(self.status, state=State.STARTING, pid=process.pid, started_at=now, ready_at=None, probe="")
        )
        try:
            code = await self._until_exit(process)
            process.drain()
            if self.program.task and code == 0:
                await self._remember()
            ended = clock.monotonic()
            row = restarts.row_after(program.restart, row, ended - began, self._ready_for(ended))
            return row + 1, self._judge(code, row, ended - began)
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(process)

    def _ready_for(self, now: float) -> float | None:
        return None if self._ready_since is None else now - self._ready_since

    async def _until_exit(self, process: Process) -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(self._become_ready, self._prober(process.pid))
            code = await process.wait()
            group.cancel_scope.cancel()
        return code

    def _prober(self, leader: int | None) -> Prober:
        return Prober(self.program, self._watch, self._around.spawner, self._around.clock, leader)

    async def _become_ready(self, prober: Prober) -> None:
        """Asks until the answer is good; `within` only decides what it is called until then."""
        ready, clock = self.program.ready, self._around.clock
        if self.program.task or ready.probe is Probe.RUNNING:
            await self._just_run(prober)
            return
        cause, began = Cause(), clock.monotonic()
        pause = ready.every if ready.probe is Probe.EXEC else min(EAGER, ready.every)
        while not (answer := await prober.ask()).ok:
            prober.take(self.program, self._watch)
            ready, now = self.program.ready, clock.monotonic()
            due = began + ready.within
            if now < due:
                state, reason = State.STARTING, cause.note(answer, now)
            else:
                state, reason = State.FAILED, f"not ready within {ready.within:g} s: {answer.text}"
            self._publish(replace(self.status, state=state, reason=reason, probe=answer.text))
            if ready.probe is not Probe.LOG:
                await anyio.sleep(min(pause, due - now) if now < due else ready.every)
                pause = min(pause * 2, ready.every)
        self._ready_since = clock.monotonic()
        self._say(f"ready: {answer.text}")
        self._publish(replace(self.status, state=State.READY, reason="", probe=answer.text, ready_at=clock.wall()))
        await self._last(State.READY, restarts.steady(self.program.restart, probed=True))

    async def _just_run(self, prober: Prober) -> None:
        """The reason of an earlier end stays in sight until this run has lasted a while."""
        now = self._around.clock.wall()
        if self.status.streak is not None:
            self._publish(replace(self.status, state=State.STARTING, ready_at=now))
            await anyio.sleep(restarts.PROVED)
        self._publish(replace(self.status, state=State.RUNNING, ready_at=now))
        async with anyio.create_task_group() as group:
            if not self.program.task:
                group.start_soon(self._last, State.RUNNING, restarts.steady(self.program.restart, probed=False))
                group.start_soon(self._find_stray, prober)

    async def _last(self, state: State, steady: float) -> None:
        """Forgets earlier failures once this run has gone on for `steady` seconds."""
        earlier = self.status.reason
        if not (earlier or self.status.streak):
            return
        await anyio.sleep(steady)
        self._cause = ""
        reason = "" if self.status.reason == earlier else self.status.reason
        self._publish(replace(self.status, state=state, reason=reason, streak=None))

    async def _find_stray(self, prober: Prober) -> None:
        if stray := await prober.stray():
            self._say(stray)
            self._publish(replace(self.status, reason=stray, probe=stray))

    def _judge(self, code: int, row: int, ran: float) -> Verdict:
        """Decides, and tells at once: the rest of the group may take its time."""
        settings = self.program.restart
        verdict = (
            restarts.decide_task(code) if self.program.task else restarts.decide(settings, code, row, self._around.rng)
        )
        reason = restarts.exit_text(code, self._stderr)
        status = replace(
            self.status,
            reason="" if verdict.state is State.COMPLETED else reason,
            exit_code=code,
            last_stderr=self._stderr,
        )
        self._after_end(status, verdict, row, f"{reason} after {ran:.1f} s")
        return verdict

    def _not_started(self, error: SpawnError, row: int) -> Verdict:
        settings = self.program.restart
        if error.hopeless or self.program.task:
            verdict = Verdict(State.FAILED)
        else:
            verdict = restarts.decide(settings, 1, row, self._around.rng)
        self._after_end(replace(self.status, reason=str(error), exit_code=None), verdict, row, str(error))
        return verdict

    def _after_end(self, status: InstanceStatus, verdict: Verdict, row: int, text: str) -> None:
        """Tells of an end and what is next. row: failures in a row before this one."""
        now = self._around.clock.wall()
        streak = restarts.failed(self.status.streak, row, verdict, self.program.restart.max, now)
        self._cause = status.reason if verdict.state is State.CRASH_LOOP else ""
        self._say(f"{text}; {restarts.outlook(streak, now)}" if streak else text)
        self._publish(replace(status, state=verdict.state, pid=None, ready_at=None, streak=streak))

    async def _end(self, process: Process) -> None:
        """Ends what is left of the group. A process that was stopped has its exit told here."""
        clock, began = self._around.clock, self._around.clock.monotonic()
        left = await end(
            process,
            signal.Signals[f"SIG{self.program.stop.signal}"],
            lambda: min(self._kill_at, began + self._patience),
            clock,
            self._around.spawner.children.bury,
        )
        process.close()
        if left:
            self._say(f"could not be ended: pid {', '.join(map(str, left))}")
        if self.status.pid is not None:
            self._publish(replace(self.status, pid=None, exit_code=process.poll(), last_stderr=self._stderr))

    def _stopped(self) -> None:
        self._publish(replace(self.status, state=State.STOPPED, reason="", ready_at=None))

    def _take_output(self, stream: Stream, lines: list[str]) -> None:
        self._log.add(self.program.replica, stream, lines)
        self._watch.look(lines)
        if stream is Stream.STDERR:
            self._stderr = telling(lines) or self._stderr

    def _say(self, text: str) -> None:
        self._log.add(self.program.replica, Stream.MESH, [text])

    def _publish(self, status: InstanceStatus) -> None:
        """In a crash loop its cause stays in sight, whatever the program does between two failures."""
        if self._cause and status.state in _BETWEEN_FAILURES:
            status = replace(status, state=State.CRASH_LOOP, reason=self._cause)
        self.status = status
        self._around.board.publish(status)


def fresh(program: Program) -> InstanceStatus:
    """The status of a program that nobody started yet."""
    return InstanceStatus(program.name, program.replica, program.task, port=program.port)
