"""The small things around a mesh: lock, teller, crash file, access writer, tuning, filters, messages."""

import asyncio
import gc
import json
import resource
import sys
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from minimesh.control import codes, tune
from minimesh.control.accesswriter import AccessWriter
from minimesh.control.crash import KEPT, write_crash
from minimesh.control.journal import message_of
from minimesh.control.live import TapFilter, is_status
from minimesh.control.lock import Lock, LockedError
from minimesh.control.programs import selected
from minimesh.control.pulse import Pulse
from minimesh.control.report import Event, LogLine, Note
from minimesh.control.teller import LINES_WAITING, Teller
from minimesh.model.caller import Caller
from minimesh.model.clock import SystemClock
from minimesh.model.identity import Identity
from minimesh.model.project import AccessLog, LogFormat, LogLimits, Project
from minimesh.model.record import Record
from minimesh.model.service import Command, Condition, Dependency, Process, Service, Task
from minimesh.model.template import literal
from minimesh.supervise.status import InstanceStatus, State
from minimesh.telemetry.ring import Ring

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
CALLER = Caller(Identity("shop.mesh", "web"))


def raw_record(target: bytes = b"/") -> tuple[object, ...]:
    """As the data plane leaves it: see Ring.append."""
    return (
        TRACEPARENT, "", 1.0, 0.1, 0.1, "web", "orders", "/*", "web->orders", "orders-1", b"GET", b"orders", target,
        200, "", "", "", 0, 5, 1, "127.0.0.1:5", "HTTP/1.1", -1, 0, 0, CALLER,
    )  # fmt: skip


def test_a_lock_is_held_once_and_freed_at_its_end(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(LockedError), Lock(tmp_path / "lock"):
        pass
    with Lock(tmp_path / "lock"):
        pass


def test_a_reporter_that_stands_still_holds_up_nobody() -> None:
    go_on, seen = threading.Event(), []

    def reporter(event: Event) -> None:
        go_on.wait(10)
        seen.append(event)

    teller = Teller(reporter)
    for number in range(LINES_WAITING + 500):
        teller(LogLine("web", 1, "stdout", str(number)))
    teller(Note("important"))
    go_on.set()
    teller.close(10)
    notes = [event.message for event in seen if isinstance(event, Note)]
    lines = [event.line for event in seen if isinstance(event, LogLine)]
    assert notes[-1] == "important"
    assert len(lines) + int(notes[0].split()[0]) == LINES_WAITING + 500
    assert lines == [str(number) for number in range(len(lines))]


def test_a_crash_leaves_a_file_and_a_sentence(tmp_path: Path) -> None:
    class Clock(SystemClock):
        now = 1e9

        def wall(self) -> float:
            self.now += 1
            return self.now

    clock = Clock()
    for _ in range(KEPT + 2):
        problem = write_crash(tmp_path, ValueError("boom"), clock)
    assert problem.code == codes.CRASH
    assert "boom" in problem.message
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT
    assert str(files[-1]) in problem.evidence[0]
    assert "ValueError: boom" in files[-1].read_text()
    assert files[-1].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("format_", "begin"), [(LogFormat.JSON, "{"), (LogFormat.TEXT, "1970-")])
def test_the_access_log_is_written_and_rotated(tmp_path: Path, format_: LogFormat, begin: str) -> None:
    ring = Ring(0.0)
    writer = AccessWriter(AccessLog(tmp_path / "a.log", format_), LogLimits(max_size=40_000, keep=1), ring, print)
    for number in range(200):
        ring.append(raw_record(b"/%d" % number))
    asyncio.run(writer.write())
    files = [tmp_path / "a.log.1", tmp_path / "a.log"]
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    assert all(line.startswith(begin) for line in lines)
    assert "/199" in lines[-1]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 90_000
    ring.append(raw_record(b"/late"))
    asyncio.run(writer.write())
    assert "/late" in (tmp_path / "a.log").read_text()


def test_a_full_disk_costs_only_its_lines() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    said: list[str] = []
    ring = Ring(0.0)
    writer = AccessWriter(AccessLog(full), LogLimits(), ring, said.append)
    for _ in range(3):
        ring.append(raw_record())
        asyncio.run(writer.write())
    assert writer.dropped == 3
    assert said == ["the access log /dev/full cannot be written"]


def test_what_the_ring_lost_is_counted(tmp_path: Path) -> None:
    said: list[str] = []
    ring = Ring(0.0, size=10)
    writer = AccessWriter(AccessLog(tmp_path / "a.log"), LogLimits(), ring, said.append)
    for _ in range(25):
        ring.append(raw_record())
    asyncio.run(writer.write())
    assert writer.dropped == 15
    assert not said
    assert len((tmp_path / "a.log").read_text().splitlines()) == 10


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_whoever_is_cancelled_between_two_slices_loses_none(tmp_path: Path, turns: int) -> None:
    ring = Ring(0.0)
    writer = AccessWriter(AccessLog(tmp_path / "a.log"), LogLimits(), ring, print)
    for number in range(1_000):
        ring.append(raw_record(b"/%d" % number))

    async def write() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(writer.write)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        await writer.write()

    anyio.run(write)
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [f"/{number}" for number in range(1_000)]
    assert writer.dropped == 0


