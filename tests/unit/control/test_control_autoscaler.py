"""The autoscaler at work: what becomes of a number that cannot be had."""

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from minimesh.control.autoscaler import Autoscaler
from minimesh.model.project import Project
from minimesh.model.service import Scale, Service
from minimesh.model.where import Where
from minimesh.spec.problem import Problem, SpecError
from minimesh.telemetry.counters import Counters
from minimesh.telemetry.windows import Windows

pytestmark = pytest.mark.anyio

PROJECT = Project(
    "shop",
    "shop.local",
    Path("/shop"),
    Path("/shop/minimesh.toml"),
    services={"orders": Service("orders", scale=Scale(2, 4, 10.0))},
)


async def test_a_number_that_cannot_be_had_is_asked_for_again_and_told_of_once() -> None:
    """An env file that is gone for a moment, say, must end nothing."""
    lost = [Problem("MM203", f"cannot read {name}", Where("minimesh.toml", 3)) for name in (".env", ".env", "b")]
    mistakes = [SpecError((problem,)) for problem in lost]
    asked: list[Mapping[str, int]] = []
    told: list[str] = []

    async def rescale(numbers: Mapping[str, int], why: str = "") -> None:
        asked.append(numbers)
        if mistakes:
            raise mistakes.pop(0)

    autoscaler = Autoscaler(lambda: PROJECT, Windows(Counters(), 0.0), rescale, told.append)
    async with anyio.create_task_group() as group:
        group.start_soon(autoscaler.run)
        for second in range(1, 5):
            autoscaler.beat(float(second))
            await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert asked == [{"orders": 2}] * 4
    assert told == [
        "orders keeps its replicas, whatever its load: minimesh.toml:3: cannot read .env",
        "orders keeps its replicas, whatever its load: minimesh.toml:3: cannot read b",
    ]
