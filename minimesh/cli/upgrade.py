"""`minimesh upgrade`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Command, Option
from minimesh.cli.text import elapsed, plural
from minimesh.cli.values import duration

if TYPE_CHECKING:
    from minimesh.control.client import Client
    from minimesh.control.views import MeshView, ServiceView, UpgradedView, UpgradeView, UpgradingView

CHECK_PATIENCE = 60.0
PATIENCE = 90.0
"""Seconds until a mesh that is silent, or at it all the time, is given up; the longest stop of a service is added."""
SILENCE = 20.0
LOOK_EVERY = 0.02


def upgrade(context: Context, *, check: bool, force: bool, within: float | None) -> int:
    """Has the running mesh replace its program by the one that is installed; waits until that has happened."""
    from minimesh.control.client import Client  # noqa: PLC0415 - the client costs 60 ms

    client = Client(context.root(), CHECK_PATIENCE)
    view = cast("UpgradeView", client.get("/v1/upgrade"))
    if check:
        return _tell(context, view)
    if view["problem"] is not None:
        raise _not(view["problem"])
    if view["installed"] == view["running"] and not force:
        context.note(
            f"minimesh {view['running']} runs already, and is what is installed (--force does it all the same)"
        )
        if context.json:
            context.object(view)
        return Exit.OK
    before = cast("MeshView", client.get("/v1/mesh"))
    running = _running(client)
    body = {"within_ms": None if within is None else within * 1000}
    began = cast("UpgradingView", client.post("/v1/upgrade", body))
    mesh, result = _wait(context, began, PATIENCE + (within or 0.0))
    if context.json:
        context.object({"version": mesh["version"], "pid": mesh["pid"], "image": mesh["image"], **result})
        return Exit.OK
    kept = "kept" if mesh["pid"] == before["pid"] else f"was {before['pid']}"
    untouched = sum(pid == running.get(name) for name, pid in _running(client).items())
    cut = plural(result["cut"], "request")
    took = elapsed(result["pause_ms"] / 1e3)
    context.out.line(
        f"upgraded {result['from_version']} to {mesh['version']}: pid {mesh['pid']} {kept}, "
        f"{plural(untouched, 'program')} untouched, {cut} cut; callers waited {took}"
    )
    return Exit.OK


def _tell(context: Context, view: UpgradeView) -> int:
    if context.json:
        context.object(view)
    elif view["problem"] is not None:
        raise _not(view["problem"])
    elif view["installed"] == view["running"]:
        context.out.line(f"minimesh {view['running']} runs, and is what is installed")
    else:
        context.out.line(f"minimesh {view['running']} runs, {view['installed']} is installed: minimesh upgrade")
    return Exit.OK if view["problem"] is None else Exit.FAILED


def _not(problem: str, anew: bool = False) -> CommandError:
    """anew: the new program came as far as to be the mesh."""
    if anew:
        return CommandError("MM430", problem, help="minimesh ps")
    return CommandError("MM430", f"not upgraded: {problem}", evidence=["the mesh goes on as it was"])


def _running(client: Client) -> dict[tuple[str, int], int]:
    """The pids of all programs."""
    services = cast("list[ServiceView]", client.get("/v1/services"))
    return {
        (service["name"], instance["replica"]): instance["pid"]
        for service in services
        for instance in service["instances"]
        if instance["pid"] is not None
    }


def _wait(context: Context, begun: UpgradingView, patience: float) -> tuple[MeshView, UpgradedView]:
    """Until the next image answers. Raises CommandError where it does not, or where there was none."""
    from minimesh.control.client import Client, NotRunningError  # noqa: PLC0415

    client = Client(context.root())
    stopping = False
    now = heard = time.monotonic()
    deadline = now + patience
    while now < deadline and now < heard + SILENCE:
        try:
            mesh = cast("MeshView", client.get("/v1/mesh"))
        except NotRunningError:
            if stopping:
                raise CommandError("MM430", "not upgraded: the mesh was stopped", help="minimesh up") from None
            # else between two images: the connection was the old one's
        else:
            heard, stopping = time.monotonic(), mesh["state"] == "stopping"
            upgraded = mesh["upgraded"]
            if upgraded is not None and upgraded["problem"] is not None:
                raise _not(upgraded["problem"], mesh["image"] == begun["image"])
            if upgraded is not None and mesh["image"] >= begun["image"]:
                return mesh, upgraded
        time.sleep(LOOK_EVERY)
        now = time.monotonic()
    if now < deadline:
        raise CommandError(
            "MM430", f"minimesh {begun['version']} did not go on: nothing answers any more", help="minimesh up"
        )
    raise CommandError("MM430", f"not upgraded after {elapsed(patience)}; it may still come", exit_code=Exit.TIMED_OUT)


COMMANDS: dict[str, Command] = {
    "upgrade": Command(
        upgrade,
        "Replace the program of the running mesh by the one that is installed now. Its pid, its addresses and\n"
        "all services stay; callers wait for a moment, and none is turned away. A program that does not start,\n"
        "or cannot read minimesh.toml, is not taken, and the mesh goes on as it was.",
        (
            ("pipx upgrade minimesh && minimesh upgrade", "install a new version, and have it take over"),
            ("minimesh upgrade --check", "tell whether there is one"),
        ),
        options=(
            Option(("--check",), "tell what runs and what is installed, and whether that can take over"),
            Option(("--within",), "how long requests may take to end; default: the longest stop", "TIME", duration),
            Option(("--force",), "also to the same version"),
        ),
        outputs=("table", "json"),
    )
}
