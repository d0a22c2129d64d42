"""`minimesh ps`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Command, Option
from minimesh.cli.table import Column
from minimesh.cli.text import NONE, age, count
from minimesh.cli.values import choice

if TYPE_CHECKING:
    from minimesh.control.views import ServiceView

COLUMNS = (
    Column("NAME"),
    Column("STATE"),
    Column("READY"),
    Column("RESTARTS", drop=2),
    Column("UP"),
    Column("PID", drop=3),
    Column("LISTEN", drop=1),
    Column("MESHED", drop=4),
    Column("KIND", wide=True),
    Column("CONN", wide=True, right=True),
    Column("PIDS", wide=True, shrink=8),
    Column("URL", wide=True, shrink=16),
    Column("REASON", shrink=20),
)
STATES = (
    *("running", "starting", "waiting", "pending", "backoff", "crash-loop"),
    *("stopping", "stopped", "exited", "completed", "failed"),
)
"""As the control API has them: what has answered its probe is running, too."""
UNASKED = frozenset({"completed", "pending"})
"""States that `ps` shows with -a only: tasks that are done, and what nobody asked for."""
GOOD = frozenset({"running", "ready", "completed"})
MANY = 50
"""Rows that leave most screens: on a terminal they are counted below."""
BAD = frozenset({"crash-loop", "failed", "exited", "backoff"})


def ps(context: Context, *, all: bool, status: tuple[str, ...], all_projects: bool) -> int:  # noqa: A002 - the option's name
    """The services of the running mesh; `status` wins over `all`."""
    if all_projects:
        from minimesh.cli.projects import all_projects as show  # noqa: PLC0415 - each way loads only what it needs

        return show(context, status)
    check_states(status, STATES)
    services: list[ServiceView] = context.get("/v1/services")
    if status:
        services = [service for service in services if service["state"] in status]
    elif not all:
        services = [service for service in services if service["state"] not in UNASKED]
    names = [service["name"] for service in services]
    if context.json:
        context.array(services)
    elif context.quiet or context.output == "name":
        context.names(names)
    else:
        states = dict(zip(names, (service["state"] for service in services), strict=True))
        context.table(COLUMNS, [row(service) for service in services], lambda line: _paint(context, line, states))
        if len(services) > MANY and context.err.width is not None:
            context.note(in_short(services))
    return Exit.OK


def check_states(asked: Sequence[str], known: Sequence[str]) -> None:
    """Raises CommandError for a state that nothing can be in."""
    try:
        [*map(choice(*known), asked)]
    except ValueError as error:
        raise usage(f"--status: {error}") from None


def in_short(services: list[ServiceView]) -> str:
    """`1001 rows: 998 running, 2 waiting, 1 crash-loop; minimesh ps --status crash-loop`"""
    states = Counter(service["state"] for service in services)
    counted = f"{len(services)} rows: {', '.join(f'{number} {state}' for state, number in states.most_common())}"
    odd = [state for state in states if state in BAD] or [state for state in states if state not in GOOD]
    return f"{counted}; minimesh ps {' '.join(f'--status {state}' for state in odd)}" if odd else counted


def row(service: ServiceView) -> tuple[str, ...]:
    """The cells of one service, in the order of COLUMNS."""
    pids = [str(instance["pid"]) for instance in service["instances"] if instance["pid"] is not None]
    return (
        service["name"],
        service["state"],
        f"{service['ready']}/{service['replicas']}",
        str(service["restarts"]),
        age(service["up_ms"]),
        count(service["pid"]),
        service["listen"] or NONE,
        service["meshed"] or NONE,
        service["kind"],
        count(service["connections"]),
        ",".join(pids) or NONE,
        service["url"] or NONE,
        "; ".join(filter(None, (why(service), outlook(service)))),
    )


def why(service: ServiceView) -> str:
    """The reason, and what the program last said on stderr where it went badly and the reason does not quote it."""
    reason = service["reason"] or ""
    if service["state"] in BAD:
        last = next((instance["last_stderr"] for instance in service["instances"] if instance["last_stderr"]), None)
        if last and last.strip() not in reason:
            reason = f"{reason}: {last.strip()}" if reason else last.strip()
    return reason or NONE


def condition(service: ServiceView) -> str:
    """`crash-loop: exit 1: KeyError: 'STRIPE_KEY'`, or the state alone where there is no more to say."""
    reason = why(service)
    return service["state"] if reason == NONE else f"{service['state']}: {reason}"


def outlook(service: ServiceView) -> str:
    """Of one that fails again and again: when it is tried next, or that it is not."""
    return next((instance["outlook"] for instance in service["instances"] if instance["outlook"]), "")


def _paint(context: Context, line: str, states: dict[str, str]) -> str:
    state = states[line.split(maxsplit=1)[0]]
    if state in GOOD:
        return line
    return context.out.paint(line, "red" if state in BAD else "yellow")


COMMANDS = {
    "ps": Command(
        ps,
        "What runs, and why not: a line for the gateway and for each service.\n"
        "With -q only the names. Exit code 3 where no mesh runs.",
        (
            ("minimesh ps", "everything that was asked for"),
            ("minimesh ps --status crash-loop -o json", "what keeps crashing, for a script"),
        ),
        options=(
            Option(("-a", "--all"), "also tasks that are done and services that nobody asked for"),
            Option(("--status",), "only services in this state; may be repeated", "STATE", repeat=True),
            Option(("--all-projects",), "every mesh of yours, whatever its folder: a line for each"),
        ),
    )
}
