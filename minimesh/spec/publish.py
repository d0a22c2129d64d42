"""Writes what is made of the tables into the files of this repository: `make config`."""

import json
from collections.abc import Iterator
from pathlib import Path

from minimesh.spec.entries import entries
from minimesh.spec.jsonschema import document
from minimesh.spec.reference import reference

BEGIN, END = "<!-- keys: made by `make config` -->\n", "<!-- end of keys -->\n"


def published(root: Path) -> dict[Path, str]:
    """The text of each file that is made, whole or in part, of the tables."""
    page = root / "docs/configuration.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return {
        root / "config/minimesh.schema.json": schema(),
        root / "config/minimesh.toml": reference(),
        page: f"{before}{BEGIN}\n{''.join(table())}\n{END}{after}",
    }


def schema() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def table() -> Iterator[str]:
    """The keys that are built, as a table in Markdown."""
    yield "| key | takes | default | meaning |\n|---|---|---|---|\n"
    for entry in entries():
        if entry.key:
            default = f"`{entry.key.default}`" if entry.key.default else "required" if entry.key.required else ""
            cells = (f"`{entry.dotted}`", entry.key.kind.noun, default, entry.key.doc)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def main() -> None:
    for file, text in published(Path.cwd()).items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
