"""`minimesh ui`: the live screens, a process of their own."""

from __future__ import annotations

from pathlib import Path

from minimesh.cli.context import Context
from minimesh.cli.errors import usage
from minimesh.cli.options import Command, Option
from minimesh.cli.screen import has_screen
from minimesh.cli.values import choice

SCREENS = {"2": "services", "4": "logs"}


def ui(context: Context, *, screen: str, read_only: bool, ascii: bool) -> int:  # noqa: A002 - the option's name
    """Until it is left. `screen`: its number."""
    if not has_screen():
        raise usage("ui needs a terminal, for input, output and errors", "minimesh stat -w")
    context.get("/v1/mesh")
    from minimesh_tui.start import run  # noqa: PLC0415 - loads the terminal library, which no other command needs

    root = context.root()
    named = root / Path(context.file).name if context.file is not None else None
    return run(
        root, screen=SCREENS[screen], read_only=read_only, ascii_only=ascii, colour=context.out.colour, file=named
    )


COMMANDS: dict[str, Command] = {
    "ui": Command(
        ui,
        "Live screens of the running mesh: services and logs. `?` tells the keys. Leaving it leaves the mesh\n"
        "as it is.",
        (
            ("minimesh ui --screen 4", "begin with the logs"),
            ("minimesh ui --read-only", "look, and refuse to restart or stop anything"),
        ),
        options=(
            Option(("--screen",), "2 services or 4 logs; default 2", "N", choice(*SCREENS), default="2"),
            Option(("--read-only",), "refuse every key that changes something"),
            Option(("--ascii",), "draw with plain characters"),
        ),
        outputs=("table",),
    )
}
