"""Five hundred certificates at once: under three seconds, and the loop goes on meanwhile. The best of three counts."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from random import Random

import anyio
import pytest

from minimesh.control import tune
from minimesh.control.certifier import begun
from minimesh.identity.trust import Trust
from minimesh.model.project import Gateway, Project
from minimesh.model.service import Service
from minimesh.store.database import opened
from minimesh.store.migrations import MIGRATIONS
from minimesh.testing.clock import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.alone]

SERVICES = 500
TRIES = 3
TICK = 0.001


async def _lags(stop: anyio.Event, found: list[float]) -> None:
    """How late the loop is, looked at a thousand times a second."""
    while not stop.is_set():
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        found.append(time.perf_counter() - due)


async def test_five_hundred_are_renewed_without_the_loop_standing_still(tmp_path: Path) -> None:
    tune.tune_process()
    few = Project("shop", "shop.mesh", tmp_path, tmp_path / "minimesh.toml", gateway=Gateway())
    many = replace(few, services={f"s{number}": Service(f"s{number}") for number in range(SERVICES)})
    store = opened(tmp_path / "state.db", MIGRATIONS)
    clock = VirtualClock()
    best: tuple[float, float] = (float("inf"), float("inf"))
    try:
        it = await begun(Trust("shop.mesh"), store, tmp_path / "ca", many, clock, Random(1))
        for _ in range(TRIES):
            clock.advance(13 * 3600)
            before = set(it.trust.contents.svids.values())
            stop, lags = anyio.Event(), list[float]()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_lags, stop, lags)
                began = time.perf_counter()
                await it.beat()
                took = time.perf_counter() - began
                stop.set()
            assert not before & set(it.trust.contents.svids.values())
            assert len(it.trust.contents.svids) == SERVICES + 1
            p999 = sorted(lags)[int(len(lags) * 0.999)]
            best = min(best, (p999, took))
    finally:
        store.close()
    p999, took = best
    print(f"{SERVICES} renewed in {took:.2f} s, loop lag p99.9 {p999 * 1e3:.1f} ms")
    assert took < 3
    assert p999 < 0.020
