"""`minimesh up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, of_problem, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.plan import COLUMNS, Planned, planned
from minimesh.cli.project import SET, check_names, check_profiles, file_of, further_of, load
from minimesh.cli.screen import check_screen, show_screen
from minimesh.cli.values import duration

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from minimesh.control.report import UpOptions
    from minimesh.model.project import Project


PATIENCE = 60.0
"""Seconds until `-d` says what is not ready."""


class Asked(NamedTuple):
    """What of `up` is about this terminal, and not about the mesh."""

    attach: tuple[str, ...] = ()
    no_attach: tuple[str, ...] = ()
    exit_code_from: str | None = None
    abort_on_failure: bool = False
    no_log_prefix: bool = False
    timestamps: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """Services that have to be there."""
        leader = (self.exit_code_from,) if self.exit_code_from else ()
        return (*self.attach, *self.no_attach, *leader)


def up(
    context: Context,
    *,
    svc: tuple[str, ...],
    detach: bool,
    wait: bool,
    wait_timeout: float | None,
    no_deps: bool,
    dry_run: bool,
    ui: bool,
    overrides: tuple[str, ...],
    profile: tuple[str, ...],
    watch: bool,
    **terminal: Any,
) -> int:
    """Runs the mesh here until Ctrl-C, or starts it apart with -d, --wait or --ui."""
    asked = Asked(**terminal)
    apart = detach or wait or ui
    if wait_timeout is not None and not apart:
        raise usage("--wait-timeout goes with -d or --wait: here the command stays", "minimesh up -d --wait-timeout 90")
    if no_deps and not svc:
        raise usage("--no-deps needs the services to start", "minimesh up --no-deps web")
    if apart and asked != Asked():
        flags = " ".join(f"--{name.replace('_', '-')}" for name, value in asked._asdict().items() if value)
        raise usage(f"{flags} is about a mesh in this terminal, and with {'--ui' if ui else '-d'} it is not")
    if ui and not dry_run:
        check_screen()
    from minimesh.control.report import UpOptions  # noqa: PLC0415 - each way loads only what it needs

    file = file_of(context)
    options = UpOptions(
        file.parent,
        file,
        only=svc,
        further=further_of(context),
        overrides=overrides,
        profiles=profile,
        alone=no_deps,
        watch=watch,
    )
    if svc or profile or dry_run or apart or asked.named:
        project = load(context, overrides).project
        check_names(project, (*svc, *asked.named))
        check_profiles(project, profile)
        plan = _plan(options, project)  # says too what cannot be started
        _check_told(asked, project, [each.name for each in plan], svc)
        if dry_run:
            return _tell(context, plan)
    check_folder(file.parent)
    if not apart:
        return _here(context, options, asked)
    from minimesh.cli.apart import start_apart  # noqa: PLC0415

    code = start_apart(
        context, options, [each.name for each in plan], PATIENCE if wait_timeout is None else wait_timeout
    )
    return show_screen(context, file) if ui and code == Exit.OK else code


def _check_told(asked: Asked, project: Project, starting: Collection[str], svc: tuple[str, ...]) -> None:
    """Raises CommandError where the command would wait for, or show, what is not going to be there."""
    leader = (asked.exit_code_from,) if asked.exit_code_from else ()
    for flag, names in (("--exit-code-from", leader), ("--attach", asked.attach)):
        for name in names:
            if name not in starting:
                profiles = project.services[name].profiles if name in project.services else ()
                more = " ".join((*svc, name)) if svc else " ".join(f"--profile {each}" for each in profiles[:1])
                raise usage(f"{flag} {name}: {name} would not be started", f"minimesh up {flag} {name} {more}".rstrip())


def check_folder(root: Path) -> None:
    """Raises CommandError where no state can be kept: before anything is started that could not say so."""
    from minimesh.control.usable import hindrance  # noqa: PLC0415

    problem = hindrance(root)
    if problem is not None:
        raise of_problem(problem)


def _here(context: Context, options: UpOptions, asked: Asked) -> int:
    from minimesh.cli.apart import attach, running  # noqa: PLC0415
    from minimesh.cli.watch import Style  # noqa: PLC0415
    from minimesh.control import handover  # noqa: PLC0415

    style = Style(
        bare=asked.no_log_prefix,
        stamps=asked.timestamps,
        quiet=context.quiet,
        only=frozenset(asked.attach),
        hidden=frozenset(asked.no_attach),
    )
    if not handover.due() and running(context, options.root) is not None:
        if asked.exit_code_from or asked.abort_on_failure:
            flag = "--exit-code-from" if asked.exit_code_from else "--abort-on-failure"
            raise usage(f"{flag} ends a mesh that this command has started, but one runs here already", "minimesh down")
        return attach(context, options, style)
    from minimesh.cli.ending import Ending  # noqa: PLC0415
    from minimesh.cli.foreground import run_here  # noqa: PLC0415 - the whole mesh

    ending = Ending(options.root, leader=asked.exit_code_from, on_failure=asked.abort_on_failure, say=context.note)
    code = run_here(context, options, style, ending)
    return code or ending.code or Exit.OK


def _plan(options: UpOptions, project: Project) -> list[Planned]:
    """What would be started, in order. Raises SpecError where that needs what is off."""
    from minimesh.spec import starting  # noqa: PLC0415
    from minimesh.spec.alone import without_order  # noqa: PLC0415

    if options.alone:
        project = without_order(project, options.only)
    return planned(project, starting(project, options.only, options.profiles))


def _tell(context: Context, plan: list[Planned]) -> int:
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
            Option(("--wait-timeout",), "how long -d waits; default 60s", "TIME", duration),
            Option(("--no-deps",), "without what the named services depend on"),
            Option(("--profile",), "start the services of this profile too", "P", repeat=True),
            SET,
            Option(("--attach",), "show the output of this service only; may be repeated", "SVC", repeat=True),
            Option(("--no-attach",), "do not show the output of this one; may be repeated", "SVC", repeat=True),
            Option(("--exit-code-from",), "end with this service or task, and with its exit code", "SVC"),
            Option(("--abort-on-failure",), "end as soon as one fails, with its exit code"),
            Option(("--watch",), "reload when minimesh.toml or .env changes"),
            Option(("--no-log-prefix",), "output without the service's name before each line"),
            Option(("--timestamps",), "output with the time before each line"),
            Option(("--ui",), "-d, then minimesh ui; leaving it asks whether all goes on"),
            Option(("--dry-run",), "tell what would be started, in which order"),
        ),
        outputs=("table", "json"),
    )
}
