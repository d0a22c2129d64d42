"""`minimesh ps --all-projects`: every mesh of this user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.ps import check_states
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, age

if TYPE_CHECKING:
    from minimesh.control.registry import Entry

STATES = ("starting", "ready", "stopping", "no answer")
COLUMNS = (
    Column("PROJECT"),
    Column("STATE"),
    Column("READY", drop=1),
    Column("UP", drop=2),
    Column("PID", drop=3),
    Column("GATEWAY", drop=4),
    Column("FOLDER", shrink=20),
)
PATIENCE = 2.0
"""Seconds for the answer of a mesh: one that hangs must not keep the others from being shown."""


class Running(NamedTuple):
    """A mesh that runs. state "no answer": its process lives, and says nothing. ready: of how many services."""

    project: str
    state: str
    ready: int | None
    services: int | None
    up_ms: float | None
    pid: int
    gateway: str | None
    folder: str

    def row(self) -> tuple[str, ...]:
        """The cells, in the order of COLUMNS."""
        ready = NONE if self.ready is None else f"{self.ready}/{self.services}"
        return (
            self.project,
            self.state,
            ready,
            age(self.up_ms),
            str(self.pid),
            self.gateway or NONE,
            self.folder,
        )


def all_projects(context: Context, status: tuple[str, ...]) -> int:
    """Also where none runs: then there is nothing to show, and that is no mistake."""
    from minimesh.control.registry import entries  # noqa: PLC0415 - for this option alone

    check_states(status, STATES)
    running = [found for entry in entries() if (found := look(entry)) is not None]
    if status:
        running = [each for each in running if each.state in status]
    if context.json:
        context.array([each._asdict() for each in running])
    elif context.quiet or context.output == "name":
        context.names([each.folder for each in running])
    else:
        context.table(COLUMNS, [each.row() for each in running])
        if not running:
            context.note("no mesh of yours is running")
    return Exit.OK


def look(entry: Entry) -> Running | None:
    """What a mesh says of itself; None where nobody is there any more."""
    from minimesh.control.client import Client, NotRunningError, RefusedError  # noqa: PLC0415

    client = Client(Path(entry.root), PATIENCE)
    try:
        mesh, services = client.get("/v1/mesh"), client.get("/v1/services")
    except NotRunningError:
        return None
    except RefusedError:
        return Running(entry.project, "no answer", None, None, None, entry.pid, None, entry.root)
    programs = [service for service in services if service["kind"] != "gateway" and service["state"] != "pending"]
    up = next((service["up_ms"] for service in services if service["kind"] == "gateway"), None)
    ready = sum(service["state"] in ("running", "completed") for service in programs)
    gateway = mesh["gateway"]["url"] if mesh["gateway"] else None
    return Running(mesh["project"], mesh["state"], ready, len(programs), up, mesh["pid"], gateway, mesh["root"])
