"""Everything that is known of a service, a task or the gateway: by its file, and by the mesh that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.project import check_names, load_document
from minimesh.cli.relations import GATEWAY, Relation, Running, callers, calls, routes_to

if TYPE_CHECKING:
    from minimesh.model.route import Route
    from minimesh.spec.settings import Setting


class Described:
    """`all`: the settings of the whole project; `view`: how the mesh sees it, None where none runs or knows it.

    Raises what `load` raises, and CommandError for a name that nobody has.
    """

    def __init__(self, context: Context, name: str) -> None:
        from minimesh.spec import settings  # noqa: PLC0415 - for the commands that read the file

        self.context = context
        self.name = name
        self.project, document = load_document(context)
        check_names(self.project, (name,), GATEWAY)
        self.all = settings.resolved(document, self.project)
        self.running = Running(context)
        self.view = (self.running.services or {}).get(name)

    @property
    def kind(self) -> str:
        if self.name == GATEWAY:
            return GATEWAY
        if self.name in self.project.tasks:
            return "task"
        return "address" if self.project.services[self.name].addresses else "service"

    @property
    def takes_calls(self) -> bool:
        from minimesh.control.layout import takes_calls  # noqa: PLC0415

        service = self.project.services.get(self.name)
        return service is not None and takes_calls(service)

    @property
    def where(self) -> str:
        if self.name == GATEWAY:
            return str(self.project.gateway.where) if self.project.gateway else ""
        return str((self.project.services.get(self.name) or self.project.tasks[self.name]).where)

    @property
    def settings(self) -> list[Setting]:
        """Its own; of the gateway, those that are not of one route."""
        section = "tasks" if self.name in self.project.tasks else "services"
        path = (GATEWAY,) if self.name == GATEWAY else (section, self.name)
        return [setting for setting in self.all if setting.block == path]

    @property
    def routes(self) -> list[Route]:
        if self.name == GATEWAY:
            return list(self.project.gateway.routes) if self.project.gateway else []
        return routes_to(self.project, self.name)

    def callers(self) -> list[Relation]:
        return callers(self.project, self.all, self.running, self.name)

    def calls(self) -> list[Relation]:
        return calls(self.project, self.all, self.running, self.name)
