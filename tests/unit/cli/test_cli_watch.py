"""The lines of `minimesh up`."""

import io
import json
import re
from pathlib import Path

from minimesh.cli.events import JsonWatch
from minimesh.cli.terminal import Terminal
from minimesh.cli.watch import Style, Watch
from minimesh.control.report import ConfigOk, Event, IdentityOk, LogLine, Note, Ready, ServiceEvent, Stopped, Stopping
from minimesh.model.clock import SystemClock
from minimesh.model.project import Gateway, Project
from minimesh.model.route import Route
from minimesh.model.service import Command, Process, Service, Task
from minimesh.model.template import literal

PROCESS = Process(Command((literal("x"),), shell=True), Path("/shop"))
PROJECT = Project(
    "shop",
    "shop.mesh",
    Path("/shop"),
    Path("/shop/minimesh.toml"),
    gateway=Gateway(routes=(Route("api"),)),
    services={"api": Service("api", PROCESS, replicas=2), "db": Service("db", PROCESS)},
    tasks={"seed": Task("seed", PROCESS)},
)
STORY: list[Event] = [
    ConfigOk(PROJECT, 0.006),
    IdentityOk(True, 4, 86_400.0, 0.041),
    Note("took over\x1b"),
    ServiceEvent("seed", 1, "starting", "started", None, 5, 0.1),
    ServiceEvent("seed", 1, "running", "running (no health check)", None, 5, 0.1),
    ServiceEvent("api", 1, "waiting", "waiting for seed: still running", None, None, 0.2),
    ServiceEvent("seed", 1, "completed", "completed", None, None, 0.3),
    ServiceEvent("api", 1, "starting", "/healthz 503 for 0.6 s", "127.0.0.1:8102", 7, 0.4),
    LogLine("api", 1, "stdout", "GET / 200\x07"),
    LogLine("api", 1, "mesh", "not shown"),
    ServiceEvent("api", 1, "starting", "/healthz 503 for 2.6 s", "127.0.0.1:8102", 7, 3.0),
    ServiceEvent("api", 1, "ready", "ready: GET /healthz 200", "127.0.0.1:8102", 7, 3.3),
    ServiceEvent("db", 1, "crash-loop", "exit 1: KeyError: 'X'", None, None, 3.4),
    Ready(3.4, "http://localhost:7080", ("db",)),
    Stopping(("api", "seed")),
    ServiceEvent("api", 1, "stopped", "stopped", None, None, 4.0),
    Stopped(4, 1.3, 0, 2),
]


def told(*, width: int | None, colour: bool, style: Style | None = None) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    watch = Watch(Terminal(out, colour, width), Terminal(err, colour, width), SystemClock(), style or Style())
    for event in STORY:
        watch(event)
    return out.getvalue(), err.getvalue()


def test_off_a_terminal_progress_and_output_are_apart_and_nothing_is_rewritten() -> None:
    out, err = told(width=None, colour=False)
    assert out == "api/1 | GET / 200\\x07\n"
    assert err == (
        "minimesh 0.1.0   project shop   minimesh.toml\n"
        "  ok  config    2 services, 1 task, 1 gateway with 1 route                                       6ms\n"
        "  ok  identity  new CA in .minimesh   4 certificates, 24h                                       41ms\n"
        "note: took over\\x1b\n"
        "  ok  seed      completed                                                                       0.2s\n"
        "  ..  api/1     /healthz 503 for 2.6 s\n"
        "  ok  api/1     ready: GET /healthz 200   127.0.0.1:8102   pid 7                                2.9s\n"
        "  !!  db        crash-loop: exit 1: KeyError: 'X'\n"
        "ready in 3.4s without db   http://localhost:7080\n"
        "stop: Ctrl-C   in another terminal: minimesh ps, stat, tap, logs\n"
        "stopping api, seed (Ctrl-C again kills)\n"
        "stopped 4 in 1.3s, 0 processes left, 2 requests cut\n"
    )


def test_on_a_terminal_what_waits_is_rewritten_below_what_stands() -> None:
    out, err = told(width=60, colour=True)
    assert "\x1b[1A" in err
    assert "\x07" not in out + err
    screen = screen_of(err)
    assert not [line for line in screen if line.startswith("  ..")]
    assert max(map(len, screen)) <= 64
    assert [line.split()[1] for line in screen if line.startswith("  ok")] == ["config", "identity", "seed", "api/1"]


def screen_of(text: str) -> list[str]:
    """What a terminal would show: colours taken out, cursor-up and erase-below obeyed, lines never wrapped."""
    lines: list[str] = []
    row = 0
    for piece in re.split(r"(\x1b\[\d+A|\x1b\[J|\n)", re.sub(r"\r|\x1b\[2?K|\x1b\[[0-9;]*m", "", text)):
        if match := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row -= int(match[1])
        elif piece == "\x1b[J":
            del lines[row:]
        elif piece == "\n":
            row += 1
        elif piece:
            lines[row:] = [piece, *lines[row + 1 :]]
    return lines


def test_quiet_leaves_only_the_output() -> None:
    assert told(width=None, colour=False, style=Style(bare=True, quiet=True)) == ("GET / 200\\x07\n", "")


def test_a_file_is_named_where_there_is_one() -> None:
    assert told(width=None, colour=False)[1].splitlines()[0].endswith("   minimesh.toml")
    assert told(width=None, colour=False, style=Style(file=False))[1].splitlines()[0].endswith("   project shop")


def test_stamps_stand_after_the_name() -> None:
    out, _ = told(width=None, colour=False, style=Style(stamps=True))
    name, _, rest = out.partition(" | ")
    assert (name, rest[2], rest[5], rest[8]) == ("api/1", ":", ":", ".")


def test_as_json_each_event_is_a_line() -> None:
    out = io.StringIO()
    watch = JsonWatch(Terminal(out, False, None))
    for event in STORY:
        watch(event)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(events) == len(STORY)
    assert events[0] == {"event": "config", "project": "shop", "after_ms": 6.0}
    assert events[-1] == {"event": "stopped", "services": 4, "after_ms": 1300.0, "left": 0, "cut": 2}
