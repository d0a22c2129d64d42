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
from minimesh.supervise.census import Census
from minimesh.supervise.group import end
from minimesh.supervise.inherited import InstanceState, status_from, status_state
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
    census: Census
    gate: anyio.Lock
    """Held for a turn of the loop by who starts or ends a process: a thousand in one turn would hold up all else."""


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
        self._row = 0
        self._process: Process | None = None
        self._began = 0.0
        self._again_at: float | None = None
        self._ending = False
        self._cause = ""
        self._anew = False
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
        self._row, self._again_at, self._cause, self._anew = 0, None, "", anew
        self._publish(replace(fresh(self.program), state=State.WAITING))
        group.start_soon(self._live)

    @property
    def still(self) -> bool:
        """It waits, runs or has ended, and is not on its way from one to the other: so it can be handed over."""
        if self._ended.is_set():
            return True
        moving = self._scope.cancel_called or self._ending
        return not moving and not (self._process is not None and self._process.waited_for)

    def hand_over(self) -> InstanceState:
        """For the next image of this program, which then calls `take_over`. Only while it is `still`."""
        state: InstanceState = {
            "status": status_state(self.status),
            "alive": not self._ended.is_set(),
            "row": self._row,
            "began": self._began,
            "ready_since": self._ready_since,
            "again_at": self._again_at,
            "stderr": self._stderr,
            "cause": self._cause,
            "anew": self._anew,
            "turn": (self._turn.digest, self._turn.unneeded),
        }
        if self._process is not None:
            state["process"] = self._process.hand_over()
        return state

    def take_over(self, group: TaskGroup, state: InstanceState) -> None:
        """Goes on with a life that an earlier image of this program began, instead of `begin`."""
        self.status = status_from(state["status"])
        self._around.board.put(self.status)
        self._row, self._began, self._again_at = state["row"], state["began"], state["again_at"]
        self._ready_since, self._stderr = state["ready_since"], state["stderr"]
        self._cause, self._anew, self._turn = state["cause"], state["anew"], Turn(*state["turn"])
        if not state["alive"]:
            return
        self._ended = anyio.Event()
        if (process := state.get("process")) is not None:
            self._expect_lines()
            self._around.leaders.add(process["pid"])
            self._process = self._around.spawner.inherit(process, self._take_output)
        group.start_soon(self._live)

    def hold_output(self, held: bool) -> None:
        """Whether what the program writes stays in its pipes for now."""
        if self._process is not None:
            (self._process.hold if held else self._process.release)()

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

    def hurry(self, within: float) -> None:
        """A stop under way takes no longer than this, in seconds since it began."""
        if self._scope.cancel_called:
            self._patience = min(self._patience, within)

    def kill(self) -> None:
        """Ends the life at once, a stop under way too."""
        self._kill_at = self._around.clock.monotonic()
        self._scope.cancel()

    async def _live(self) -> None:
        try:
            with self._scope:
                waited = self.status.state is State.WAITING
                if waited:
                    await self._wait_for_others()
                if self.program.task and waited:
                    await self._run_task()
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

    async def _run_task(self) -> None:
        try:
            self._turn = await to_thread.run_sync(self._around.turns.of, self.program)
        except OSError as error:
            self._say(f"runs, whatever has changed: {error}")
            self._turn = Turn("", "")
        if (why := self._turn.unneeded) and not self._anew:
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
        while True:
            if self._again_at is None:
                if self._process is None:
                    await self._turn_of_the_loop()
                verdict = await self._run_once()
                if verdict.delay is None:
                    return
                self._again_at = self._around.clock.monotonic() + verdict.delay
            await anyio.sleep(max(0.0, self._again_at - self._around.clock.monotonic()))
            self._again_at = None
            self.status = replace(self.status, restarts=self.status.restarts + 1)

    async def _turn_of_the_loop(self) -> None:
        """To be waited for before what takes long, when a thousand others may do the same."""
        async with self._around.gate:
            await anyio.lowlevel.checkpoint()

    async def _live_elsewhere(self) -> None:
        if self.status.started_at is None:
            self._began = self._around.clock.monotonic()
            self._publish(replace(self.status, state=State.STARTING, started_at=self._began))
        await self._become_ready(self._prober(None))
        await anyio.sleep_forever()

    async def _run_once(self) -> Verdict:
        """From start to end, or only to the end of one that runs already; returns what is next."""
        try:
            process = self._process = self._process or self._spawn()
        except SpawnError as error:
            verdict = self._not_started(error, self._row)
            self._row += 1
            return verdict
        try:
            code = await self._until_exit(process)
            process.drain()
            if self.program.task and code == 0:
                await self._remember()
            now = self._around.clock.monotonic()
            row = restarts.row_after(self.program.restart, self._row, now - self._began, self._ready_for(now))
            self._row = row + 1
            return self._judge(code, row, now - self._began)
        finally:
            self._ending = True
            with anyio.CancelScope(shield=True):
                await self._end(process)
            self._process, self._ending = None, False

    def _spawn(self) -> Process:
        clock, program = self._around.clock, self.program
        self._stderr, self._ready_since = "", None
        self._expect_lines()
        process = self._around.spawner.spawn(
            program.argv, program.cwd, program.env, self._take_output, program.instance
        )
        self._around.leaders.add(process.pid)
        self._began = clock.monotonic()
        self._publish(
            replace(self.status, state=State.STARTING, pid=process.pid, started_at=self._began, ready_at=None, probe="")
        )
        return process

    def _expect_lines(self) -> None:
        if self.program.ready.probe is Probe.LOG:
            self._watch = LogWatch(self.program.ready.target)

    def _ready_for(self, now: float) -> float | None:
        return None if self._ready_since is None else now - self._ready_since

    async def _until_exit(self, process: Process) -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(self._become_ready, self._prober(process.pid))
            code = await process.wait()
            group.cancel_scope.cancel()
        return code

    def _prober(self, leader: int | None) -> Prober:
        around = self._around
        return Prober(self.program, self._watch, around.spawner, around.census, around.clock, leader)

    async def _become_ready(self, prober: Prober) -> None:
        if self.program.task or self.program.ready.probe is Probe.RUNNING:
            await self._just_run(prober)
            return
        if self.status.ready_at is None:
            await self._ask_until_ready(prober)
        await self._last(State.READY, restarts.steady(self.program.restart, probed=True))

    async def _ask_until_ready(self, prober: Prober) -> None:
        """Asks until the answer is good; `within` only decides what it is called until then."""
        ready, clock = self.program.ready, self._around.clock
        cause = Cause()
        pause = ready.every if ready.probe is Probe.EXEC else min(EAGER, ready.every)
        while not (answer := await prober.ask()).ok:
            prober.take(self.program, self._watch)
            ready, now = self.program.ready, clock.monotonic()
            due = self._began + ready.within
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
        self._publish(replace(self.status, state=State.READY, reason="", probe=answer.text, ready_at=clock.monotonic()))

    async def _just_run(self, prober: Prober) -> None:
        """The reason of an earlier end stays in sight until this run has lasted a while."""
        now = self.status.ready_at or self._around.clock.monotonic()
        if self.status.streak is not None and self.status.state is not State.RUNNING:
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
        now = self._around.clock.monotonic()
        streak = restarts.failed(self.status.streak, row, verdict, self.program.restart.max, now)
        self._cause = status.reason if verdict.state is State.CRASH_LOOP else ""
        self._say(f"{text}; {restarts.outlook(streak, now)}" if streak else text)
        self._publish(replace(status, state=verdict.state, pid=None, ready_at=None, streak=streak))

    async def _end(self, process: Process) -> None:
        """Ends what is left of the group. A process that was stopped has its exit told here."""
        if process.poll() is None:
            await self._turn_of_the_loop()
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
