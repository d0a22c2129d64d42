"""`minimesh down`, `start`, `stop`, `restart` and `wait`."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.known import check_known
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape
from minimesh.cli.values import choice, duration

if TYPE_CHECKING:
    from pathlib import Path

    from minimesh.control.client import Client
    from minimesh.control.views import ServiceView

_TIMEOUT = Option(("-t", "--timeout"), "how long services get to stop: 10, 500ms", "TIME", duration)
_LONGEST_STOP = 86_400.0
"""Seconds. The mesh itself says when it is over: after `stop.within` of the slowest service it kills."""
PATIENCE = 60.0
LAST_MOMENTS = 5.0
"""Seconds from a mesh's last word until its process has gone."""


def down(context: Context, *, timeout: float | None, volumes: bool) -> int:
    """Stops the mesh and waits until it has stopped. `timeout`: seconds for each service, None: its own."""
    from minimesh.control.client import NotRunningError, RefusedError  # noqa: PLC0415 - the client costs 60 ms

    client = context.client()
    try:
        client.post("/v1/down", {"within_ms": None if timeout is None else timeout * 1000})
    except NotRunningError:
        if _stop_unheard(context, client.root):
            context.note("stopped")
        elif volumes and (client.root / ".minimesh").is_dir():
            context.note("no mesh is running here")
        else:
            raise
    else:
        try:
            for event in client.stream("/v1/events", {"follow": 1}):
                context.detail(escape(str(event.get("message", ""))))
        except (NotRunningError, RefusedError):
            pass  # it has stopped already, or answers nobody any more
        context.note("stopped")
    if volumes:
        _forget(context, client.root)
    return Exit.OK


def _stop_unheard(context: Context, root: Path) -> bool:
    """Stops a mesh whose control socket somebody has removed, or that has none yet; False where there is no mesh."""
    from minimesh.control.holder import ask_to_stop, holder  # noqa: PLC0415 - hardly ever

    pid = holder(root)
    if pid is None:
        return False
    context.note(f"the mesh does not answer at its control socket: sent SIGTERM to pid {pid}")
    ask_to_stop(pid)
    while holder(root) == pid:
        time.sleep(0.05)
    return True


def _forget(context: Context, root: Path) -> None:
    """Removes what the mesh keeps of the project, but for its authority, which other programs may trust."""
    from minimesh.control.forget import forget  # noqa: PLC0415 - for -v alone
    from minimesh.control.lock import LockedError  # noqa: PLC0415

    deadline = time.monotonic() + LAST_MOMENTS
    while True:
        try:
            kept = forget(root)
            break
        except LockedError:
            if time.monotonic() > deadline:
                raise CommandError("MM409", "a mesh runs in this folder again", help="minimesh down -v") from None
            time.sleep(0.02)
    context.note("removed .minimesh" + (" but ca/" if kept else ""))


def wait(context: Context, *, svc: tuple[str, ...], timeout: float, goal: str) -> int:
    """Exit code 4 after `timeout` seconds, 1 when it cannot happen any more."""
    from minimesh.cli.waiting import until  # noqa: PLC0415 - each command loads only what it needs

    services = until(context.client(), svc, goal, timeout, lambda text: context.note(f"waiting for {escape(text)}"))
    if context.json:
        context.array(services)
    else:
        for service in services:
            word = "completed" if service["state"] == "completed" else "ready" if goal == "ready" else goal
            context.note(f"{service['name']} {word}")
    return Exit.OK


