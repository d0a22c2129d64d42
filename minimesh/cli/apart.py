"""`minimesh up -d`: the mesh in a process of its own; and `minimesh up` where there is one already."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.ps import BAD, GOOD, condition
from minimesh.cli.reload import apply, request, tell
from minimesh.cli.text import elapsed
from minimesh.control.arguments import words
from minimesh.control.client import Client, NotRunningError
from minimesh.control.codes import ALREADY_RUNNING
from minimesh.control.holder import holder
from minimesh.model.clock import SystemClock
from minimesh.model.several import several

if TYPE_CHECKING:
    from minimesh.cli.watch import Style
    from minimesh.control.report import UpOptions
    from minimesh.control.views import MeshView, ServiceView

POLL = 0.05
HEARD = 5.0
"""Seconds until a mesh that has the folder answers, or is taken for one that has lost its socket."""
LAST_LINES = 5
MOST_NAMED = 20
_MARKS = ("--> ", "help: ")
MOVING = frozenset({"starting", "waiting", "stopping"})


def running(context: Context, root: Path) -> MeshView | None:
    """The mesh that runs in a folder, if one does. One that is stopping, or does not answer yet, is waited for.

    Raises NotRunningError where one has the folder and goes on not to answer.
    """
    until = time.monotonic() + HEARD
    said = False
    while True:
        mesh = _answering(root)
        if mesh is not None and mesh["state"] != "stopping":
            return mesh
        if mesh is None and holder(root) is None:
            return None
        if mesh is None and time.monotonic() > until:
            raise NotRunningError(root)
        if mesh is not None and not said:
            context.note("waiting for the mesh that ran here to stop")
            said = True
        time.sleep(POLL)


def _answering(root: Path) -> MeshView | None:
    try:
        return cast("MeshView", Client(root).get("/v1/mesh"))
    except NotRunningError:
        return None


def start_apart(context: Context, options: UpOptions, names: Collection[str], patience: float) -> int:
    """Starts a mesh that outlives this command, or the services in the one that runs; returns when all are ready.

    names: what is to be ready then.
    Raises CommandError: exit code 1 where something failed, 4 where `patience` seconds were not enough.
    """
    with TemporaryFile() as told:
        return _start(context, options, names, patience, told)


def _start(context: Context, options: UpOptions, names: Collection[str], patience: float, told: IO[bytes]) -> int:
    clock = SystemClock()
    began = clock.monotonic()
    client = Client(options.root)
    process = None
    if running(context, options.root) is None:
        process = _spawn(options, told)
    else:
        tell(context, apply(context, options.root, request(options)))
    mesh = None
    while mesh is None or mesh["state"] == "starting" or (process is None and _is_moving(client, names)):
        if process is not None and process.poll() is not None:
            error = _could_not_start(told)
            if error.code != ALREADY_RUNNING or running(context, options.root) is None:
                raise error
            process = None  # somebody else was a moment earlier
            tell(context, apply(context, options.root, request(options)))
        if clock.monotonic() - began > patience:
            raise _timed_out(client, names, patience)
        time.sleep(POLL)
        mesh = _answering(options.root)
    _all_ready(client, names)
    gateway = mesh["gateway"]
    if context.json:
        context.object(mesh)
    url = gateway["url"] if gateway else "no gateway"
    context.note(f"ready in {elapsed(clock.monotonic() - began)}   {url}   stop: minimesh down")
    return Exit.OK


def attach(context: Context, options: UpOptions, style: Style) -> int:
    """`up` where a mesh runs: applies what differs, starts what is stopped (or is named), and shows the output."""
    from minimesh.cli.logs import logs  # noqa: PLC0415 - hardly ever
    from minimesh.cli.values import moment  # noqa: PLC0415

    began = moment("0s")
    tell(context, apply(context, options.root, request(options)))
    mesh = _answering(options.root)
    url = mesh["gateway"]["url"] if mesh and mesh["gateway"] else "no gateway"
    context.note(f"runs already   {url}   leave: Ctrl-C   stop: minimesh down")
    services = options.only
    if style.only or style.hidden:
        known = (each["name"] for each in cast("list[ServiceView]", Client(options.root).get("/v1/services")))
        services = tuple(name for name in services or known if style.shows(name))
    return logs(
        context._replace(file=str(options.file)),
        svc=services,
        follow=True,
        since=began,
        timestamps=style.stamps,
        no_log_prefix=style.bare,
    )


def _services(client: Client, names: Collection[str]) -> list[ServiceView]:
    return [each for each in cast("list[ServiceView]", client.get("/v1/services")) if each["name"] in names]


def _is_moving(client: Client, names: Collection[str]) -> bool:
    return any(service["state"] in MOVING for service in _services(client, names))


def _spawn(options: UpOptions, told: IO[bytes]) -> subprocess.Popen[bytes]:
    """told: where it says why it could not start, should it come to that."""
    command = [sys.executable, "-m", "minimesh.control.daemon", *words(options), "--detached"]
    return subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=told, stderr=told)


def _could_not_start(told: IO[bytes]) -> CommandError:
    """In the mesh's own words."""
    told.seek(0)
    lines = told.read().decode(errors="replace").splitlines()
    first = next((index for index, line in enumerate(lines) if line.startswith("error[")), None)
    if first is None:
        return CommandError("MM405", "the mesh ended before it was ready", evidence=lines[-LAST_LINES:])
    code, _, message = lines[first].removeprefix("error[").partition("]: ")
    below = [line.strip() for line in lines[first + 1 :]]
    where, help_ = (next((line.removeprefix(mark) for line in below if line.startswith(mark)), "") for mark in _MARKS)
    evidence = [line for line in below if not line.startswith(_MARKS)]
    return CommandError(code, message, where=where, evidence=evidence, help=help_)


def _timed_out(client: Client, names: Collection[str], patience: float) -> CommandError:
    try:
        services = _services(client, names)
    except NotRunningError:
        services = []
    late = [service for service in services if service["state"] not in {*GOOD, "pending"}]
    return CommandError(
        "MM404",
        f"not ready after {elapsed(patience)}; it goes on",
        exit_code=Exit.TIMED_OUT,
        evidence=_lines(late),
        help=f"minimesh logs {late[0]['name']}" if late else "minimesh ps",
    )


def _lines(services: list[ServiceView]) -> list[str]:
    """One for each, or for the first ones."""
    lines = [f"{service['name']}  {condition(service)}" for service in services[:MOST_NAMED]]
    return [*lines, f"and {len(services) - MOST_NAMED} more"] if len(services) > MOST_NAMED else lines


def _all_ready(client: Client, names: Collection[str]) -> None:
    failed = [service for service in _services(client, names) if service["state"] in BAD]
    if not failed:
        return
    first = failed[0]
    lines = client.stream("/v1/logs", {"service": [first["name"]], "tail": LAST_LINES})
    raise CommandError(
        "MM405",
        f"{several([service['name'] for service in failed])} did not become ready; the rest runs",
        evidence=[
            *_lines(failed),
            *(f"{first['name']} | {line['line']}" for line in lines if "line" in line),
        ],
        help=f"minimesh logs {first['name']}",
    )