def test_the_collector_runs_when_it_is_told_to() -> None:
    collector = tune.Collector()
    try:
        collector.take_over(0.0)
        assert not gc.isenabled()
        keep = [[] for _ in range(6_000)]  # type: ignore[var-annotated]  # only their number matters
        collector.care(5.0, quiet=True)
        assert collector.collections == 0, "too soon"
        collector.care(50.0, quiet=False)
        assert collector.collections == 0, "busy"
        collector.care(50.0, quiet=True)
        assert collector.collections == 1
        assert collector.longest > 0
        assert len(keep) == 6_000
    finally:
        collector.close()
    assert gc.isenabled()


def test_the_descriptor_limit_is_raised_and_the_old_one_told() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert tune.raise_descriptor_limit() == before[0]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= before[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_tuning_makes_threads_give_way() -> None:
    before = sys.getswitchinterval()
    try:
        tune.tune_process()
        assert sys.getswitchinterval() == pytest.approx(tune.SWITCH_INTERVAL)
    finally:
        sys.setswitchinterval(before)


def test_the_pulse_measures_how_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimesh.control.pulse.EVERY", 0.01)

    async def scenario() -> tuple[Pulse, list[float]]:
        beats: list[float] = []
        enough = asyncio.Event()

        def beat(now: float) -> None:
            beats.append(now)
            if len(beats) == 3:
                enough.set()

        pulse = Pulse(asyncio.get_running_loop(), SystemClock(), beat)
        assert pulse.mean_lag is None
        pulse.start()
        await asyncio.wait_for(enough.wait(), 5)
        pulse.stop()
        return pulse, beats

    pulse, beats = asyncio.run(scenario())
    assert beats == sorted(beats)
    assert pulse.mean_lag is not None
    assert pulse.longest_lag is not None
    assert 0 <= pulse.mean_lag <= pulse.longest_lag


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (TapFilter(), True),
        (TapFilter(service="web"), True),
        (TapFilter(service="stock"), False),
        (TapFilter(source="web", destination="orders"), True),
        (TapFilter(source="orders"), False),
        (TapFilter(destination="web"), False),
        (TapFilter(path="/a"), True),
        (TapFilter(path="/b"), False),
        (TapFilter(method="POST"), False),
        (TapFilter(status="2xx"), True),
        (TapFilter(status="200"), True),
        (TapFilter(status="404"), False),
        (TapFilter(status="grpc:0"), False),
    ],
)
def test_tap_filters(wanted: TapFilter, matches: bool) -> None:
    ring = Ring(0.0)
    ring.append(raw_record(b"/a/b"))
    (record,) = ring.since(0).records
    assert isinstance(record, Record)
    assert wanted.matches(record) is matches


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [("grpc:14", True), ("grpc:0", False), ("5xx", True), ("2xx", False), ("200", True), ("503", False)],
)
def test_tap_filters_by_the_status_of_a_grpc_call(wanted: str, matches: bool) -> None:
    ring = Ring(0.0)
    ring.append(raw_record(b"/a.B/List"))
    (record,) = ring.since(0).records
    assert is_status(wanted)
    assert TapFilter(status=wanted).matches(record._replace(grpc_status=14)) is matches


@pytest.mark.parametrize("text", ["grpc:", "grpc:1234", "grpc:x", "UNAVAILABLE", "6xx", "50"])
def test_what_is_no_status(text: str) -> None:
    assert not is_status(text)


@pytest.mark.parametrize(
    ("text", "valid"), [("503", True), ("5xx", True), ("9xx", False), ("5x", False), ("5xxx", False), ("²00", False)]
)
def test_statuses(text: str, valid: bool) -> None:
    assert is_status(text) is valid


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (InstanceStatus("web", 1, False, State.READY, probe="GET /healthz 200"), "ready: GET /healthz 200"),
        (InstanceStatus("web", 1, False, State.RUNNING), "running (no health check)"),
        (
            InstanceStatus("web", 1, False, State.WAITING, reason="waiting for api: not ready"),
            "waiting for api: not ready",
        ),
        (InstanceStatus("web", 1, False, State.STOPPED, exit_code=0), "stopped: exit 0"),
        (InstanceStatus("web", 1, False, State.STOPPED, exit_code=-15), "stopped: killed by SIGTERM"),
        (InstanceStatus("web", 1, False, State.STOPPED), "stopped"),
        (InstanceStatus("web", 1, False, State.CRASH_LOOP, reason="exit 1"), "exit 1"),
    ],
)
def test_messages(status: InstanceStatus, message: str) -> None:
    assert message_of(status) == message


def test_what_is_selected_brings_what_it_needs() -> None:
    process = Process(Command((literal("true"),), shell=False), Path("/"))
    needs_orders = (Dependency("orders", Condition.READY),)
    needs_seed = (Dependency("seed", Condition.COMPLETED),)
    services = (
        Service("web", process, depends_on=needs_orders, calls=("stock",)),
        Service("orders", process, depends_on=needs_seed),
        Service("stock", process),
    )
    project = Project(
        "shop",
        "shop.mesh",
        Path("/"),
        Path("/minimesh.toml"),
        services={service.name: service for service in services},
        tasks={"seed": Task("seed", process)},
    )
    assert selected(project, ("web",)) == {"web", "orders", "seed"}
    assert selected(project, ()) == {"web", "orders", "stock", "seed"}
    with pytest.raises(KeyError):
        selected(project, ("nobody",))


def test_every_code_is_explained() -> None:
    used = {value for name, value in vars(codes).items() if name.isupper()}
    assert used - {codes.CRASH} == set(codes.explain)
