"""Waiting until services are where somebody wants them, and knowing when they will never be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.known import check_known
from minimesh.cli.text import elapsed

if TYPE_CHECKING:
    from minimesh.control.client import Client
    from minimesh.control.views import ServiceView

LOOK_EVERY = 0.05
"""Seconds. Asked again and again: an event may come before anybody listens for it."""
SAY_EVERY = 2.0

_DEAD_ENDS = frozenset({"failed", "crash-loop", "exited", "stopped"})
_OVER = frozenset({"stopped", "exited", "completed", "crash-loop", "pending"})


def until(
    client: Client, names: Sequence[str], goal: str, patience: float, say: Callable[[str], object] = lambda line: None
) -> list[ServiceView]:
    """Returns when all these services are ready, completed or stopped (`goal`); no names: all that were asked for.

    A task is ready when it has completed. `say` is told each two seconds what is waited for and why. Raises
    CommandError: exit code 4 after `patience` seconds, 1 when a service cannot get there any more by itself.
    """
    began = time.monotonic()
    told = began
    while True:
        services = cast("list[ServiceView]", client.get("/v1/services"))
        check_known(names, [service["name"] for service in services])
        wanted = [service for service in services if (service["name"] in names if names else _asked(service, goal))]
        late = [service for service in wanted if not reached(service, goal)]
        if not late:
            return wanted
        starting = client.get("/v1/mesh")["state"] == "starting"
        for service in late:
            if is_stuck(service, goal) and not (starting and service["state"] == "pending"):
                raise _never(service, goal)
        now = time.monotonic()
        if now - began > patience:
            raise _timed_out(late, goal, patience)
        if now - told > SAY_EVERY:
            told = now
            say("; ".join(f"{service['name']}: {_where(service)}" for service in late))
        time.sleep(LOOK_EVERY)


def _asked(service: ServiceView, goal: str) -> bool:
    """Whether it is meant where nobody is named."""
    if goal == "completed":
        return service["kind"] == "task"
    return service["kind"] in ("service", "task", "address") and service["state"] != "pending"


def reached(service: ServiceView, goal: str) -> bool:
    state = service["state"]
    match goal:
        case "stopped":
            return state in _OVER and service["pid"] is None
        case "completed":
            return state == "completed"
        case _:
            return state == "completed" or (state == "running" and service["ready"] == service["replicas"])


def is_stuck(service: ServiceView, goal: str) -> bool:
    """It will not get there without somebody's help. A service that is late but still asked may."""
    if goal == "stopped":
        return False
    if goal == "completed" and service["kind"] != "task":
        return True
    state = service["state"]
    return state == "pending" or (state in _DEAD_ENDS and service["pid"] is None and not _tries_again(service))


def _tries_again(service: ServiceView) -> bool:
    """A crash loop is called so from early on, and may still end well as long as it has tries left."""
    return any((each["outlook"] or "").startswith("next try") for each in service["instances"])


def _where(service: ServiceView) -> str:
    reason = service["reason"]
    return f"{service['state']}: {reason}" if reason else service["state"]


def _never(service: ServiceView, goal: str) -> CommandError:
    name = service["name"]
    if goal == "completed" and service["kind"] != "task":
        return CommandError(
            "MM402",
            f"{name} is no task, so it never completes",
            exit_code=Exit.USAGE,
            help=f"minimesh wait {name} --for ready",
        )
    if service["state"] in ("pending", "stopped"):
        word = "was not started" if service["state"] == "pending" else "is stopped"
        return CommandError("MM405", f"{name} {word}", help=f"minimesh start {name}")
    what = {"ready": "come up", "completed": "complete"}[goal]
    last = [each["last_stderr"] for each in service["instances"] if each["last_stderr"]]
    return CommandError(
        "MM405",
        f"{name} did not {what}: {service['reason'] or service['state']}",
        evidence=[f"last stderr: {line.strip()}" for line in last[:1] if line.strip() not in (service["reason"] or "")],
        help=f"minimesh logs {name} -n 20",
    )


def _timed_out(late: Sequence[ServiceView], goal: str, patience: float) -> CommandError:
    first = late[0]["name"]
    return CommandError(
        "MM404",
        f"not {goal} after {elapsed(patience)}: {', '.join(service['name'] for service in late)}",
        exit_code=Exit.TIMED_OUT,
        evidence=[f"{service['name']}  {_where(service)}" for service in late],
        help=f"minimesh logs {first} -n 20",
    )
