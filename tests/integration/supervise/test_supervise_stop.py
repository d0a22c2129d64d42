"""Stopping: in reverse order, politely, then not, and nobody is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from minimesh.model.service import Probe, Ready
from minimesh.supervise.children import RUN_VARIABLE, Children
from minimesh.supervise.leftovers import find, sweep
from minimesh.supervise.status import State

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = pytest.mark.anyio
BOTH_LOOPS = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})],
    ids=["uvloop", "asyncio"],
)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="leftovers are found in /proc")

DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)"
DAEMON = """
    import os, signal, time
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        {deaf}
        print(os.getpid(), flush=True)
        time.sleep(60)
    os.wait()
    time.sleep(60)
"""


@BOTH_LOOPS
async def test_dependants_stop_first(stage: "Stage") -> None:
    programs = [
        stage.program("db"),
        stage.program("api", stage.SLEEPER, "db"),
        stage.program("web", stage.SLEEPER, "api"),
    ]
    async with stage.supervise(*programs) as supervisor:
        await stage.settled()
        stage.told.clear()
        assert await supervisor.stop_all() == []
        ended = [status.name for status in stage.told if status.state is State.STOPPED]
        assert ended == ["web", "api", "db"]
        assert stage.first("web", State.STOPPED) < stage.first("api", State.STOPPING)
        assert {status.exit_code for status in supervisor.status()} == {-signal.SIGTERM}


async def test_its_own_signal_and_its_last_words(stage: "Stage") -> None:
    source = """
        import signal, sys, time
        def stop(number, frame):
            print("finished", number, flush=True)
            sys.exit(0)
        signal.signal(15, stop)
        print("up")
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        await supervisor.stop("api")
        assert stage.said("api") == ["up", "finished 15"]
        assert stage.of("api").exit_code == 0


async def test_whoever_ignores_the_signal_is_killed_in_time(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", DEAF, within=0.1)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        began = stage.clock.monotonic()
        await supervisor.stop_all()
        assert 0.1 <= stage.clock.monotonic() - began < 2.0
        assert stage.of("api").exit_code == -signal.SIGKILL


async def test_the_time_can_be_set_for_all(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", DEAF, within=60.0)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        await supervisor.stop_all(within=0.05)
        assert stage.of("api").exit_code == -signal.SIGKILL


async def test_a_second_thought_kills_at_once(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", DEAF, within=60.0)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        async with anyio.create_task_group() as group:
            group.start_soon(supervisor.stop_all)
            await stage.until(lambda: stage.of("api").state is State.STOPPING)
            supervisor.kill()
        assert stage.of("api").exit_code == -signal.SIGKILL


async def test_a_stop_that_is_under_way_takes_no_longer_than_a_later_one_allows(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", DEAF, within=60.0)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        supervisor.hurry(["api"], 0.0)  # nobody stops it yet
        async with anyio.create_task_group() as group:
            group.start_soon(supervisor.restart, "api")
            await stage.until(lambda: stage.of("api").state is State.STOPPING)
            with anyio.fail_after(10):
                assert await supervisor.stop_all(0.1) == []
        assert (stage.of("api").state, stage.of("api").exit_code) == (State.STOPPED, -signal.SIGKILL)


async def test_a_deaf_grandchild_in_the_group_goes_too(stage: "Stage") -> None:
    source = f"""
        import os, time
        if os.fork() == 0:
            exec({DEAF.replace("'deaf'", "os.getpid()")!r})
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source, within=0.1)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        await supervisor.stop("api")
        assert stage.of("api").exit_code == -signal.SIGTERM
        assert_gone(int(stage.said("api")[0]))


async def test_stopping_while_it_waits_or_starts(stage: "Stage") -> None:
    ready = Ready(Probe.LOG, "never", every=0.02, within=60.0)
    async with stage.supervise(
        stage.program("api", ready=ready), stage.program("web", stage.SLEEPER, "api")
    ) as supervisor:
        await stage.until(lambda: stage.of("api").state is State.STARTING)
        assert await supervisor.stop_all() == []
        assert {status.state for status in supervisor.status()} == {State.STOPPED}
        await supervisor.start("api")  # too late
        assert stage.of("api").state is State.STOPPED


async def test_what_has_ended_keeps_its_reason(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", "raise SystemExit(3)")) as supervisor:
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        await supervisor.stop_all()
        assert (stage.of("api").state, stage.of("api").reason) == (State.EXITED, "exit 3")


@LINUX
@BOTH_LOOPS
@pytest.mark.parametrize("deaf", ["", "signal.signal(15, signal.SIG_IGN)"])
async def test_a_daemon_that_left_the_group_is_found(stage: "Stage", deaf: str) -> None:
    async with stage.supervise(stage.program("api", DAEMON.format(deaf=deaf))) as supervisor:
        await stage.until(lambda: stage.said("api"))
        daemon = int(stage.said("api")[0])
        await supervisor.stop("api")
        os.kill(daemon, 0)
        assert [leftover.pid for leftover in find([stage.run.run_id])] == [daemon]
        if deaf:
            supervisor.kill()
        assert await supervisor.stop_all() == []
        assert_gone(daemon)


@LINUX
async def test_the_dead_that_were_adopted_are_buried_and_nobody_else(stage: "Stage") -> None:
    """An orphan of a service becomes ours; a child of other code in this process stays its own."""
    orphan = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(0.05)
                print(os.getpid(), flush=True)
            os._exit(0)
        os.wait()
        time.sleep(60)
    """
    own = [child("true", session=session) for session in (True, False)]
    async with stage.supervise(stage.program("api", orphan)):
        await stage.until(lambda: stage.said("api"))
        await stage.until(lambda: not Path(f"/proc/{stage.said('api')[0]}").exists())
        assert [process.wait() for process in own] == [0, 0]
    for process in own:
        assert process.stdout is not None
        process.stdout.close()


@LINUX
async def test_the_next_run_ends_what_a_killed_one_left(stage: "Stage") -> None:
    left = child(sys.executable, "-u", "-S", "-c", DEAF, run="earlier")
    other = child("sleep", "60", run="another")
    try:
        assert left.stdout is not None
        assert left.stdout.readline() == b"deaf\n"
        found = await sweep(["earlier", "never"], stage.clock, within=0.05)
        assert [leftover.pid for leftover in found] == [left.pid]
        assert "signal.SIG_IGN" in found[0].command
        assert left.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@LINUX
def test_a_mesh_does_not_end_itself(tmp_path: Path) -> None:
    """Started from a leftover's terminal, it has the run's id in its own environment."""
    source = "from minimesh.supervise.leftovers import find; print(find(['earlier']))"
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1"; true', sys.executable, source],
        env={RUN_VARIABLE: "earlier", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_children_are_told_apart_without_any_adopted() -> None:
    process = subprocess.Popen(["true"])
    children = Children("run")
    children.add(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert children.bury() == 0
    assert process.wait() == 0


def assert_gone(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def child(*argv: str, run: str = "", session: bool = False) -> "subprocess.Popen[bytes]":
    """A process that is not the supervisor's."""
    environment = {**os.environ, RUN_VARIABLE: run}
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, start_new_session=session)


async def test_who_is_no_more_need_not_be_stopped(stage: "Stage") -> None:
    """A stop may come to a name just after a reload has removed it."""
    async with stage.supervise(stage.program("api", "import time; time.sleep(60)")) as supervisor:
        await supervisor.stop("removed")
        await supervisor.stop("api")
        assert stage.of("api").state is State.STOPPED
