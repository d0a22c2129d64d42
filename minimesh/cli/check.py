"""`minimesh validate`, `explain` and `version`."""

from __future__ import annotations

import platform

from minimesh import __version__
from minimesh.cli.codes import CODES
from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, coloured
from minimesh.cli.options import Argument, Command
from minimesh.cli.project import SET, load, summary
from minimesh.cli.rescue import tell
from minimesh.cli.text import nearest, plural


def validate(context: Context, *, overrides: tuple[str, ...]) -> int:
    """Loads the file as `up` would; mistakes are told by whoever called."""
    loaded = load(context, overrides)
    project = loaded.project
    warnings = tell(loaded.warnings)
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
        for warning in warnings:
            context.err.line(coloured(warning.text, context.err))
        context.out.line(f"ok  {project.file.name}: {summary(project)}, {plural(len(warnings), 'warning')}")
    return Exit.OK


def explain(context: Context, *, code: str) -> int:
    """Offline; an unknown code is a usage error with the nearest known one."""
    topics = explanations()
    topic = f"MM{code[2:]:0>3}" if code[:2].upper() == "MM" else code.lower().replace("-", "_")
    if topic not in topics:
        guess = nearest(topic, topics)
        meant = f"; did you mean {guess}?" if guess else ""
        raise CommandError(
            "MM410",
            f"nothing is known as {code!r}{meant}",
            exit_code=Exit.USAGE,
            help=f"minimesh explain {guess or 'MM401'}",
        )
    if context.json:
        context.object({"code": topic, "text": topics[topic]})
    else:
        context.out.line(f"{topic}: {topics[topic]}")
    return Exit.OK


def explanations() -> dict[str, str]:
    """Everything that can be explained: errors of the file, of the mesh and of the commands, and reasons."""
    from minimesh.control.codes import explain as of_the_mesh  # noqa: PLC0415 - for explain alone
    from minimesh.model.reason import REASONS  # noqa: PLC0415
    from minimesh.spec import explain as of_the_file  # noqa: PLC0415

    who = {"app": "the service", "client": "the caller", "mesh": "minimesh itself"}
    reasons = {
        code: f"{reason.title.format(service='the service')}\n\n"
        f"An answer with status {reason.status} that the mesh made, not the service. Whoever has to do something\n"
        f"about it is {who[reason.fault]}."
        for code, reason in REASONS.items()
    }
    commands = {code: f"{topic.title}\n\n{topic.text}" for code, topic in CODES.items()}
    return {**of_the_file, **of_the_mesh, **commands, **reasons}


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
    "explain": Command(
        explain,
        "What an error code or a reason means, and what to do about it. Works offline.",
        (
            ("minimesh explain MM002", "the code of an error"),
            ("minimesh explain upstream_refused", "the reason of an answer that the mesh made"),
        ),
        (Argument("CODE", "MMnnn, or a reason"),),
        outputs=("table", "json"),
    ),
    "version": Command(
        version,
        "Which minimesh this is; with --verbose, on which Python and system.",
        (("minimesh version", "a line"), ("minimesh version --json", "for a script")),
        outputs=("table", "json"),
    ),
}
