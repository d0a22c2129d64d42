"""Who starts after whom, and what somebody waits for: plain functions over statuses."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

from minimesh.model.service import Condition, Dependency
from minimesh.supervise.status import MOVING, InstanceStatus, State

Statuses = Mapping[str, Sequence[InstanceStatus]]
"""Of each name, its instances."""


def levels(depends_on: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Names by level: each depends only on names of earlier levels. Names that are no keys are left out.

    Raises graphlib.CycleError; whoever read the project has refused cycles before.
    """
    sorter = TopologicalSorter(
        {name: [other for other in others if other in depends_on] for name, others in depends_on.items()}
    )
    sorter.prepare()
    found: list[list[str]] = []
    while sorter.is_active():
        level = sorted(sorter.get_ready())
        sorter.done(*level)
        found.append(level)
    return found


def met(condition: Condition, instance: InstanceStatus) -> bool:
    """A task that is to be ready has completed: it has no other good end."""
    match condition:
        case Condition.READY:
            return instance.good
        case Condition.STARTED:
            started = instance.started_at is not None and instance.state not in (State.STOPPING, State.STOPPED)
            return started or instance.state is State.COMPLETED
        case Condition.COMPLETED:
            return instance.state is State.COMPLETED or (instance.state is State.EXITED and instance.exit_code == 0)


def unmet(depends_on: Iterable[Dependency], statuses: Statuses) -> InstanceStatus | None:
    """The first instance that is waited for."""
    for dependency in depends_on:
        for instance in statuses.get(dependency.name, ()):
            if not met(dependency.condition, instance):
                return instance
    return None


def blocker(depends_on: Iterable[Dependency], statuses: Statuses) -> str | None:
    """The first thing that is waited for, as `waiting for api: not ready, /healthz 503 for 0.6 s`."""
    instance = unmet(depends_on, statuses)
    return None if instance is None else waiting(instance, statuses)


def waiting(instance: InstanceStatus, statuses: Statuses) -> str:
    return f"waiting for {label(instance, statuses)}: {shortcoming(instance)}"


def shortcoming(instance: InstanceStatus) -> str:
    """Why an instance is not what is waited for."""
    match instance.state:
        case State.WAITING:
            return instance.reason
        case State.STARTING:
            what = "not ready"
        case State.RUNNING | State.READY:
            what = "still running"
        case _:
            what = instance.state.value
    return f"{what}, {instance.reason}" if instance.reason else what


def label(instance: InstanceStatus, statuses: Statuses) -> str:
    """The name, with the replica where there are several."""
    alone = len(statuses.get(instance.name, ())) <= 1
    return instance.name if alone else f"{instance.name}/{instance.replica}"


def settled(depends_on: Mapping[str, Sequence[Dependency]], statuses: Statuses) -> bool:
    """Nothing changes any more by itself: each instance is up, has ended, or waits for one that is stuck."""
    return not any(_moves(instance, depends_on, statuses) for instances in statuses.values() for instance in instances)


def _moves(instance: InstanceStatus, depends_on: Mapping[str, Sequence[Dependency]], statuses: Statuses) -> bool:
    if instance.state is not State.WAITING:
        return instance.state in MOVING or (instance.task and instance.state is State.RUNNING)
    unmet = [
        other
        for dependency in depends_on.get(instance.name, ())
        for other in statuses.get(dependency.name, ())
        if not met(dependency.condition, other)
    ]
    # With nothing unmet it is about to go on; else it will once all that it waits for may still come.
    return all(_moves(other, depends_on, statuses) for other in unmet)
