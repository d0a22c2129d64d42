"""A task that is run and watched: how that ends where nothing can run."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from minimesh.control.journal import Journal
from minimesh.control.runs import run_task
from minimesh.testing.clock import VirtualClock

if TYPE_CHECKING:
    from minimesh.control.mesh import Mesh

pytestmark = pytest.mark.anyio


async def test_a_task_that_a_reload_removed_before_it_could_run_ends_at_once() -> None:
    clock = VirtualClock()
    mesh = SimpleNamespace(
        clock=clock,
        journal=Journal(clock),
        logs=SimpleNamespace(follow=lambda follower: lambda: None),
        at_end=lambda call: lambda: None,
        changes=SimpleNamespace(lock=anyio.Lock()),
        statuses=dict,
    )
    with anyio.fail_after(5):
        seen = [view async for view in run_task(cast("Mesh", mesh), "long")]
    assert seen == [{"ended": "stopped", "exit_code": None, "reason": "it is not in minimesh.toml any more"}]
