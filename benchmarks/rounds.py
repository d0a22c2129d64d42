"""Rounds: each contender in turn, again and again, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypedDict

from measure import Round, tree
from say import say

WARM_UP = 1  # seconds, not counted


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """`roots`: the processes that were started for it; what they start in turn counts too."""

    name: str
    url: str
    roots: tuple[int, ...]

    @property
    def pids(self) -> list[int]:
        return [pid for root in self.roots for pid in tree(root)]


class Figure(TypedDict):
    """One figure of a results file: for each contender its rounds, oldest first. `base`: whom the ratios are to."""

    title: str
    hop: str
    base: str
    rounds: dict[str, list[Round]]


def alternate(
    contenders: Sequence[Contender], count: int, measure: Callable[[Contender], Round], tell: Callable[[Round], str]
) -> dict[str, list[Round]]:
    """`count` rounds of everybody in turn. `tell`: one result in a few words, for progress."""
    results: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
    for number in range(1, count + 1):
        for contender in contenders:
            result = measure(contender)
            results[contender.name].append(result)
            say(f"round {number}/{count}  {contender.name:16} {tell(result)}")
    return results
