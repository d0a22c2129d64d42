"""What `minimesh up` would start, told without starting it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from minimesh.cli.table import Column
from minimesh.cli.text import NONE

if TYPE_CHECKING:
    from minimesh.model.project import Project
    from minimesh.model.service import Service, Task

COLUMNS = (Column("NAME"), Column("KIND"), Column("AFTER", shrink=12), Column("PORT"), Column("RUNS", shrink=16))


class Planned(NamedTuple):
    """What would run. `port`: as written, None where the mesh chooses or there is none (`listens` False)."""

    name: str
    kind: str
    after: tuple[str, ...]
    listens: bool
    port: int | None
    replicas: int
    runs: str

    def row(self) -> tuple[str, ...]:
        """The cells, in the order of COLUMNS."""
        port = (str(self.port) if self.port else "chosen") if self.listens else NONE
        times = f" x{self.replicas}" if self.replicas > 1 else ""
        return (self.name, self.kind, ",".join(self.after) or NONE, port, self.runs + times)


def planned(project: Project, names: Iterable[str]) -> list[Planned]:
    return [_task(project.tasks[name]) if name in project.tasks else _service(project.services[name]) for name in names]


def _task(task: Task) -> Planned:
    return Planned(task.name, "task", _after(task), False, None, 1, str(task.process.command))


def _service(service: Service) -> Planned:
    if service.process is None:
        addresses = ", ".join(map(str, service.addresses))
        return Planned(service.name, "address", _after(service), False, None, 1, addresses)
    runs = str(service.process.command)
    return Planned(service.name, "service", _after(service), service.has_port, service.port, service.replicas, runs)


def _after(member: Service | Task) -> tuple[str, ...]:
    return tuple(dependency.name for dependency in member.depends_on)
