"""Programs that behave badly: none of them holds the mesh up, and nothing of them is left."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import anyio
import pytest

from minimesh.supervise.children import stat
from minimesh.supervise.leftovers import find
from minimesh.supervise.logfile import LogFile
from minimesh.supervise.status import State

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = pytest.mark.anyio
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
LAG = 0.25
"""Seconds that the loop may be late at most, without those in which it had no core; measured: 1 to 10 ms."""


@asynccontextmanager
async def prompt_loop() -> AsyncIterator[None]:
    """The loop comes to other work in time, all the while."""
    late = [0.0]

    async def look() -> None:
        while True:
            began, waited = monotonic(), without_a_core()
            await asyncio.sleep(0.002)
            late[0] = max(late[0], monotonic() - began - (without_a_core() - waited))

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        yield
        group.cancel_scope.cancel()
    assert late[0] < LAG


def without_a_core() -> float:
    """Seconds that this thread could have run and others did, as far as the system tells."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except FileNotFoundError:
        return 0.0


def resident_growth(before: int) -> int:
    """In MiB, of the most that this process ever had."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024


@LINUX
async def test_100_mb_of_log_hold_up_nobody_and_are_not_kept(stage: "Stage") -> None:
    source = """
        import sys
        lines = (b"x" * 99 + b"\\n") * 1000
        for _ in range(1000):
            sys.stdout.buffer.write(lines)
        print("done")
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dropped = []
    for name in ("one", "two", "three"):
        async with stage.supervise(stage.program(name, source)), prompt_loop():
            with anyio.fail_after(60):
                while stage.of(name).state is not State.EXITED:  # noqa: ASYNC110 - as Stage.until, with more patience
                    await anyio.sleep(0.02)
        assert stage.said(name)[-1] == "done"
        assert stage.logs.flush()
        written = sum(file.read_bytes().count(b" stdout ") for file in (stage.folder / "logs").glob(f"{name}.log*"))
        dropped.append(stage.logs.of(name).dropped)
        assert written + dropped[-1] == 1_000_001, "each line is in the file, or counted"
        if not dropped[-1]:
            break
    assert min(dropped) == 0, f"a disk that keeps up has all: {dropped}"
    assert resident_growth(before) < 100


@LINUX
async def test_200_children_in_groups_of_their_own_are_all_ended(stage: "Stage") -> None:
    source = """
        import os, signal, time
        for number in range(200):
            if os.fork() == 0:
                if number % 2:
                    os.setsid()
                if number % 3 == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
                os._exit(0)
        print("all there", flush=True)
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source, within=0.5)) as supervisor, prompt_loop():
        await stage.until(lambda: stage.said("api"))
        assert len(find([stage.run.run_id])) == 201
        assert await supervisor.stop_all() == []


@LINUX
async def test_one_that_is_stopped_hears_that_it_should_end(stage: "Stage") -> None:
    source = """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), os._exit(0)))
        print("up", flush=True)
        while True:
            time.sleep(1)
    """
    async with stage.supervise(stage.program("api", source)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        pid = stage.of("api").pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await stage.until(lambda: (entry := stat(pid)) and entry.state == "T")
        await supervisor.stop("api")
        assert stage.said("api") == ["up", "bye"]
        assert stage.of("api").exit_code == 0


@LINUX
async def test_a_grandchild_that_holds_the_pipe_does_not_keep_the_service_alive(stage: "Stage") -> None:
    source = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            while True:
                print("still here", flush=True)
                time.sleep(0.01)
        print("leaves")
    """
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        assert stage.of("api").reason == "exit 0"
        assert len(find([stage.run.run_id])) <= 1


@LINUX
async def test_the_dead_that_a_service_does_not_bury_are_no_reason_to_wait(stage: "Stage") -> None:
    source = """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                os._exit(0)
        print("zombies", flush=True)
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        assert await supervisor.stop_all() == []


@LINUX
async def test_a_daemon_that_forgot_its_environment_is_ended_with_its_run(stage: "Stage") -> None:
    source = """
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execve("/bin/sh", ["sh", "-c", "echo $$; sleep 61 & wait"], {"PATH": "/usr/bin:/bin"})
            os._exit(0)
        os.wait()
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source)) as supervisor:
        await stage.until(lambda: stage.said("api"))
        daemon = int(stage.said("api")[0])
        assert await supervisor.stop_all() == []
        assert stat(daemon) is None


async def test_a_loop_of_output_is_heard_to_its_end_and_a_stop_comes_through(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", "while True: print('y' * 1000)")) as supervisor, prompt_loop():
        await stage.until(lambda: len(stage.said("api")) > 500)
        with anyio.fail_after(5):
            await supervisor.stop("api")


async def test_a_slow_disk_holds_up_nobody(stage: "Stage", monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = LogFile.write, list[str]()

    def slow(file: LogFile, text: str) -> bool:
        sleep(2 * LAG)
        written.append(text)
        return write(file, text)

    monkeypatch.setattr(LogFile, "write", slow)
    async with stage.supervise(stage.program("api", "print('one', flush=True); print('two')")), prompt_loop():
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        assert stage.said("api") == ["one", "two"]
        await stage.until(lambda: written)
    assert stage.logs.flush()
    assert " stdout two\n" in "".join(written)
