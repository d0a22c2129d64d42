"""`minimesh ui` once it is known that there is a terminal and a mesh."""

import sys
from pathlib import Path

from minimesh_tui.api import Api
from minimesh_tui.app import MeshApp
from minimesh_tui.look import look


def run(root: Path, *, screen: str, read_only: bool, ascii_only: bool, colour: bool, file: Path | None = None) -> int:
    """Until it is left; the exit code. file: the minimesh.toml that was named."""
    named = ["--file", str(file)] if file else ["--project", str(root)]
    app = MeshApp(
        Api(root),
        root / ".minimesh",
        look(ascii_only, colour),
        [sys.executable, "-m", "minimesh", *named, "up", "-d"],
        start=screen,
        read_only=read_only,
    )
    app.run()
    return app.return_code or 0
