"""Whether everybody can be started: `depends_on` must not lead back to where it began."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from minimesh.model.service import Dependency, Service, Task
from minimesh.spec import codes
from minimesh.spec.node import Reading
from minimesh.spec.problem import Place, Problem

Needs = dict[str, dict[str, Dependency]]


def check_cycles(reading: Reading, services: Mapping[str, Service], tasks: Mapping[str, Task]) -> None:
    """Notes each cycle, with all of its lines. No two that are told share a line."""
    everybody: dict[str, Service | Task] = {**services, **tasks}
    needs: Needs = {
        name: {dependency.name: dependency for dependency in each.depends_on} for name, each in everybody.items()
    }
    order = {name: place for place, name in enumerate(needs)}
    for cycle in _cycles(needs):
        start = min(range(len(cycle)), key=lambda at: order.get(cycle[at], 0))
        reading.note(_problem((*cycle[start:], *cycle[:start]), needs))
        _cut(cycle, needs)


def _cycles(needs: Needs) -> Iterator[list[str]]:
    """One cycle after another, each name once, needer before needed; the caller cuts it before the next."""
    while True:
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            yield error.args[1][:0:-1]
        else:
            return


def _cut(cycle: list[str], needs: Needs) -> None:
    for needer, needed in _steps(cycle):
        del needs[needer][needed]


def _steps(cycle: list[str] | tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return zip(cycle, (*cycle[1:], cycle[0]), strict=True)


def _problem(cycle: tuple[str, ...], needs: Needs) -> Problem:
    lines = [(needs[needer][needed].where, f"{needer} needs {needed}") for needer, needed in _steps(cycle)]
    last = cycle[0]
    return Problem(
        codes.CYCLE,
        f"depends_on forms a cycle: {' -> '.join((*cycle, cycle[0]))}",
        lines[0][0],
        places=tuple(Place(where, part) for where, part in lines),
        help=f'depends_on is start order; in one of them write calls = ["{last}"] instead',
    )
