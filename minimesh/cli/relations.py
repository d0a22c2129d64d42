"""Who calls whom, as minimesh.toml says it and as the running mesh sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from minimesh.cli.context import Context

if TYPE_CHECKING:
    from minimesh.control.views import EdgeView, ServiceView
    from minimesh.model.project import Project
    from minimesh.model.route import Route
    from minimesh.model.service import Service, Task
    from minimesh.spec.settings import Setting

GATEWAY = "gateway"


class Relation(NamedTuple):
    """A caller and a callee. `variable`: where the caller finds the address, "" where the other takes no calls; `key`:
    which key says so, at `where`. `url` and `edge` are there while the mesh runs."""

    caller: str
    callee: str
    variable: str
    key: str
    where: str
    url: str | None = None
    edge: EdgeView | None = None


class Running:
    """What the mesh of the project knows, if one runs; without it every answer is None."""

    def __init__(self, context: Context) -> None:
        from minimesh.control.client import NotRunningError  # noqa: PLC0415 - costs 60 ms

        self._context = context
        self.services: dict[str, ServiceView] | None
        try:
            self.services = {view["name"]: view for view in context.get("/v1/services")}
            self._edges: dict[tuple[str, str], EdgeView] = {
                (edge["source"], edge["destination"]): edge for edge in context.get("/v1/edges")
            }
        except NotRunningError:
            self.services, self._edges = None, {}

    def edge(self, caller: str, callee: str) -> EdgeView | None:
        return self._edges.get((caller, callee))

    def variables(self, name: str) -> Mapping[str, str]:
        """What the mesh gives a service; nothing for one that it does not know (yet)."""
        from minimesh.control.client import segment  # noqa: PLC0415

        if self.services is None or name not in self.services:
            return {}
        view: dict[str, Any] = self._context.get(f"/v1/services/{segment(name)}/env")
        variables: dict[str, str] = view["mesh_env"]
        return variables


def callers(project: Project, settings: list[Setting], running: Running, callee: str) -> list[Relation]:
    """Who may call a service or waits for it, the gateway not among them."""
    from minimesh.control.layout import takes_calls  # noqa: PLC0415

    members: dict[str, Service | Task] = {**project.services, **project.tasks}
    service = project.services.get(callee)
    relations = [
        _relation(project, member, callee, settings, running.variables(name), running)
        for name, member in members.items()
        if callee in member.callees
    ]
    return relations if service and takes_calls(service) else [each._replace(variable="") for each in relations]


def calls(project: Project, settings: list[Setting], running: Running, caller: str) -> list[Relation]:
    """Whom a service or task may call."""
    from minimesh.control.layout import callees  # noqa: PLC0415

    member = project.services.get(caller) or project.tasks.get(caller)
    if member is None:
        return []
    variables = running.variables(caller)
    return [_relation(project, member, callee, settings, variables, running) for callee in callees(project, member)]


def _relation(
    project: Project,
    caller: Service | Task,
    callee: str,
    settings: list[Setting],
    variables: Mapping[str, str],
    running: Running,
) -> Relation:
    from minimesh.control.environment import address_variable, variable_name  # noqa: PLC0415

    service = project.services.get(callee)
    variable = address_variable(service) if service else f"{variable_name(callee)}_URL"
    dependency = next((needed for needed in caller.depends_on if needed.name == callee), None)
    if dependency:
        key, where = "depends_on", str(dependency.where)
    else:
        key, where = "calls", _origin(settings, caller.name, "calls")
    edge = running.edge(caller.name, callee)
    return Relation(caller.name, callee, variable, key, where, variables.get(variable), edge)


def _origin(settings: list[Setting], owner: str, key: str) -> str:
    return next(
        (setting.origin for setting in settings if setting.path[1:2] == (owner,) and setting.name == (key,)), ""
    )


def routes_to(project: Project, callee: str) -> list[Route]:
    """The routes of the gateway that lead to a service."""
    routes = project.gateway.routes if project.gateway else ()
    return [route for route in routes if route.to == callee]
