"""`minimesh reload` and `minimesh scale`: changes of a mesh that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.text import escape

if TYPE_CHECKING:
    from pathlib import Path

    from minimesh.control.report import UpOptions
    from minimesh.control.views import ReloadRequest, ReloadView

PATIENCE = 600.0
"""Seconds for the answer: it comes when the processes that are to go have ended, each in its own time."""


MOST_TOLD = 40
"""Services that are told of one by one."""


def reload(context: Context, *, profile: tuple[str, ...], dry_run: bool) -> int:
    """Has the running mesh read its files again; nothing is changed where there is a mistake in them."""
    view = apply(context, context.root(), {"profiles": list(profile), "dry_run": dry_run})
    if context.json:
        context.object(view)
    else:
        tell(context, view)
    return Exit.OK


def scale(context: Context, *, svc: tuple[str, ...]) -> int:
    """So many replicas of each service. Raises what the client raises."""
    from minimesh.control.client import Client, segment  # noqa: PLC0415 - the client costs 60 ms

    if not svc:
        raise usage("scale needs a service and a number", "minimesh scale orders=3")
    client = Client(context.root(), timeout=PATIENCE)
    for name, number in [_number(text) for text in svc]:
        view = cast("ReloadView", client.post(f"/v1/services/{segment(name)}/scale", {"replicas": number}))
        if context.json:
            context.object(view)
        else:
            tell(context, view, "scale")
    return Exit.OK


def apply(context: Context, root: Path, request: ReloadRequest) -> ReloadView:
    """Applies the files as they are now. Raises RefusedError with nothing changed."""
    from minimesh.control.client import Client, RefusedError  # noqa: PLC0415

    try:
        return cast("ReloadView", Client(root, timeout=PATIENCE).post("/v1/reload", request))
    except RefusedError:
        context.note("reload: nothing was changed")
        raise


def request(options: UpOptions) -> ReloadRequest:
    """What `up` asks of a mesh that runs. Files and values that are not given stay as they were."""
    asked: ReloadRequest = {"only": list(options.only), "profiles": list(options.profiles)}
    if options.further:
        asked["further"] = [str(path) for path in options.further]
    if options.overrides:
        asked["overrides"] = list(options.overrides)
    if options.watch:
        asked["watch"] = True
    return asked


def tell(context: Context, view: ReloadView, what: str = "reload") -> None:
    """What a change touched, for people."""
    told = lines(view)
    for line in told[:MOST_TOLD]:
        context.note(f"  {escape(line)}")
    if len(told) > MOST_TOLD:
        context.note(f"  and {len(told) - MOST_TOLD} more")
    would = "would change: " if view["dry_run"] else ""
    context.note(f"{what}: {would}{escape(summary(view))}")


def lines(view: ReloadView) -> list[str]:
    """One for each service that was touched, and why."""
    done = [
        *((name, f"restarted: {words}") for name, words in view["restarted"].items()),
        *((name, f"changed: {words}") for name, words in view["changed"].items()),
        *((name, "added") for name in view["added"]),
        *((name, "removed") for name in view["removed"]),
        *((name, "started") for name in view["started"]),
    ]
    room = max((len(name) for name, _ in done), default=0)
    return [f"{name:<{room}}  {text}" for name, text in done]


def summary(view: ReloadView) -> str:
    """`1 restarted, 1 added, 4 unchanged, 38 ms`"""
    parts = [
        f"{len(view[kind])} {kind}" for kind in ("restarted", "changed", "added", "removed", "started") if view[kind]
    ]
    return ", ".join([*parts, f"{view['unchanged']} unchanged", f"{view['duration_ms']:.0f} ms"])


def _number(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if not (name and equals and number.isdecimal() and number.isascii() and len(number) < 6):
        raise usage(f"{text!r} is not SERVICE=NUMBER", "minimesh scale orders=3")
    if int(number) == 0:
        raise usage(f"{name} cannot have 0 replicas, but it can be stopped", f"minimesh stop {name}")
    return name, int(number)


COMMANDS: dict[str, Command] = {
    "reload": Command(
        reload,
        "Read minimesh.toml again and apply what differs to the running mesh: only what changed is touched, the\n"
        "rest keeps its processes and connections. A mistake in the file changes nothing.",
        (
            ("minimesh reload", "after minimesh.toml was edited"),
            ("minimesh reload --dry-run", "what it would touch"),
        ),
        options=(
            Option(("--profile",), "start the services of this profile too", "PROFILE", repeat=True),
            Option(("--dry-run",), "tell what would be changed, and change nothing"),
        ),
        outputs=("table", "json"),
    ),
    "scale": Command(
        scale,
        "Set the number of replicas of services. It counts until minimesh.toml says another number. Replicas that\n"
        "go get no new request, finish those that they have, and are stopped.",
        (
            ("minimesh scale orders=3", "three replicas of orders"),
            ("minimesh scale orders=1 web=2", "several services"),
        ),
        (Argument("SVC", "SERVICE=NUMBER: a service and how many replicas it is to have", many=True),),
        outputs=("table", "json"),
    ),
}
