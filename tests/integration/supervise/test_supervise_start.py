"""Start order, readiness, and the causes that are told on the way."""

import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from minimesh.model.address import Address
from minimesh.model.service import Condition, Probe, Ready, RestartPolicy
from minimesh.supervise import process
from minimesh.supervise.program import Program
from minimesh.supervise.status import State
from tests.processes import free_port

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = pytest.mark.anyio
BOTH_LOOPS = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})],
    ids=["uvloop", "asyncio"],
)

# It listens once there is a file `up`, and is well once there is a file `well`.
WEB = """
    import os, socket, time
    while not os.path.exists("up"):
        time.sleep(0.005)
    listener = socket.create_server(("{host}", {port}), family=socket.{family})
    while True:
        peer, _ = listener.accept()
        peer.recv(4096)
        status = 200 if os.path.exists("well") else 503
        peer.sendall(b"HTTP/1.1 %d X\\r\\ncontent-length: 0\\r\\n\\r\\n" % status)
        peer.close()
"""


def web(port: int, host: str = "127.0.0.1") -> str:
    return WEB.format(port=port, host=host, family="AF_INET6" if ":" in host else "AF_INET")


def http() -> Ready:
    return Ready(Probe.HTTP, "/healthz", every=0.02, timeout=1.0, within=10.0)


@BOTH_LOOPS
async def test_a_dependant_waits_and_is_told_for_what(stage: "Stage") -> None:
    port = free_port()
    api = stage.program("api", web(port), port=port, ready=http())
    refused = f"waiting for api: not ready, tcp 127.0.0.1:{port}: connection refused for "
    async with stage.supervise(stage.program("web", stage.SLEEPER, "api"), api) as supervisor:
        await stage.until(lambda: stage.of("web").reason.startswith(refused))
        (stage.folder / "up").touch()
        sick = "waiting for api: not ready, /healthz 503 for "
        await stage.until(lambda: stage.of("web").reason.startswith(sick))
        (stage.folder / "well").touch()
        await stage.settled()
        assert [status.state for status in supervisor.status()] == [State.RUNNING, State.READY]
        assert stage.of("api").probe == "GET /healthz 200"
        assert stage.of("api").reason == ""
        assert stage.of("api").serving
        assert stage.first("api", State.READY) < stage.first("web", State.STARTING)
        assert stage.said("api", "mesh") == ["ready: GET /healthz 200"]


async def test_a_program_on_ipv6_is_found(stage: "Stage") -> None:
    port = free_port()
    for name in ("up", "well"):
        (stage.folder / name).touch()
    async with stage.supervise(stage.program("api", web(port, "::1"), port=port, ready=http())):
        await stage.settled()
        assert stage.of("api").state is State.READY


async def test_not_ready_in_time_blocks_dependants_but_is_still_asked(stage: "Stage") -> None:
    flag = stage.folder / "flag"
    ready = Ready(Probe.EXEC, f"echo not yet >&2; test -e {flag}", every=0.02, timeout=2.0, within=0.1)
    async with stage.supervise(stage.program("api", ready=ready), stage.program("web", stage.SLEEPER, "api")):
        await stage.settled()
        api, blocked = stage.of("api"), stage.of("web")
        assert (api.state, api.pid is not None) == (State.FAILED, True)
        assert api.reason == f"not ready within 0.1 s: `{ready.target}`: exit 1: not yet"
        assert blocked.state is State.WAITING
        assert blocked.reason == f"waiting for api: failed, {api.reason}"
        flag.touch()
        await stage.until(lambda: stage.of("web").state is State.RUNNING)
        assert stage.of("api").state is State.READY


async def test_a_probe_command_that_hangs_is_ended(stage: "Stage") -> None:
    ready = Ready(Probe.EXEC, "sleep 60 & wait", every=0.02, timeout=0.1, within=0.05)
    async with stage.supervise(stage.program("api", ready=ready)):
        await stage.settled()
        assert stage.of("api").reason == "not ready within 0.05 s: `sleep 60 & wait`: no end in 0.1 s"


async def test_a_log_line_makes_ready(stage: "Stage") -> None:
    source = "import sys, time; sys.stderr.write('now listening\\n'); time.sleep(60)"
    ready = Ready(Probe.LOG, "listening$", every=0.05, within=5.0)
    async with stage.supervise(stage.program("api", source, ready=ready)):
        await stage.settled()
        assert stage.of("api").state is State.READY
        assert stage.of("api").probe == "log 'listening$'"


async def test_tasks_run_to_their_end_before_those_that_depend_on_them(stage: "Stage") -> None:
    seed = stage.program("seed", "open('seeded', 'w').close()", "db", task=True)
    web = stage.program(
        "web",
        "import os, time; print(os.path.exists('seeded')); time.sleep(60)",
        "seed",
        condition=Condition.COMPLETED,
    )
    async with stage.supervise(web, seed, stage.program("db")):
        await stage.settled()
        assert stage.of("seed").state is State.COMPLETED
        assert stage.of("seed").exit_code == 0
        await stage.until(lambda: stage.said("web"))
        assert stage.said("web") == ["True"]
        assert stage.states("seed") == [State.WAITING, State.STARTING, State.RUNNING, State.COMPLETED]


