"""Who is woken by a change, and what is known to move."""

import anyio
import pytest

from minimesh.supervise.board import Board
from minimesh.supervise.status import InstanceStatus, State

pytestmark = pytest.mark.anyio


async def woken(board: Board, *waits: str | None, by: InstanceStatus) -> set[str | None]:
    """Which of those that wait for these names a change wakes."""
    found: set[str | None] = set()

    async def wait(name: str | None) -> None:
        await board.changed(name)
        found.add(name)

    async with anyio.create_task_group() as group:
        for name in waits:
            group.start_soon(wait, name)
        await anyio.wait_all_tasks_blocked()
        board.publish(by)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    return found


async def test_a_change_wakes_those_who_wait_for_it_or_for_any() -> None:
    board = Board([InstanceStatus("web", 1), InstanceStatus("orders", 1)], lambda _: None)
    assert await woken(board, "web", "orders", None, by=InstanceStatus("orders", 1, state=State.READY)) == {
        "orders",
        None,
    }
    assert await woken(board, "orders", None, by=InstanceStatus("orders", 1, state=State.READY)) == set(), "no news"


async def test_other_instances_wake_everybody() -> None:
    board = Board([InstanceStatus("web", 1), InstanceStatus("orders", 1)], lambda _: None)
    over = anyio.Event()

    async def wait() -> None:
        await board.changed("orders")
        over.set()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        board.replace([InstanceStatus("web", 1)])
        with anyio.fail_after(5):
            await over.wait()


def test_what_moves() -> None:
    board = Board([InstanceStatus("web", 1), InstanceStatus("seed", 1, task=True)], lambda _: None)
    for status, moving in (
        (InstanceStatus("web", 1, state=State.STARTING), True),
        (InstanceStatus("web", 1, state=State.READY), False),
        (InstanceStatus("seed", 1, task=True, state=State.RUNNING), True),
        (InstanceStatus("web", 1, state=State.BACKOFF), True),
        (InstanceStatus("seed", 1, task=True, state=State.COMPLETED), True),
    ):
        board.publish(status)
        assert board.moving is moving, status
    board.replace([InstanceStatus("seed", 1, task=True, state=State.COMPLETED)])
    assert not board.moving