def _change(verb: str, done: str) -> Command:
    def change(context: Context, *, svc: tuple[str, ...], timeout: float | None = None) -> int:
        from minimesh.cli.waiting import until  # noqa: PLC0415

        client = context.client()
        services = cast("list[ServiceView]", client.get("/v1/services"))
        check_known(svc, [service["name"] for service in services])
        names = svc or [service["name"] for service in services if _is_meant(service, verb)]
        _post(context, client, verb, names, timeout)
        if verb != "stop":
            until(client, names, "ready", PATIENCE, lambda text: context.note(f"waiting for {escape(text)}"))
        if context.json:
            now = cast("list[ServiceView]", client.get("/v1/services"))
            context.array([service for service in now if service["name"] in names])
        for name in names:
            context.note(f"{done} {name}")
        return Exit.OK

    return Command(
        change,
        _ABOUT[verb],
        ((f"minimesh {verb} web", "one service"), (f"minimesh {verb}", "all of them")),
        (Argument("SVC", "these services; default all", many=True),),
        () if verb == "start" else (_TIMEOUT,),
        outputs=("table", "json"),
    )


def _is_meant(service: ServiceView, verb: str) -> bool:
    """Whether it is meant where nobody is named: what nobody asked for (`profiles`, `up web`) is not started so."""
    return service["kind"] != "gateway" and (verb == "stop" or service["state"] != "pending")


def _post(
    context: Context, client: Client, verb: str, names: tuple[str, ...] | list[str], timeout: float | None
) -> None:
    """Asks for the change; after a while says what it waits for."""
    from minimesh.control.client import Client  # noqa: PLC0415

    body = {"verb": verb, "services": list(names), "within_ms": None if timeout is None else timeout * 1000}
    Client(client.root, _LONGEST_STOP).post("/v1/change", body, lambda: _say_slow(context, client))


def _say_slow(context: Context, client: Client) -> None:
    """What goes wrong here is left to the command itself to tell."""
    from minimesh.control.client import NotRunningError, RefusedError  # noqa: PLC0415

    with suppress(NotRunningError, RefusedError):
        context.note(_slow(client))


def _slow(client: Client) -> str:
    services = cast("list[ServiceView]", client.get("/v1/services"))
    stopping = [each["name"] for each in services if each["state"] == "stopping" and each["kind"] != "gateway"]
    return f"waiting for {', '.join(stopping)} to stop" if stopping else "waiting for the mesh"


_ABOUT = {
    "start": "Start services of the running mesh that are stopped or have ended, with what they need and was\n"
    "not started yet. Without a name: all that were asked for. Returns when they are ready.",
    "stop": "Stop services of the running mesh, which itself goes on; dependants first. Without a name: all\nof them.",
    "restart": "Stop services of the running mesh and start them again. Without a name: all that were asked\n"
    "for, in the order of their dependencies. Returns when they are ready.",
}

COMMANDS: dict[str, Command] = {
    "down": Command(
        down,
        "Stop every service, in reverse order of start, and the mesh. Returns when nothing is left of it.",
        (
            ("minimesh down", "each service gets the time that its `stop` says"),
            ("minimesh down -t 1", "a second each, then SIGKILL"),
        ),
        options=(
            _TIMEOUT,
            Option(("-v", "--volumes"), "also remove .minimesh: logs, ports, counts; all but the authority in ca/"),
        ),
        outputs=("table", "json"),
    ),
    "start": _change("start", "started"),
    "stop": _change("stop", "stopped"),
    "restart": _change("restart", "restarted"),
    "wait": Command(
        wait,
        "Wait until services are ready (a task: completed), and return. Exit code 4 after --timeout, 1 as\n"
        "soon as it can no longer happen, with the reason.",
        (
            ("minimesh wait web --timeout 30s && npm run e2e", "tests, when web answers"),
            ("minimesh wait migrate --for completed", "a task"),
        ),
        (Argument("SVC", "these services; default all that were asked for", many=True),),
        (
            Option(("--timeout",), "how long; default 60s", "TIME", duration, default=PATIENCE),
            Option(
                ("--for",),
                "ready, completed (tasks) or stopped; default ready",
                "WHAT",
                choice("ready", "completed", "stopped"),
                default="ready",
                name="goal",
            ),
        ),
        outputs=("table", "json"),
    ),
}
