"""Asks the services that are known by reflection what they can be asked: when they become ready, and each time anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from minimesh.dataplane import DataPlane
from minimesh.dataplane.owncall import CallFailed
from minimesh.model.project import Project
from minimesh.model.transcoding import Api
from minimesh.supervise.status import InstanceStatus

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

PATIENCE = 10.0
"""Seconds for all that is asked of a service at once."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Reflecting:
    """learn: gets what a service told. tell: what is for people to know."""

    def __init__(
        self,
        plane: DataPlane,
        project: Callable[[], Project],
        learn: Callable[[str, Api], None],
        tell: Callable[[str], None],
    ) -> None:
        self._plane = plane
        self._project = project
        self._learn = learn
        self._tell = tell
        self._ready: set[tuple[str, int]] = set()
        self._due: set[str] = set()
        self._asked: set[str] = set()
        self._asking: dict[str, anyio.CancelScope] = {}
        self._wake = anyio.Event()

    def note(self, status: InstanceStatus) -> None:
        """The new status of a replica."""
        replica = (status.name, status.replica)
        if not status.serving:
            self._ready.discard(replica)
        elif replica not in self._ready:
            self._ready.add(replica)
            self._want(status.name)

    def take(self) -> None:
        """The project is another one."""
        for name in {name for name, _ in self._ready}:
            if name not in self._asked:
                self._want(name)

    def _want(self, name: str) -> None:
        if self._is_meant(name):
            self._due.add(name)
            self._wake.set()
        else:
            self._asked.discard(name)

    def _is_meant(self, name: str) -> bool:
        service = self._project().services.get(name)
        return service is not None and service.transcode is not None and service.transcode.descriptors is None

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                due, self._due = self._due, set()
                for name in due:
                    self._begin(tasks, name)

    def _begin(self, tasks: TaskGroup, name: str) -> None:
        """Whoever asks the same service already asked one that was another."""
        if name in self._asking:
            self._asking[name].cancel()
        self._asked.add(name)
        self._asking[name] = scope = anyio.CancelScope()
        tasks.start_soon(self._ask, name, scope)

    async def _ask(self, name: str, scope: anyio.CancelScope) -> None:
        """Until it has told, or there is nobody who could."""
        pause, before = FIRST_PAUSE, ""
        with scope:
            while self._is_meant(name) and any(name == ready for ready, _ in self._ready):
                failure = await self._try(name)
                if not failure:
                    break
                if failure != before:
                    self._tell(f"{name} does not tell by reflection what it can be asked as REST: {failure}")
                before = failure
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        if self._asking.get(name) is scope:
            del self._asking[name]

    async def _try(self, name: str) -> str:
        """Why it did not work; "" where it did."""
        from minimesh.control.reflection import reflect  # noqa: PLC0415 - protobuf, for who asks for it alone
        from minimesh.spec.annotations import ApiError, read_api  # noqa: PLC0415

        try:
            with anyio.fail_after(PATIENCE):
                data = await reflect(partial(self._plane.call, name))
            api, warnings = await to_thread.run_sync(read_api, data)
        except TimeoutError:
            return f"no whole answer in {PATIENCE:g} s"
        except (CallFailed, ApiError) as error:
            return str(error.mistakes[0] if isinstance(error, ApiError) else error)
        except Exception as error:  # noqa: BLE001 - what a service says of itself must not end the mesh
            return f"what it tells cannot be read: {type(error).__name__}: {error}"
        for warning in warnings:
            self._tell(f"{name}: {warning}")
        self._learn(name, api)
        return ""
