"""What happens when a service ends by itself, and what is kept of its output."""

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from minimesh.model.service import Probe, Ready, RestartPolicy
from minimesh.supervise import restarts
from minimesh.supervise.lines import CUT_MARK, MAX_LINE
from minimesh.supervise.logs import LINES_KEPT
from minimesh.supervise.status import State

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = pytest.mark.anyio
BOTH_LOOPS = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})],
    ids=["uvloop", "asyncio"],
)


@BOTH_LOOPS
async def test_a_crash_loop_ends_with_its_cause(stage: "Stage") -> None:
    crash = stage.program("payments", "import os; os.environ['STRIPE_KEY']", restart=RestartPolicy.ON_FAILURE)
    async with stage.supervise(crash, stage.program("web", stage.SLEEPER, "payments")):
        await stage.until(lambda: stage.of("payments").state is State.CRASH_LOOP)
        payments = stage.of("payments")
        assert payments.reason == "exit 1: KeyError: 'STRIPE_KEY'"
        assert (payments.restarts, payments.exit_code, payments.pid) == (2, 1, None)
        assert payments.last_stderr == "KeyError: 'STRIPE_KEY'"
        assert stage.states("payments") == [
            State.WAITING,
            *(State.STARTING, State.RUNNING, State.BACKOFF),
            *(State.STARTING, State.BACKOFF),
            *(State.STARTING, State.CRASH_LOOP),
        ]
        assert "; next try in 0.0 s (2 of 2, then stops)" in stage.said("payments", "mesh")[1]
        assert re.search(r"; 3 times in \d\.\d s, not started again$", stage.said("payments", "mesh")[2])


async def test_a_crash_loop_is_one_while_it_is_tried_again_and_until_a_run_has_lasted(
    stage: "Stage", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "STEADY", 1.5)
    source = """
        import os, sys, time
        with open("runs", "a+") as file:
            file.write("x"); file.seek(0)
            runs = len(file.read())
        if runs < 6:
            sys.exit("no database yet")
        print("up")
        time.sleep(60)
    """
    ready = Ready(Probe.LOG, "up", every=0.02, within=5.0)
    crash = stage.program("api", source, ready=ready, restart=RestartPolicy.ALWAYS, restarts=9)
    async with stage.supervise(crash, stage.program("web", stage.SLEEPER, "api")):
        await stage.until(lambda: stage.of("api").state is State.READY)
        up = next(status for status in stage.told if status.name == "api" and status.serving)
        assert (up.state, up.reason) == (State.CRASH_LOOP, "exit 1: no database yet")
        assert up.pid is not None
        waited = "waiting for api: crash-loop, exit 1: no database yet"
        assert any(status.name == "web" and status.reason == waited for status in stage.told)
        assert (stage.of("api").reason, stage.of("api").streak) == ("", None)
        assert stage.states("api") == [
            State.WAITING,
            *(State.STARTING, State.BACKOFF) * 2,
            State.STARTING,
            State.CRASH_LOOP,
            State.READY,
        ]
        await stage.until(lambda: stage.of("web").state is State.RUNNING)


async def test_dependants_of_a_crash_loop_are_told(stage: "Stage") -> None:
    ready = Ready(Probe.LOG, "never", every=0.02, within=5.0)
    crash = stage.program("api", "raise SystemExit(7)", ready=ready, restart=RestartPolicy.ALWAYS, restarts=1)
    async with stage.supervise(crash, stage.program("web", stage.SLEEPER, "api")):
        await stage.settled()
        assert stage.of("web").reason == "waiting for api: crash-loop, exit 7"


@pytest.mark.parametrize(
    ("policy", "code", "state", "restarts"),
    [
        (RestartPolicy.ON_FAILURE, 0, State.EXITED, 0),
        (RestartPolicy.NO, 3, State.EXITED, 0),
        (RestartPolicy.ALWAYS, 0, State.CRASH_LOOP, 2),
    ],
)
async def test_the_policy_decides(
    stage: "Stage", policy: RestartPolicy, code: int, state: State, restarts: int
) -> None:
    async with stage.supervise(stage.program("api", f"raise SystemExit({code})", restart=policy)):
        await stage.until(lambda: stage.of("api").state is state)
        assert stage.of("api").restarts == restarts
        assert stage.of("api").reason == f"exit {code}"
        assert not stage.of("api").serving


