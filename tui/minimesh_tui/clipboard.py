"""Copying out of a terminal: OSC 52 where it is understood, and a file where nobody can tell."""

import base64
import os
from pathlib import Path

FILE = "copied.txt"


def sequence(text: str) -> str:
    """What asks the terminal to take the text into the clipboard; tmux passes it on where `set-clipboard` lets it."""
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return f"\x1b]52;c;{encoded}\x07"


def keep(folder: Path, text: str) -> Path | None:
    """Writes the text to a file of its owner's alone in the state folder; None where that cannot be."""
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
    except OSError:
        return None
    return path
