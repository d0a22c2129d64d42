"""What differs between two worlds, and what of the running mesh that touches. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from minimesh.control.world import World
from minimesh.model.auth import Auth
from minimesh.model.authorization import Rules
from minimesh.model.project import GATEWAY, Project
from minimesh.model.route import Route
from minimesh.model.service import Service, Task
from minimesh.model.where import NOWHERE
from minimesh.supervise.program import Program

MESH = "minimesh"
Replica = tuple[str, int]
"""A service or task, and the number of a replica, from 1."""

_SEVERAL, _TOLD = 3, 6


@dataclass(frozen=True, slots=True)
class Change:
    """Names in the order of the file, with what is different about each in words.

    restarted: what its process got when it started is not so any more. changed: taken over while it runs.
    ended, made, renewed: the replicas behind that: those that go, those that come, those that start anew.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    unchanged: int = 0
    ended: frozenset[Replica] = frozenset()
    made: frozenset[Replica] = frozenset()
    renewed: frozenset[Replica] = frozenset()


def difference(old: World, new: World) -> Change:
    was, will = _by_replica(old.programs), _by_replica(new.programs)
    renewed = {key: text for key in was.keys() & will.keys() if (text := started_with(was[key], will[key]))}
    names = dict.fromkeys(program.name for program in new.programs)
    known = {program.name for program in old.programs}
    restarted: dict[str, str] = {}
    changed: dict[str, str] = {}
    first = _first_of(renewed)
    for name in names:
        if name not in known:
            continue
        words = _settings(_member(old.project, name), _member(new.project, name))
        if name in first:
            restarted[name] = ", ".join([first[name], *words])
        elif words:
            changed[name] = ", ".join(words)
    touched = len(restarted) + len(changed)
    added = tuple(name for name in names if name not in known)
    return Change(
        added,
        tuple(dict.fromkeys(program.name for program in old.programs if program.name not in names)),
        restarted,
        {**_of_the_mesh(old, new), **changed},
        len(names) - touched - len(added),
        frozenset(was.keys() - will.keys()),
        frozenset(will.keys() - was.keys()),
        frozenset(renewed),
    )


def started_with(old: Program, new: Program) -> str:
    """What of a program its process has got and keeps, and is not so any more: `run changed`. "": all is as it was."""
    parts = [
        "" if old.task == new.task else "a task now" if new.task else "a service now",
        "run changed" if old.argv != new.argv else "",
        "cwd changed" if old.cwd != new.cwd else "",
        f"port {old.port or 'none'} → {new.port or 'none'}" if old.port != new.port else "",
        "" if old.env == new.env else _variables(old.env, new.env, moved=old.port != new.port),
        "address changed" if old.addresses != new.addresses else "",
    ]
    return ", ".join(filter(None, parts))


def summary(change: Change) -> str:
    """`orders restarted (run changed), +cache, -old, 4 unchanged`"""
    parts = [
        *(f"{name} restarted ({words})" for name, words in change.restarted.items()),
        *(f"{name} changed ({words})" for name, words in change.changed.items()),
        *(f"+{name}" for name in change.added),
        *(f"-{name}" for name in change.removed),
    ]
    more = [f"{len(parts) - _TOLD} more"] if len(parts) > _TOLD else []
    return ", ".join([*parts[:_TOLD], *more, f"{change.unchanged} unchanged"])


def _by_replica(programs: Iterable[Program]) -> dict[Replica, Program]:
    return {(program.name, program.replica): program for program in programs}


def _first_of(renewed: Mapping[Replica, str]) -> dict[str, str]:
    """Of each name the words of its first replica."""
    return {name: renewed[name, replica] for name, replica in sorted(renewed, reverse=True)}


def _variables(old: Mapping[str, str], new: Mapping[str, str], *, moved: bool) -> str:
    """`env changed: A, B`; $PORT is left out where the port is told of anyway."""
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    if moved and "PORT" in names:
        names.remove("PORT")
    more = f" and {len(names) - _SEVERAL} more" if len(names) > _SEVERAL else ""
    return f"env changed: {', '.join(names[:_SEVERAL])}{more}" if names else ""


def _member(project: Project, name: str) -> Service | Task:
    return project.services[name] if name in project.services else project.tasks[name]


def _settings(old: Service | Task, new: Service | Task) -> list[str]:
    """What is different apart from the program itself, in words."""
    if isinstance(old, Service) and isinstance(new, Service):
        number = [f"replicas {old.replicas} → {new.replicas}"] if old.replicas != new.replicas else []
        return number + _differing(old, new, _OF_SERVICES)
    if isinstance(old, Task) and isinstance(new, Task):
        return _differing(old, new, ("when", *_COMMON))
    return []


def _rules(member: Service | Task) -> object:
    """Wherever they stand in the file."""
    rules = member.rules if isinstance(member, Service) else Rules()
    return [[replace(rule, where=NOWHERE) for rule in each] for each in (rules.allow, rules.deny)]


_COMMON = ("stop", "depends_on", "calls", "egress")
_OF_SERVICES = (
    *("listen", "scale", "ready", "restart", "timeouts", "breaker", "auth", "rules", "tls", "transcode", "profiles"),
    "watch",
    *_COMMON,
)
_READ: Mapping[str, Callable[[Service | Task], object]] = {
    "auth": lambda member: isinstance(member, Service) and _plain(member.auth),
    "depends_on": lambda member: [(each.name, each.condition) for each in member.depends_on],
    "rules": _rules,
}


def _differing(old: Service | Task, new: Service | Task, fields: Sequence[str]) -> list[str]:
    found = []
    for name in fields:
        read = _READ.get(name, lambda member, name=name: getattr(member, name))
        if read(old) != read(new):
            found.append(f"{name} changed")
    return found


def _of_the_mesh(old: World, new: World) -> dict[str, str]:
    """What is different about the gateway and the mesh itself."""
    was, will = old.project, new.project
    found: dict[str, str] = {}
    if way_in := _gateway(old, new):
        found[GATEWAY] = ", ".join(way_in)
    mesh = [
        f"{name} changed"
        for name in (
            "name",
            "trust_domain",
            "hop",
            "security",
            "authorization",
            "egress",
            "intercept",
            "access_log",
            "logs",
        )
        if getattr(was, name) != getattr(will, name)
    ]
    return found | ({MESH: ", ".join(mesh)} if mesh else {})


def _gateway(old: World, new: World) -> list[str]:
    was, will = old.project.gateway, new.project.gateway
    if was is None or will is None:
        return [] if was is will else ["there now" if will else "gone"]
    moved = old.layout.gateway != new.layout.gateway
    routes = [[_without_place(route) for route in each.routes] for each in (was, will)]
    return [
        *([f"listens on {new.layout.gateway}, not on {old.layout.gateway}"] if moved else []),
        *(["routes changed"] if routes[0] != routes[1] else []),
        *(["auth changed"] if _plain(was.auth) != _plain(will.auth) else []),
        *(f"{name} changed" for name in ("limits", *_OF_EDGE) if getattr(was, name) != getattr(will, name)),
    ]


_OF_EDGE = ("trusted_proxies", "allow_ips")


def _without_place(route: Route) -> Route:
    """That it stands on another line is no difference."""
    cors = replace(route.cors, where=NOWHERE) if route.cors else None
    return replace(route, where=NOWHERE, cors=cors, auth=_plain(route.auth))


def _plain(auth: Auth | None) -> Auth | None:
    return auth.without_places if auth else None
