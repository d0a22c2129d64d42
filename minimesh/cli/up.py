"""`minimesh up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.plan import COLUMNS, needed, planned, without_order
from minimesh.cli.project import check_names, file_of, load
from minimesh.cli.values import duration

if TYPE_CHECKING:
    from pathlib import Path

    from minimesh.model.project import Project


def up(
    context: Context,
    *,
    svc: tuple[str, ...],
    detach: bool,
    wait: bool,
    wait_timeout: float,
    no_deps: bool,
    dry_run: bool,
    no_log_prefix: bool,
    timestamps: bool,
) -> int:
    """Runs the mesh here until Ctrl-C, or starts it apart with -d or --wait."""
    apart = detach or wait
    if no_deps and not svc:
        raise usage("--no-deps needs the services to start", "minimesh up --no-deps web")
    if apart and (no_log_prefix or timestamps or no_deps):
        raise usage("--no-deps, --no-log-prefix and --timestamps do not go with -d or --wait")
    file = file_of(context)
    project = None
    if svc or dry_run or apart:
        project = load(context).project
        check_names(project, svc)
    if project is not None and no_deps:
        project = without_order(project, svc)
    if project is not None and dry_run:
        return _tell(context, project, svc)
    if apart:
        from minimesh.cli.apart import start_apart  # noqa: PLC0415 - each way loads only what it needs

        return start_apart(context, file, svc, wait_timeout)
    return _here(context, file, project if no_deps else None, svc, bare=no_log_prefix, stamps=timestamps)


def _here(
    context: Context, file: Path, project: Project | None, names: tuple[str, ...], *, bare: bool, stamps: bool
) -> int:
    from minimesh.cli.apart import attach, running  # noqa: PLC0415

    if running(file.parent) is not None:
        return attach(context, file, names)
    from minimesh.cli.foreground import run_here  # noqa: PLC0415 - the whole mesh
    from minimesh.cli.watch import Style  # noqa: PLC0415
    from minimesh.control.report import UpOptions  # noqa: PLC0415

    return run_here(context, UpOptions(file.parent, file, project, names), Style(bare, stamps, context.quiet))


def _tell(context: Context, project: Project, names: tuple[str, ...]) -> int:
    plan = planned(project, needed(project, names))
    if context.json:
        context.array([each._asdict() for each in plan])
    else:
        context.table(COLUMNS, [each.row() for each in plan])
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "up": Command(
        up,
        "Start the services of minimesh.toml, each when what it depends on is ready, and carry their traffic.\n"
        "Stays, with their output, until Ctrl-C stops all of it; a second Ctrl-C kills. Services that are\n"
        "named bring what they depend on with them.",
        (
            ("minimesh up", "everything, until Ctrl-C"),
            ("minimesh up -d web && minimesh logs -f web", "web and what it needs, behind this terminal"),
        ),
        (Argument("SVC", "only these services and what they depend on; default all", many=True),),
        (
            Option(("-d", "--detach"), "start it behind the terminal, return when it is ready"),
            Option(("--wait",), "the same as -d, as in compose"),
            Option(("--wait-timeout",), "how long -d waits; default 60s", "TIME", duration, default=60.0),
            Option(("--no-deps",), "without what the named services depend on"),
            Option(("--no-log-prefix",), "output without the service's name before each line"),
            Option(("--timestamps",), "output with the time before each line"),
            Option(("--dry-run",), "tell what would be started, in which order"),
        ),
        outputs=("table", "json"),
    )
}
