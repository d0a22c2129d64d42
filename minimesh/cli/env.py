"""`minimesh env`: what the mesh adds to a service's environment."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.values import choice

if TYPE_CHECKING:
    from minimesh.control.views import EnvView


def env(context: Context, *, svc: str, format: str | None) -> int:  # noqa: A002 - the option's name
    """Assignments in one of three formats, and nothing else."""
    from minimesh.control.client import segment  # noqa: PLC0415 - the client costs 60 ms

    view: EnvView = context.get(f"/v1/services/{segment(svc)}/env")
    variables = view["mesh_env"]
    match format or ("json" if context.json else "sh"):
        case "json":
            context.out.line(json.dumps(variables, indent=2))
        case "dotenv":
            for name, value in variables.items():
                context.out.line(f"{name}={dotenv(value)}")
        case _:
            for name, value in variables.items():
                context.out.line(f"export {name}={quote(value)}")
    return Exit.OK


def dotenv(value: str) -> str:
    """A value for a .env file: bare where that is safe, else in quotes with escapes."""
    if value and all(character.isalnum() or character in "_-.:/@%+,=" for character in value):
        return value
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n").replace("\r", "\\r")
    )
    return f'"{escaped}"'


COMMANDS: dict[str, Command] = {
    "env": Command(
        env,
        "The variables that the mesh gives a service: its port, and the address of each service that it\n"
        "may call. Prints nothing else, so that a shell can read it.",
        (
            ('eval "$(minimesh env web)"', "this shell calls as web: curl $ORDERS_URL"),
            ("minimesh env web --format dotenv > .env.mesh", "for a program that reads such a file"),
        ),
        (Argument("SVC", "a service or task"),),
        (Option(("--format",), "sh, dotenv or json; default sh", "FORMAT", choice("sh", "dotenv", "json")),),
        outputs=("table", "json"),
    )
}