async def test_a_killed_service_comes_back(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api", restart=RestartPolicy.ON_FAILURE)):
        await stage.settled()
        first = stage.of("api").pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await stage.until(lambda: stage.of("api").state is State.RUNNING and stage.of("api").pid != first)
        again = stage.of("api")
        assert (again.restarts, again.exit_code) == (1, -signal.SIGKILL)
        assert again.reason == "killed by SIGKILL"  # stays in sight for a while


async def test_the_rest_of_the_group_goes_with_its_leader(stage: "Stage") -> None:
    source = """
        import os, time
        if (pid := os.fork()) == 0:
            time.sleep(60)
        print(pid, flush=True)
    """
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        child = int(stage.said("api")[0])
        await stage.until(lambda: not is_alive(child))


async def test_a_line_of_10_mb_is_cut(stage: "Stage") -> None:
    source = "import sys; sys.stdout.write('x' * 10_000_000); sys.stdout.write('\\nafter\\n')"
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        assert stage.said("api") == ["x" * MAX_LINE + CUT_MARK, "after"]
    assert stage.logs.flush()
    assert (stage.folder / "logs" / "api.log").stat().st_size < 2 * MAX_LINE


async def test_a_hundred_thousand_lines_all_reach_the_file(stage: "Stage") -> None:
    source = "print('\\n'.join(str(number) for number in range(100_000)))"
    followed: list[str] = []
    stage.logs.follow(lambda lines: followed.extend(line.text for line in lines if line.stream == "stdout"))
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.of("api").state is State.EXITED)
    assert followed == [str(number) for number in range(100_000)]
    assert len(stage.logs.of("api").tail()) == LINES_KEPT
    assert stage.logs.flush()
    lines = (stage.folder / "logs" / "api.log").read_text().splitlines()
    assert len([line for line in lines if " stdout " in line]) == 100_000
    assert stage.logs.of("api").dropped == 0


async def test_closing_its_output_is_not_an_end(stage: "Stage") -> None:
    source = """
        import os, time
        os.write(1, b"bye"); os.close(1); os.close(2)
        time.sleep(60)
    """
    async with stage.supervise(stage.program("api", source)) as supervisor:
        await stage.until(lambda: stage.said("api") == ["bye"])
        assert stage.of("api").state is State.RUNNING
        await supervisor.stop("api")
        assert stage.of("api").exit_code == -signal.SIGTERM


async def test_both_streams_are_told_apart_and_kept_in_order(stage: "Stage") -> None:
    source = """
        import os, time
        for number in range(5):
            os.write(1 + number % 2, b"%d\\n" % number)
            time.sleep(0.02)
    """
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        kept = [line for line in stage.logs.of("api").tail() if line.stream != "mesh"]
        assert [line.text for line in kept] == ["0", "1", "2", "3", "4"]
        assert [line.stream.value for line in kept] == ["stdout", "stderr"] * 2 + ["stdout"]


async def test_restart_start_and_stop_of_one_service(stage: "Stage") -> None:
    async with stage.supervise(stage.program("db"), stage.program("web", stage.SLEEPER, "db")) as supervisor:
        await stage.settled()
        web, db = stage.of("web").pid, stage.of("db").pid
        await supervisor.restart("db")
        await stage.settled()
        assert stage.of("db").pid != db
        await supervisor.start("db")  # runs already
        assert stage.of("web").pid == web
        await supervisor.stop("db")
        assert (stage.of("db").state, stage.of("db").pid) == (State.STOPPED, None)
        await supervisor.restart("web")
        await stage.until(lambda: stage.of("web").reason == "waiting for db: stopped")
        await supervisor.start("db")
        await stage.settled()
        assert stage.of("web").state is State.RUNNING


async def test_replicas_are_one_service(stage: "Stage") -> None:
    async with stage.supervise(stage.program("api"), stage.program("api", replica=2)) as supervisor:
        await stage.settled()
        assert [(status.name, status.replica) for status in supervisor.status()] == [("api", 1), ("api", 2)]
        assert len({status.pid for status in supervisor.status()}) == 2
        await supervisor.stop("api")
        assert {status.state for status in supervisor.status()} == {State.STOPPED}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
