"""Who may get traffic: tells the data plane the replicas that are ready, with each change of one."""

import asyncio
from collections.abc import Collection, Iterable

import anyio

from minimesh.control.change import Replica
from minimesh.control.compile import address_endpoint, compile_snapshot, replica_endpoint, with_api, with_endpoints
from minimesh.control.layout import takes_calls
from minimesh.control.names import Names
from minimesh.control.world import World
from minimesh.dataplane import DataPlane
from minimesh.model.address import Dialable
from minimesh.model.clock import Clock
from minimesh.model.snapshot import Endpoint, Snapshot
from minimesh.model.transcoding import Api
from minimesh.supervise.status import InstanceStatus

LOOK_EVERY = 0.02


class Serving:
    """Owns the snapshot of the running mesh."""

    def __init__(self, world: World, snapshot: Snapshot, plane: DataPlane, clock: Clock) -> None:
        self.snapshot = snapshot
        self.names = Names(_elsewhere(world), self.refresh)
        self._world = world
        self._plane = plane
        self._clock = clock
        self._ready: set[Replica] = set()
        self._leaving: frozenset[Replica] = frozenset()
        self._changed: set[str] = set()
        self._over = False
        self._apis: dict[str, Api] = {}

    def go_on(self, statuses: Iterable[InstanceStatus]) -> None:
        """These are in the snapshot already."""
        self._ready = {(status.name, status.replica) for status in statuses if status.serving}

    def note(self, status: InstanceStatus) -> None:
        """The new status of a replica."""
        replica = (status.name, status.replica)
        if (replica in self._ready) != status.serving:
            (self._ready.add if status.serving else self._ready.discard)(replica)
            self.refresh(status.name)

    def refresh(self, name: str) -> None:
        """The endpoints of a service are those of its replicas that are ready.

        Applied once for all that changes in a turn of the loop, and so before any request that comes of it.
        """
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._apply_changed)
        self._changed.add(name)

    def change(self, world: World, leaving: Collection[Replica]) -> None:
        """Another world; `leaving` get no new exchange until `leave_nobody`. Raises ListenError, changing nothing."""
        before = self._world, self._leaving
        self._world, self._leaving = world, frozenset(leaving)
        endpoints = {name: self._endpoints(name) for name in world.project.services}
        try:
            generation = self.snapshot.generation + 1
            self.apply(compile_snapshot(world.project, world.layout, endpoints, generation, self._apis))
        except BaseException:
            self._world, self._leaving = before
            raise
        self.names.take(_elsewhere(world))

    def learn(self, name: str, api: Api) -> None:
        """A service has told what it can be asked."""
        upstream = self.snapshot.upstreams.get(name)
        if self._over or upstream is None or upstream.transcoding is None or self._apis.get(name) == api:
            return
        self._apis[name] = api
        self.apply(with_api(self.snapshot, name, api))

    def leave_nobody(self, gone: Collection[Replica]) -> None:
        """Those that were leaving have been stopped, and `gone` of them are no part of this world."""
        leaving, self._leaving = self._leaving, frozenset()
        self._ready.difference_update(gone)
        for name in {name for name, _ in leaving}:
            self.refresh(name)

    async def quiet(self, replicas: Collection[Replica], within: float) -> None:
        """Returns when no exchange is under way at any of these, or after `within` seconds."""
        until = self._clock.monotonic() + within
        # Polled: an exchange has no time to tell anybody that it has ended.
        while self._clock.monotonic() < until and any(self._active(*each) for each in replicas):  # noqa: ASYNC110
            await anyio.sleep(LOOK_EVERY)

    def apply(self, snapshot: Snapshot) -> None:
        self._plane.apply(snapshot)
        self.snapshot = snapshot

    def end(self) -> None:
        """No change of a replica matters any more."""
        self._over = True

    def _active(self, name: str, replica: int) -> int:
        return self._plane.active(name, f"{name}-{replica}")

    def _apply_changed(self) -> None:
        names, self._changed = self._changed, set()
        changed = {name: self._endpoints(name) for name in names if name in self.snapshot.upstreams}
        if changed and not self._over:
            self.apply(with_endpoints(self.snapshot, changed))

    def _endpoints(self, name: str) -> list[Endpoint]:
        service = self._world.project.services.get(name)
        if service is None or not takes_calls(service):
            return []
        replicas = [(name, number) for number in range(1, service.replicas + 1)]
        serving = [each for each in replicas if each in self._ready and each not in self._leaving]
        if service.addresses:
            return [address_endpoint(address) for address in self.names.literal(service.addresses)] if serving else []
        return [replica_endpoint(*each, self._world.layout.replicas[each]) for each in serving]


def _elsewhere(world: World) -> dict[str, tuple[Dialable, ...]]:
    return {each.name: each.addresses for each in world.project.services.values() if each.addresses}
