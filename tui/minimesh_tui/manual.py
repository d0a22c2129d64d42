"""The table of keys as docs/ui.md has it; `python -m minimesh_tui.manual` prints it."""

from minimesh_tui.keys import EVERYWHERE, KEYS


def key_table() -> str:
    """Markdown."""
    lines = ["| Key | On | What it does |", "|---|---|---|"]
    for key in KEYS:
        if key.shown:
            where = "all screens" if key.screens == EVERYWHERE else ", ".join(key.screens)
            shown = " ".join(f"`{part}`" for part in key.shown.split())
            lines.append(f"| {shown} | {where} | {key.about} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(key_table(), end="")
