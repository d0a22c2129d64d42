"""Tasks that run once, or when something has changed."""

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from minimesh.model.service import Condition, When
from minimesh.supervise.status import State
from minimesh.supervise.turns import Turns

if TYPE_CHECKING:
    from tests.integration.supervise.conftest import Stage

pytestmark = pytest.mark.anyio


async def test_a_task_runs_again_when_what_it_was_made_from_has_changed(stage: "Stage") -> None:
    file = anyio.Path(stage.folder / "schema.sql")
    await file.write_text("create")
    source = "print('ran')"
    task = stage.program("migrate", source, task=True)
    task = replace(task, when=When(always=False, changed=("*.sql",), root=stage.folder), recipe=(source,))
    web = stage.program("web", stage.SLEEPER, "migrate", condition=Condition.STARTED)

    async def up() -> str:
        stage.turns = Turns(stage.folder / "tasks.json")
        async with stage.supervise(task, web):
            await stage.settled()
            assert stage.of("migrate").state is State.COMPLETED
            assert stage.of("web").state is State.RUNNING
            return stage.of("migrate").reason

    assert await up() == ""
    assert (await up()).startswith("not run: unchanged since 20")
    assert stage.said("migrate") == ["ran"]
    await file.write_text("create more")
    assert await up() == ""
    assert stage.said("migrate") == ["ran"] * 2


async def start_again(stage: "Stage", *, anew: bool) -> None:
    await stage.supervisor.stop("seed")  # returns when its last life is over, however it ended
    await stage.supervisor.start("seed", anew=anew)


async def test_a_task_that_is_started_by_name_runs_always(stage: "Stage") -> None:
    task = replace(stage.program("seed", "print('ran')", task=True), when=When(always=False, root=stage.folder))
    stage.turns = Turns(stage.folder / "tasks.json")
    async with stage.supervise(task):
        await stage.settled()
        await start_again(stage, anew=False)
        await stage.until(lambda: stage.of("seed").reason.startswith("not run: completed on 20"))
        await start_again(stage, anew=True)
        await stage.until(lambda: stage.said("seed") == ["ran"] * 2)
        await stage.until(lambda: stage.of("seed").state is State.COMPLETED)


async def test_one_that_failed_has_its_turn_again(stage: "Stage") -> None:
    task = replace(stage.program("seed", "raise SystemExit(3)", task=True), when=When(always=False, root=stage.folder))
    stage.turns = Turns(stage.folder / "tasks.json")
    async with stage.supervise(task):
        await stage.settled()
        assert stage.of("seed").state is State.FAILED
        await start_again(stage, anew=False)
        await stage.until(lambda: len(stage.said("seed", "mesh")) == 2)
        assert stage.of("seed").reason == "exit 3"
