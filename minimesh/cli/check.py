"""`minimesh validate` and `version`."""

from __future__ import annotations

import platform

from minimesh import __version__
from minimesh.cli.context import Context
from minimesh.cli.errors import Exit, write_problems
from minimesh.cli.options import Command
from minimesh.cli.project import SET, load, summary
from minimesh.cli.rescue import tell
from minimesh.cli.text import plural


def validate(context: Context, *, overrides: tuple[str, ...]) -> int:
    """Loads the file as `up` would; mistakes are told by whoever called."""
    loaded = load(context, overrides)
    project = loaded.project
    warnings = tell(loaded.warnings, context.err.width)
    if context.json:
        context.object(
            {
                "file": str(project.file),
                "project": project.name,
                "services": [*project.services],
                "tasks": [*project.tasks],
                "warnings": [warning.facts for warning in warnings],
            }
        )
    else:
        write_problems(warnings, context.err)
        context.out.line(f"ok  {project.file.name}: {summary(project)}, {plural(len(warnings), 'warning')}")
    return Exit.OK


def version(context: Context) -> int:
    if context.json:
        facts = {"version": __version__, "python": platform.python_version(), "platform": platform.system().lower()}
        context.object(facts)
    else:
        context.out.line(f"minimesh {__version__}")
    context.detail(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    return Exit.OK


COMMANDS: dict[str, Command] = {
    "validate": Command(
        validate,
        "Read minimesh.toml and tell every mistake in it, with its line. Exit code 2 if there is one.",
        (
            ("minimesh validate", "the file that `minimesh up` would use"),
            ("minimesh validate -f minimesh.toml -f staging.toml --json", "with another file merged in, for a script"),
        ),
        options=(SET,),
        outputs=("table", "json"),
    ),
    "version": Command(
        version,
        "Which minimesh this is; with --verbose, on which Python and system.",
        (("minimesh version", "a line"), ("minimesh version --json", "for a script")),
        outputs=("table", "json"),
    ),
}
