"""What a results file holds, and what is computed from it: medians, and ratios round by round."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TypedDict

from rounds import Figure


class Part(TypedDict):
    """`at`: ISO 8601, UTC. `load`: the machine's load average before it. `commit`: of the source."""

    at: str
    seconds: int
    load: float
    commit: str
    figures: dict[str, Figure]


class Results(TypedDict):
    format: int
    machine: dict[str, str]
    parts: dict[str, Part]


def read(file: Path) -> Results:
    results: Results = json.loads(file.read_text())
    return results


def newest(folder: Path) -> Path | None:
    """Files are named by their date."""
    return max(folder.glob("????-??-??.json"), default=None)


def median(figure: Figure, row: str, metric: str) -> float:
    return statistics.median(values(figure, row, metric))


def worst(figure: Figure, row: str, metric: str) -> float:
    return max(values(figure, row, metric))


def ratio(figure: Figure, row: str, metric: str, base: str = "") -> float:
    """The median of the rounds' ratios to the base's value in the same round, so that a drift cancels out."""
    pairs = zip(values(figure, row, metric), values(figure, base or figure["base"], metric), strict=True)
    return statistics.median(one / other if other else float("inf") for one, other in pairs)


def values(figure: Figure, row: str, metric: str) -> list[float]:
    return [each[metric] for each in figure["rounds"][row]]
