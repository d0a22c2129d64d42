"""Who is started: what is named, or everything whose profile is on; and what that depends on."""

from collections.abc import Collection, Sequence

from minimesh.model.project import Project
from minimesh.model.service import Dependency, Service, Task
from minimesh.spec import codes
from minimesh.spec.problem import Problem, SpecError


def starting(project: Project, names: Sequence[str] = (), profiles: Collection[str] = ()) -> tuple[str, ...]:
    """Services and tasks, each after what it depends on. What is named is on, whatever its profiles.

    Raises KeyError for a name that is nobody's, SpecError for dependencies on what is off.
    """
    members: dict[str, Service | Task] = {**project.tasks, **project.services}
    off = {
        name: service
        for name, service in project.services.items()
        if service.profiles and name not in names and not set(profiles).intersection(service.profiles)
    }
    ordered: dict[str, None] = {}
    begun: set[str] = set()
    problems: dict[Problem, None] = {}
    waiting = [*reversed(names or [name for name in members if name not in off])]
    while waiting:
        name = waiting[-1]
        if name in begun:
            ordered[waiting.pop()] = None
            continue
        begun.add(name)
        for dependency in reversed(members[name].depends_on):
            if dependency.name in off:
                problems[_is_off(name, dependency, off[dependency.name])] = None
            elif dependency.name not in begun:
                waiting.append(dependency.name)
    if problems:
        raise SpecError(tuple(sorted(problems, key=lambda problem: problem.where)))
    return tuple(ordered)


def known_profiles(project: Project) -> tuple[str, ...]:
    """The profiles that services of a project have, in the order of the file."""
    return tuple(dict.fromkeys(profile for service in project.services.values() for profile in service.profiles))


def _is_off(name: str, dependency: Dependency, needed: Service) -> Problem:
    profiles = " or ".join(f"`{profile}`" for profile in needed.profiles)
    message = f"{name} depends on {dependency.name}, which is started only with the profile {profiles}"
    return Problem(codes.PROFILE_OFF, message, dependency.where, help=f"minimesh up --profile {needed.profiles[0]}")
