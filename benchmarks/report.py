"""Writes docs/performance.md and its pictures from a results file.

python benchmarks/report.py [FILE]          default: the newest of benchmarks/results
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pictures import pictures
from results import Results, newest, read
from tables import goals, machine_table, section
from text import INTRODUCTION, LIMITS, METHOD, SECTIONS

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/performance.md and its pictures.")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the newest of benchmarks/results")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to (default: docs)")
    options = parser.parse_args()
    file: Path | None = options.file or newest(HERE / "results")
    if file is None:
        print("error: no results; run `python benchmarks/run.py` first", file=sys.stderr)
        return 1
    results = read(file)
    for path in write(results, options.docs):
        print(path)
    return 0


def write(results: Results, docs: Path) -> Iterator[Path]:
    """Each file that was written."""
    drawn = pictures(results)
    (docs / "pictures").mkdir(parents=True, exist_ok=True)
    for name, picture in drawn.items():
        path = docs / "pictures" / f"{name}.svg"
        path.write_text(picture)
        yield path
    path = docs / "performance.md"
    path.write_text(page(results, set(drawn)))
    yield path


def page(results: Results, drawn: set[str]) -> str:
    sections = [
        section(text, results["parts"][name], name in drawn and f"pictures/{name}.svg")
        for name, text in SECTIONS.items()
        if name in results["parts"]
    ]
    return "\n\n".join((INTRODUCTION, goals(results), *sections, METHOD, machine_table(results), LIMITS)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
