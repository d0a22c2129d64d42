"""What a mesh is to be, as one value: a project with every number settled, and what of it is to run."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from minimesh.control import codes
from minimesh.control.layout import Layout
from minimesh.control.outward import kept
from minimesh.control.paths import StateFolder
from minimesh.control.programs import programs, selected
from minimesh.control.report import Problem, UpOptions
from minimesh.control.settle import (
    StartError,
    cannot_listen,
    check_written_ports,
    chosen,
    may_choose_again,
    settle,
)
from minimesh.dataplane import ListenError
from minimesh.model.project import Project
from minimesh.model.service import Service
from minimesh.model.several import several
from minimesh.spec.load import Loaded
from minimesh.spec.profiles import known_profiles
from minimesh.supervise.program import Program

OTHER_PORTS = 5
"""How often other ports are tried, where somebody takes one between our looking and our binding."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A number of replicas that was asked for while the file said `written`; it counts until the file says another."""

    number: int
    written: int


@dataclass(frozen=True, slots=True)
class World:
    """options: how it was asked for. loaded: as the file has it; project: with the replicas that there are to be.
    start: the names that are to run. inherited: the environment of `up` itself."""

    options: UpOptions
    loaded: Loaded
    project: Project
    layout: Layout
    programs: tuple[Program, ...]
    start: frozenset[str]
    inherited: Mapping[str, str]
    scaled: Mapping[str, Scaled] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """About the file and the options, for people."""
        about_the_file = (f"{warning.where}: {warning.message}" for warning in self.loaded.warnings)
        return (*self.options.warnings, *about_the_file, *self._other_proxies())

    def _other_proxies(self) -> Iterator[str]:
        """Callers that keep a proxy which they have got elsewhere."""
        callers: dict[tuple[str, ...], list[str]] = {}
        for program in self.programs:
            names = kept(self.layout.proxies.get(program.name), program.env)
            if names and program.replica == 1:
                callers.setdefault(names, []).append(program.name)
        for names, who in callers.items():
            text = " and ".join(f"${name}" for name in names)
            yield f"{text} of {several(who)} was set before and is kept: calls to other hosts do not come by the mesh"


def settled(
    options: UpOptions,
    loaded: Loaded,
    folder: StateFolder,
    *,
    before: World | None = None,
    scaled: Mapping[str, Scaled] | None = None,
    avoid: Collection[int] = (),
) -> World:
    """The world that a file and options make. before: the one that runs, whose ports are ours and whose numbers of
    replicas stay, where `scaled` does not say others. Raises StartError or SpecError."""
    written = loaded.project
    numbers = {**(before.scaled if before else {}), **(scaled or {})}
    kept = {name: each for name, each in numbers.items() if still_counts(each, written, name)}
    project = with_replicas(written, {name: each.number for name, each in kept.items()})
    start = names_meant(project, options.only, options.profiles)
    check_written_ports(project, before.layout.ports if before else ())
    inherited = before.inherited if before else dict(os.environ)
    layout = settle(project, folder, avoid, chosen(before.project, before.layout) if before else None)
    return World(
        options,
        loaded,
        project,
        layout,
        tuple(programs(project, layout, inherited)),
        start,
        inherited,
        kept,
    )


def rescaled(world: World, numbers: Mapping[str, int], folder: StateFolder, avoid: Collection[int] = ()) -> World:
    """The same world with other numbers of replicas, whatever its files say by now. Raises StartError or SpecError."""
    written = world.loaded.project.services
    scaled = {name: Scaled(number, written[name].replicas) for name, number in numbers.items()}
    new = settled(world.options, world.loaded, folder, before=world, scaled=scaled, avoid=avoid)
    known = {(program.name, program.replica): program for program in world.programs}
    return replace(new, programs=tuple(known.get((each.name, each.replica), each) for each in new.programs))


def listening(make: Callable[[Collection[int]], World], apply: Callable[[World], None]) -> World:
    """Makes a world, given the ports to avoid, and applies it; with other ports where one proves to be taken."""
    taken: set[int] = set()
    while True:
        world = make(taken)
        try:
            apply(world)
        except ListenError as error:
            again(world, error, taken)
        else:
            return world


def again(world: World, error: ListenError, taken: set[int]) -> None:
    """Notes a port that proved to be taken. Raises StartError where it was not ours to choose, or was one too many."""
    if not may_choose_again(world.project, error.listener) or len(taken) >= OTHER_PORTS:
        raise cannot_listen(world.project, error.listener, error.error) from error
    taken.add(error.listener.address.port)


def still_counts(scaled: Scaled, project: Project, name: str) -> bool:
    service = project.services.get(name)
    return service is not None and service.replicas == scaled.written and service.port is None


def with_replicas(project: Project, numbers: Mapping[str, int]) -> Project:
    services = {name: replace(project.services[name], replicas=number) for name, number in numbers.items()}
    return replace(project, services={**project.services, **services}) if services else project


def names_meant(project: Project, names: tuple[str, ...], profiles: tuple[str, ...]) -> frozenset[str]:
    """As `selected`. Raises StartError or SpecError."""
    try:
        return selected(project, names, profiles)
    except KeyError as error:
        message = f"there is no service or task {error.args[0]}, which `up` asked for"
        raise StartError(Problem(codes.UNKNOWN_SERVICE, message, help="minimesh up -d")) from None


def check_profiles(project: Project, names: tuple[str, ...]) -> None:
    """Whether there are such profiles. Raises StartError."""
    known = known_profiles(project)
    for name in names:
        if name not in known:
            evidence = (f"profiles: {', '.join(known)}",) if known else ()
            raise StartError(Problem(codes.UNKNOWN_SERVICE, f"no service has the profile {name}", evidence=evidence))


def check_scale(services: Mapping[str, Service], name: str, number: int) -> None:
    """Whether there can be so many replicas of a service. Raises StartError."""
    service = services.get(name)
    problem = None
    if service is None or service.process is None:
        problem = Problem(codes.CANNOT_SCALE, f"{name} is no service with a program, so there are no replicas of it")
    elif service.port is not None and number != 1:
        message = f"{name} listens on port {service.port} as the file says, so there can only be one of it"
        help_ = f"leave out `port` in [services.{name}] and listen on $PORT"
        problem = Problem(codes.CANNOT_SCALE, message, str(service.where), help=help_)
    elif (scale := service.scale) is not None and not scale.min <= number <= scale.max:
        message = f"{name} has {scale.min} to {scale.max} replicas as the file says, not {number}"
        problem = Problem(codes.CANNOT_SCALE, message, str(service.where))
    if problem is not None:
        raise StartError(problem)
