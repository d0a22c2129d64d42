"""Starting and stopping several services as one act, in the order of their dependencies."""

from collections.abc import Collection
from typing import Literal, TypeAlias

import anyio

from minimesh.control.mesh import Mesh
from minimesh.control.programs import selected
from minimesh.supervise import order
from minimesh.supervise.status import State

Verb: TypeAlias = Literal["start", "stop", "restart"]
_NOT_STARTED = frozenset({State.PENDING, State.STOPPED})


async def change(mesh: Mesh, verb: Verb, names: Collection[str], within: float | None) -> None:
    """Returns when what had to stop has stopped and what had to start was set off.

    Stops dependants first. Starting brings along what is needed and was not started yet. `within`: seconds until
    SIGKILL, instead of each service's own; it counts for a stop that is under way, too. Never in the midst of a reload.
    """
    if within is not None and verb != "start":
        mesh.supervisor.hurry(names, within)
    async with mesh.changes.lock:
        await _change(mesh, verb, [name for name in names if name in mesh.statuses()], within)


async def run(mesh: Mesh, name: str) -> None:
    """Sets a task off, and nothing that it needs. Never in the midst of a reload."""
    async with mesh.changes.lock:
        if name in mesh.statuses():
            await mesh.supervisor.start(name)


async def _change(mesh: Mesh, verb: Verb, names: Collection[str], within: float | None) -> None:
    if verb != "start":
        for level in reversed(_levels(mesh)):
            await _stop_all(mesh, [name for name in level if name in names], within)
    if verb != "stop":
        for level in _levels(mesh):
            for name in level:
                if name in names or (verb == "start" and _is_needed(mesh, name, names)):
                    await mesh.supervisor.start(name)


def _levels(mesh: Mesh) -> list[list[str]]:
    needs = {each.name: [other.name for other in each.depends_on] for each in mesh.world.programs}
    return [list(level) for level in order.levels(needs)]


def _is_needed(mesh: Mesh, name: str, names: Collection[str]) -> bool:
    needed = selected(mesh.project, tuple(names)) if names else frozenset()
    return name in needed and any(status.state in _NOT_STARTED for status in mesh.statuses()[name])


async def _stop_all(mesh: Mesh, names: Collection[str], within: float | None) -> None:
    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(mesh.supervisor.stop, name, within)
