"""`minimesh describe`: what holds for a service, whom it calls and who calls it, each with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minimesh.cli.configuration import facts
from minimesh.cli.context import Context
from minimesh.cli.described import Described
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.project import check_names
from minimesh.cli.ps import why
from minimesh.cli.relations import GATEWAY, Relation
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, age, escape, percent, rate

if TYPE_CHECKING:
    from minimesh.control.views import EdgeView
    from minimesh.model.route import Route
    from minimesh.spec.settings import Setting

SETTINGS = (Column("SETTING", shrink=16), Column("VALUE", shrink=12), Column("FROM", shrink=14, drop=1))
RELATION = (
    Column("AT", shrink=16),
    Column("RPS", right=True),
    Column("SUCCESS", right=True),
    Column("BY", drop=1),
    Column("FROM", shrink=14),
)


class Line(NamedTuple):
    """What is said in a row. `shown`: the value as people see it, where that is not as TOML writes it."""

    key: str
    value: object
    origin: str
    shown: str = ""

    @property
    def row(self) -> tuple[str, str, str]:
        from minimesh.spec import toml  # noqa: PLC0415 - for the commands that read the file

        return self.key, self.shown or toml.value(self.value), self.origin


def describe(context: Context, *, svc: str, source: str | None) -> int:
    """Works without a mesh; with one, also says how it goes."""
    about = Described(context, svc)
    if source is not None:
        return _way(about, source)
    incoming, outgoing = about.callers(), about.calls()
    if context.json:
        context.object(
            {
                "name": svc,
                "kind": about.kind,
                "where": about.where or None,
                "settings": [facts(setting) for setting in about.settings if setting.value is not None],
                "routes": [_route_facts(route) for route in about.routes],
                "callers": [_relation_facts(relation) for relation in incoming],
                "calls": [_relation_facts(relation) for relation in outgoing],
                "state": about.view,
            }
        )
        return Exit.OK
    context.out.line(_title(about))
    context.out.line()
    context.table(SETTINGS, [_line(setting).row for setting in about.settings])
    ways_in = [_route_row(about, route) for route in about.routes]
    if svc == GATEWAY:
        _more(context, "ROUTES TO", ways_in)
    else:
        _more(
            context,
            "CALLED BY" if about.takes_calls else "NEEDED BY",
            ways_in + [_relation_row(relation, relation.caller) for relation in incoming],
        )
        _more(context, "CALLS", [_relation_row(relation, relation.callee) for relation in outgoing])
    return Exit.OK


# ---- --from: one edge


def _way(about: Described, source: str) -> int:
    """How one reaches the other: the address, the key that allows it, the timeouts in force."""
    context, name = about.context, about.name
    check_names(about.project, (source,), GATEWAY)
    lines = _through_gateway(about) if source == GATEWAY else _directly(about, source)
    if not lines:
        raise _no_way(about, source)
    edge = about.running.edge(source, name)
    if context.json:
        settings = [{"key": line.key, "value": line.value, "where": line.origin} for line in lines]
        context.object({"from": source, "to": name, "settings": settings, "edge": edge})
        return Exit.OK
    context.out.line(
        f"{source} -> {name}" + (f"   {rate(edge['rps'])}rps   {percent(edge['success'])}" if edge else "")
    )
    context.out.line()
    context.table(SETTINGS, [line.row for line in lines])
    return Exit.OK


def _directly(about: Described, source: str) -> list[Line]:
    relation = next((each for each in about.callers() if each.caller == source), None)
    if relation is None:
        return []
    hop = next(_line(setting) for setting in about.all if setting.path == ("mesh", "hop"))
    return [
        *([Line("address", relation.url, "the mesh", _address(relation))] if relation.variable else []),
        Line(relation.key, about.name, relation.where, about.name),
        *_timeouts(about),
        hop,
    ]


def _through_gateway(about: Described) -> list[Line]:
    """For each route what it says, and the timeouts of the service where it says nothing else."""
    lines: list[Line] = []
    for index, route in enumerate(about.project.gateway.routes if about.project.gateway else ()):
        if route.to == about.name:
            own = [setting for setting in about.all if setting.block == (GATEWAY, "routes", index)]
            lines.append(Line("route", route.name, str(route.where), route.name))
            lines += [_line(setting) for setting in own if setting.where]
            lines += [line for line in _timeouts(about) if route.timeout is None or line.key != "timeout.request"]
    return lines


def _timeouts(about: Described) -> list[Line]:
    return [_line(setting) for setting in about.settings if setting.name[0] == "timeout"]


def _no_way(about: Described, source: str) -> CommandError:
    if about.name == GATEWAY:
        message = "the gateway is called from outside, not by services"
        help_ = f"minimesh describe {GATEWAY}"
    elif source == GATEWAY:
        message = f"no route of the gateway leads to {about.name}"
        help_ = f'routes = [{{ path = "/{about.name}/*", to = "{about.name}" }}]'
    else:
        message = f"{source} does not call {about.name}: it has it neither in depends_on nor in calls"
        help_ = f'calls = ["{about.name}"]'
    where = Described(about.context, source).where
    return CommandError("MM413", message, exit_code=Exit.USAGE, where=where, help=help_)


# ---- rows and facts


def _title(about: Described) -> str:
    view = about.view
    if view is None:
        why_not = "no mesh runs here" if about.running.services is None else "not in the running mesh"
        return "   ".join((about.name, about.kind, about.where or NONE, f"({why_not})"))
    parts = [about.name, view["state"], about.kind, about.where or NONE]
    parts += [f"ready {view['ready']}/{view['replicas']}", f"restarts {view['restarts']}"]
    parts += [f"pid {view['pid']}"] if view["pid"] else []
    parts += [view["listen"]] if view["listen"] else []
    parts += [f"up {age(view['up_ms'])}"] if view["up_ms"] is not None else []
    parts += [why(view)] if view["reason"] else []
    return "   ".join(map(escape, parts))


def _line(setting: Setting) -> Line:
    from minimesh.spec import toml  # noqa: PLC0415

    return Line(toml.key(setting.name), setting.value, setting.origin, f"({setting.note})" if setting.note else "")


def _more(context: Context, title: str, rows: list[tuple[str, ...]]) -> None:
    if rows:
        context.out.line()
        context.table((Column(title), *RELATION), rows)


def _route_row(about: Described, route: Route) -> tuple[str, ...]:
    name = route.to if about.name == GATEWAY else GATEWAY
    return (name, route.name, *_figures(about.running.edge(GATEWAY, route.to)), "route", str(route.where))


def _relation_row(relation: Relation, name: str) -> tuple[str, ...]:
    return (name, _address(relation), *_figures(relation.edge), relation.key, relation.where)


def _figures(edge: EdgeView | None) -> tuple[str, str]:
    return (rate(edge["rps"]), percent(edge["success"])) if edge else (NONE, NONE)


def _address(relation: Relation) -> str:
    if not relation.variable:
        return NONE
    return f"${relation.variable}" + (f" {relation.url}" if relation.url else "")


def _route_facts(route: Route) -> dict[str, object]:
    return {
        "to": route.to,
        "host": route.host,
        "path": str(route.path),
        "strip_prefix": route.strip_prefix,
        "timeout_ms": None if route.timeout is None else route.timeout * 1000,
        "where": str(route.where),
    }


def _relation_facts(relation: Relation) -> dict[str, object]:
    return relation._asdict()


COMMANDS: dict[str, Command] = {
    "describe": Command(
        describe,
        "What holds for a service, a task or the gateway: every setting with the line that says so, who\n"
        "calls it and whom it calls; and how it goes, where a mesh runs.",
        (
            ("minimesh describe orders", "its settings, its callers, the routes to it"),
            ("minimesh describe orders --from web", "how web reaches it: address, timeouts, what allows it"),
        ),
        (Argument("SVC", "a service, a task or the gateway"),),
        (Option(("--from",), "only how this service (or the gateway) reaches it", "SVC", name="source"),),
        outputs=("table", "json"),
    )
}
