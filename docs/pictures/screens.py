"""Draw the pictures of the live screens, out of the made-up shop of their tests: `python docs/pictures/screens.py`."""

import os
import re
import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from textual.pilot import Pilot

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from terminal import picture  # noqa: E402 - neither is installed

from minimesh_tui.app import MeshApp  # noqa: E402
from tests.tui.stage import Play, drive, pressed, settled  # noqa: E402

MOVES = re.compile(r"\x1b\[[0-9;]*[A-Za-ln-z]")
"""Escapes that are not colours."""
PICTURES = {
    "services": ((120, 28), ("o",)),
    "logs": ((120, 17), ("4", "slash", *"keyerror", "enter")),
}
"""Lines and columns, and what is pressed."""


def escapes(screen: MeshApp) -> str:
    """What a terminal of sixteen colours is sent."""
    out = StringIO()
    width, height = screen.size
    console = Console(width=width, height=height, file=out, force_terminal=True, color_system="standard")
    update = screen.screen._compositor.render_update(full=True, screen_stack=screen._background_screens)
    console.print(update, end="")
    return MOVES.sub("", out.getvalue())


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    for name, (size, keys) in PICTURES.items():

        async def draw(pilot: Pilot[None], screen: MeshApp, name: str = name, keys: tuple[str, ...] = keys) -> None:
            await pressed(*keys)(pilot, screen)
            await settled(pilot)
            (HERE / f"ui-{name}.svg").write_text(picture(escapes(screen), f"minimesh ui: {name}"), encoding="utf-8")

        drive(draw, Play(), size)


if __name__ == "__main__":
    main()
