"""`minimesh up`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.plan import COLUMNS, planned
from minimesh.cli.project import SET, check_names, check_profiles, file_of, further_of, load
from minimesh.cli.values import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from minimesh.control.report import UpOptions
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
    overrides: tuple[str, ...],
    profile: tuple[str, ...],
) -> int:
    """Runs the mesh here until Ctrl-C, or starts it apart with -d or --wait."""
    apart = detach or wait
    if no_deps and not svc:
        raise usage("--no-deps needs the services to start", "minimesh up --no-deps web")
    if apart and (no_log_prefix or timestamps or no_deps):
        raise usage("--no-deps, --no-log-prefix and --timestamps do not go with -d or --wait")
    from minimesh.control.report import UpOptions  # noqa: PLC0415 - each way loads only what it needs

    file = file_of(context)
    options = UpOptions(file.parent, file, only=svc, further=further_of(context), overrides=overrides, profiles=profile)
    project = None
    if svc or profile or dry_run or apart:
        project = load(context, overrides).project
        check_names(project, svc)
        check_profiles(project, profile)
    if project is not None and no_deps:
        from minimesh.spec.alone import without_order  # noqa: PLC0415 - hardly ever

        project = without_order(project, svc)
        options = replace(options, alone=True)
    if project is not None and (dry_run or apart):
        return _ahead(context, options, project, wait_timeout if apart and not dry_run else None)
    return _here(context, options, bare=no_log_prefix, stamps=timestamps)


def _ahead(context: Context, options: UpOptions, project: Project, patience: float | None) -> int:
    """What would be started, told if there is no patience to wait for it."""
    from minimesh.spec import starting  # noqa: PLC0415

    names = starting(project, options.only, options.profiles)
    if patience is None:
        return _tell(context, project, names)
    from minimesh.cli.apart import start_apart  # noqa: PLC0415

    return start_apart(context, options, patience)


def _here(context: Context, options: UpOptions, *, bare: bool, stamps: bool) -> int:
    from minimesh.cli.apart import attach, running  # noqa: PLC0415

    if running(options.root) is not None:
        return attach(context, options)
    from minimesh.cli.foreground import run_here  # noqa: PLC0415 - the whole mesh
    from minimesh.cli.watch import Style  # noqa: PLC0415

    return run_here(context, options, Style(bare, stamps, context.quiet))


def _tell(context: Context, project: Project, names: Sequence[str]) -> int:
    plan = planned(project, names)
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
            Option(("--profile",), "start the services of this profile too", "P", repeat=True),
            SET,
            Option(("--no-log-prefix",), "output without the service's name before each line"),
            Option(("--timestamps",), "output with the time before each line"),
            Option(("--dry-run",), "tell what would be started, in which order"),
        ),
        outputs=("table", "json"),
    )
}