async def test_a_task_that_fails_blocks_with_its_cause_until_it_succeeds(stage: "Stage") -> None:
    seed = stage.program("seed", "open('data')", task=True)
    web = stage.program("web", stage.SLEEPER, "seed", condition=Condition.COMPLETED)
    async with stage.supervise(seed, web) as supervisor:
        await stage.settled()
        cause = "exit 1: FileNotFoundError: [Errno 2] No such file or directory: 'data'"
        assert stage.of("seed").state is State.FAILED
        assert stage.of("seed").reason == cause
        assert stage.of("web").reason == f"waiting for seed: failed, {cause}"
        (stage.folder / "data").touch()
        await supervisor.start("seed")
        await stage.settled()
        assert stage.of("web").state is State.RUNNING


async def test_what_is_independent_starts_at_the_same_time(stage: "Stage") -> None:
    """Each becomes ready only once the other two run."""
    names = ["a", "b", "c"]
    source = "open('{}', 'w').close(); import time; time.sleep(60)"
    ready = Ready(Probe.EXEC, "test -e a && test -e b && test -e c", every=0.02, timeout=2.0, within=5.0)
    async with stage.supervise(*(stage.program(name, source.format(name), ready=ready) for name in names)):
        await stage.settled()
        assert [stage.of(name).state for name in names] == [State.READY] * 3


async def test_started_is_enough_where_it_says_so(stage: "Stage") -> None:
    ready = Ready(Probe.LOG, "never", every=0.02, within=0.05)
    async with stage.supervise(
        stage.program("cache", ready=ready),
        stage.program("web", stage.SLEEPER, "cache", condition=Condition.STARTED),
    ):
        await stage.settled()
        assert stage.of("cache").state is State.FAILED
        assert stage.of("web").state is State.RUNNING


async def test_a_service_that_lives_elsewhere_is_only_asked(stage: "Stage") -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", listener.getsockname()[1])
    db = Program("db", (), stage.folder, addresses=(address,), ready=Ready(Probe.TCP, every=0.02, within=5.0))
    with listener:
        async with stage.supervise(db, stage.program("web", stage.SLEEPER, "db")) as supervisor:
            await stage.settled()
            assert (stage.of("db").state, stage.of("db").pid) == (State.READY, None)
            assert stage.of("web").state is State.RUNNING
            assert await supervisor.stop_all() == []
            assert stage.of("db").state is State.STOPPED


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("no-such-program",), "cannot start: there is no program no-such-program"),
        (("/etc/passwd",), "cannot start: /etc/passwd is not executable"),
        (("a\0b",), "cannot start 'a\\x00b': embedded null byte"),
    ],
)
async def test_a_program_that_cannot_start_is_not_tried_again(
    stage: "Stage", argv: tuple[str, ...], reason: str
) -> None:
    async with stage.supervise(stage.program("api", argv=argv, restart=RestartPolicy.ALWAYS)):
        await stage.settled()
        assert (stage.of("api").state, stage.of("api").reason) == (State.FAILED, reason)
        assert stage.of("api").restarts == 0


async def test_what_a_child_gets(stage: "Stage") -> None:
    """Its own session and group, the environment that was given, no input, no descriptor of ours."""
    source = """
        import os, resource, sys, time
        print(sorted(os.environ.items()))
        print(os.getsid(0) == os.getpid() == os.getpgid(0))
        print(sys.stdin.read() == "", sorted(os.listdir("/proc/self/fd"))[:4])
        time.sleep(60)
    """
    with socket.socket() as ours:
        os.set_inheritable(ours.fileno(), True)
        async with stage.supervise(stage.program("api", source)):
            await stage.until(lambda: len(stage.said("api")) == 3)
    env = {
        "MINIMESH_RUN": stage.run.run_id,
        "MINIMESH_INSTANCE": "api/1",
        "PATH": "/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
    }
    said = stage.said("api")
    assert [pair for pair in env.items() if str(pair) not in said[0]] == []
    assert set(dict(eval(said[0]))) - set(env) <= {"LC_CTYPE"}  # Python's own (PEP 538)
    assert said[1:] == ["True", "True ['0', '1', '2', '3']"]


@pytest.mark.parametrize("prlimit", [process.HAS_PRLIMIT, False], ids=["prlimit", "shell"])
async def test_children_get_their_own_soft_limit_of_descriptors(
    stage: "Stage", prlimit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "HAS_PRLIMIT", prlimit)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    source = """
        import resource, time
        time.sleep(0.05)
        print(resource.getrlimit(resource.RLIMIT_NOFILE))
    """
    async with stage.supervise(stage.program("api", source), descriptors=256):
        await stage.settled()
        await stage.until(lambda: stage.of("api").state is State.EXITED)
        assert stage.said("api") == [str((256, hard))]


async def test_leaving_without_a_stop_kills(stage: "Stage") -> None:
    source = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    async with stage.supervise(stage.program("api", source)):
        await stage.until(lambda: stage.said("api"))
    assert stage.of("api").state is State.STOPPED
    assert stage.of("api").exit_code == -signal.SIGKILL
