"""The running mesh: owns data plane, supervisor, telemetry and what is known of them, from start to stop."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import anyio

from minimesh.control.accesswriter import AccessWriter
from minimesh.control.bypass import Bypass, Bypasses
from minimesh.control.compile import (
    address_endpoint,
    compile_snapshot,
    replica_endpoint,
    with_endpoints,
    without_gateway,
)
from minimesh.control.failing import given_up
from minimesh.control.journal import MESH, Journal, message_of
from minimesh.control.layout import Layout, takes_calls
from minimesh.control.names import Names
from minimesh.control.paths import StateFolder
from minimesh.control.pulse import Pulse
from minimesh.control.report import LogLine, Note, Ready, Reporter, ServiceEvent, Stopped, Stopping, Trouble
from minimesh.control.tune import Collector
from minimesh.control.views import MeshState
from minimesh.dataplane import Codec, DataPlane
from minimesh.model.clock import Clock
from minimesh.model.project import GATEWAY, Project
from minimesh.model.snapshot import Endpoint, Snapshot
from minimesh.supervise import logs, order
from minimesh.supervise.program import Program
from minimesh.supervise.runfile import Run
from minimesh.supervise.status import InstanceStatus, State
from minimesh.supervise.supervisor import Supervisor
from minimesh.supervise.turns import Turns
from minimesh.telemetry import Telemetry
from minimesh.telemetry.windows import Windows

GATEWAY_PATIENCE = 2.0
"""Seconds that exchanges of the gateway have to finish before the services are told to stop."""
LAST_PATIENCE = 0.5
"""Seconds for what is still under way when all services have stopped."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is settled before the start. start: the names to start. descriptors: soft limit of children."""

    project: Project
    folder: StateFolder
    layout: Layout
    programs: Sequence[Program]
    start: frozenset[str]
    run: Run
    warnings: tuple[str, ...] = ()
    descriptors: int | None = None


class Mesh:
    """Make it on its loop, with a data plane that listens already; then `run`."""

    def __init__(
        self,
        prepared: Prepared,
        snapshot: Snapshot,
        plane: DataPlane,
        telemetry: Telemetry,
        codec: Codec,
        clock: Clock,
        report: Reporter,
    ) -> None:
        self.prepared = prepared
        self.project = prepared.project
        self.layout = prepared.layout
        self.snapshot = snapshot
        self.plane = plane
        self.telemetry = telemetry
        self.codec = codec
        self.clock = clock
        self.state: MeshState = "starting"
        self.began = clock.monotonic()
        self.windows = Windows(telemetry.counters, self.began)
        self.journal = Journal(clock)
        self.collector = Collector()
        self.pulse = Pulse(asyncio.get_running_loop(), clock, self._beat)
        self.logs = logs.Logs(prepared.folder.logs, self.project.logs, clock)
        self.turns = Turns(prepared.folder.tasks)
        self.supervisor = Supervisor(
            prepared.programs,
            run_id=prepared.run.run_id,
            logs=self.logs,
            clock=clock,
            rng=Random(),
            on_change=self._on_change,
            descriptors=prepared.descriptors,
            turns=self.turns,
            leaders=prepared.folder.leaders,
        )
        elsewhere = {each.name: each.addresses for each in self.project.services.values() if each.addresses}
        self.names = Names(elsewhere, self._refresh)
        self.bypasses = Bypasses(prepared.run.run_id, self._called_replicas, self._tell_bypass)
        self.ended = anyio.Event()
        self._full: frozenset[str] = frozenset()
        self._at_end: list[Callable[[], None]] = []
        self._report = report
        self._known: dict[tuple[str, int], InstanceStatus] = {}
        self._changed: set[str] = set()
        self._stop_wanted = anyio.Event()
        self._hurry = False
        self._within: float | None = None
        self._served = 0

    async def run(self) -> None:
        """Starts the services and returns when the mesh has stopped: see `stop`."""
        async with AsyncExitStack() as stack:
            stack.callback(self.logs.close)
            stack.callback(self.plane.close)
            stack.callback(self.collector.close)
            await stack.enter_async_context(self.supervisor)
            stack.callback(self.logs.follow(self._on_output))
            self.pulse.start()
            stack.callback(self.pulse.stop)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.names.keep_fresh)
                tasks.start_soon(self.bypasses.watch)
                if (log := self.project.access_log) is not None:
                    writer = AccessWriter(log, self.project.logs, self.telemetry.ring, self.note)
                    tasks.start_soon(writer.run)
                tasks.start_soon(self._start)
                await self._stop_wanted.wait()
                await self._stop()
                tasks.cancel_scope.cancel()

    def stop(self, within: float | None = None) -> None:
        """Ask for the stop; at once, and once more does nothing. within: seconds, instead of each service's own."""
        if not self._stop_wanted.is_set():
            self._within = within
            self._stop_wanted.set()

    def kill(self) -> None:
        """Ask for the stop, and do not wait for anybody."""
        self.stop(0.0)
        self._hurry = True
        self.supervisor.kill()

    def at_end(self, call: Callable[[], None]) -> Callable[[], None]:
        """Calls when the mesh has stopped, at once if it has; returns what takes that back."""
        if self.ended.is_set():
            call()
        self._at_end.append(call)
        return lambda: self._at_end.remove(call)

    @property
    def stopping(self) -> bool:
        return self._stop_wanted.is_set()

    def statuses(self) -> dict[str, list[InstanceStatus]]:
        """Of all replicas and tasks, by name, in the order of the file."""
        found: dict[str, list[InstanceStatus]] = {}
        for status in self.supervisor.status():
            found.setdefault(status.name, []).append(status)
        return found

    def note(self, message: str) -> None:
        self.journal.add(MESH, "note", message)
        self._report(Note(message))

    async def _start(self) -> None:
        self.journal.add(MESH, "starting", f"starting {len(self.prepared.start)} services and tasks")
        if self.turns.trouble:
            self.note(self.turns.trouble)
        if self.prepared.start == self.statuses().keys():
            self.supervisor.start_all()
        else:
            for name in self.prepared.start:
                await self.supervisor.start(name, anew=False)
        await self.supervisor.settled()
        if self.stopping:
            return
        self.state = "ready"
        self.collector.take_over(self.clock.monotonic())
        seconds = self.clock.monotonic() - self.began
        failed = tuple(sorted({status.name for status in self.supervisor.status() if self._is_missing(status)}))
        self.journal.add(MESH, "ready", f"without {', '.join(failed)}" if failed else f"ready in {seconds:.1f} s")
        self._report(Ready(seconds, self.gateway_url, failed))

    @property
    def gateway_url(self) -> str | None:
        """For a browser on this machine."""
        address = self.layout.gateway
        if address is None:
            return None
        return f"http://localhost:{address.port}" if address.host == "127.0.0.1" else address.url

    def _is_missing(self, status: InstanceStatus) -> bool:
        return status.name in self.prepared.start and not status.good

    async def _stop(self) -> None:
        """Nothing new comes in; what runs may finish; services stop, dependants first; then the rest."""
        self.state = "stopping"
        began = self.clock.monotonic()
        running = self._running_dependants_first()
        self.journal.add(MESH, "stopping", f"stopping {', '.join(running) or 'with no service running'}")
        self._report(Stopping(running))
        self._apply(without_gateway(self.snapshot))
        await self._gateway_is_quiet(GATEWAY_PATIENCE if self._within is None else min(self._within, GATEWAY_PATIENCE))
        left = await self.supervisor.stop_all(self._within)
        cut = await self.plane.drain(LAST_PATIENCE)
        seconds = self.clock.monotonic() - began
        self.journal.add(MESH, "stopped", f"stopped {len(running)} in {seconds:.1f} s, {len(left)} processes left")
        self._report(Stopped(len(running), seconds, len(left), cut))
        self.ended.set()
        for call in tuple(self._at_end):
            call()

    def _running_dependants_first(self) -> tuple[str, ...]:
        running = {status.name for status in self.supervisor.status() if status.pid is not None}
        needs = {each.name: [other.name for other in each.depends_on] for each in self.prepared.programs}
        return tuple(name for level in reversed(order.levels(needs)) for name in level if name in running)

    async def _gateway_is_quiet(self, within: float) -> None:
        until = self.clock.monotonic() + within
        # Polled: an exchange has no time to tell anybody that it has ended.
        while self._active_at_gateway() and not self._hurry and self.clock.monotonic() < until:  # noqa: ASYNC110
            await anyio.sleep(0.02)

    def _active_at_gateway(self) -> int:
        return sum(each.active for each in self.telemetry.counters.all() if each.key.source == GATEWAY)

    def _beat(self, now: float) -> None:
        """Once a second."""
        self.windows.tick(now)
        self._tell_full(self.plane.full())
        served, self._served = self._served, self.telemetry.ring.total
        if self.state == "ready":
            self.collector.care(now, quiet=served == self._served)

    def _tell_full(self, full: frozenset[str]) -> None:
        """When a listener begins to leave callers waiting, and when it is over; at most once a second."""
        for name in sorted(full - self._full):
            self.journal.add(MESH, "full", f"{name}: callers wait, for a descriptor or below limits.connections")
        for name in sorted(self._full - full):
            self.journal.add(MESH, "accepting", f"{name}: accepts callers again")
        self._full = full

    def _called_replicas(self) -> list[InstanceStatus]:
        services = self.project.services
        return [each for each in self.supervisor.status() if each.name in services and takes_calls(services[each.name])]

    def _tell_bypass(self, bypass: Bypass) -> None:
        """A stranger may be a person who has a look, and knows it."""
        self.journal.add(bypass.callee, "bypass", str(bypass))
        if bypass.service:
            self._report(Note(str(bypass)))

    def _on_change(self, status: InstanceStatus) -> None:
        before = self._known.get((status.name, status.replica))
        self._known[status.name, status.replica] = status
        if (before is not None and before.serving) != status.serving:
            self._refresh(status.name)
        message = message_of(status)
        if before is not None and (before.state, message_of(before)) == (status.state, message):
            return
        if (
            before is None
            or (before.state, before.streak) != (status.state, status.streak)
            or status.state is State.RUNNING  # where it listens instead is news, too
        ):
            self.journal.add(status.name, status.state.value, message)
        listen = f"127.0.0.1:{status.port}" if status.port is not None else None
        seconds = self.clock.monotonic() - self.began
        self._report(
            ServiceEvent(status.name, status.replica, status.state.value, message, listen, status.pid, seconds)
        )
        if status.state is State.CRASH_LOOP and status.streak and status.streak.next_try is None:
            asyncio.get_running_loop().run_in_executor(None, self._tell_given_up, status)

    def _tell_given_up(self, status: InstanceStatus) -> None:
        program = next(each for each in self.prepared.programs if each.name == status.name)
        self._report(Trouble(given_up(self.project, status, program.env)))

    def _on_output(self, lines: Sequence[logs.LogLine]) -> None:
        for line in lines:
            self._report(LogLine(line.service, line.replica, line.stream.value, line.text))

    def _refresh(self, name: str) -> None:
        """The endpoints of a service are those of its replicas that are ready.

        Applied once for all that changes in a turn of the loop, and so before any request that comes of it.
        """
        service = self.project.services.get(name)
        if service is None or not takes_calls(service):
            return
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._apply_changed)
        self._changed.add(name)

    def _apply_changed(self) -> None:
        changed, self._changed = self._changed, set()
        if not self.ended.is_set():
            self._apply(with_endpoints(self.snapshot, {name: self._endpoints(name) for name in changed}))

    def _endpoints(self, name: str) -> list[Endpoint]:
        service = self.project.services[name]
        replicas = range(1, service.replicas + 1)
        serving = [each for each in replicas if (known := self._known.get((name, each))) and known.serving]
        if service.addresses:
            return [address_endpoint(address) for address in self.names.of(name)] if serving else []
        return [replica_endpoint(name, replica, self.layout.replicas[name, replica]) for replica in serving]

    def _apply(self, snapshot: Snapshot) -> None:
        self.plane.apply(snapshot)
        self.snapshot = snapshot


def first_snapshot(project: Project, layout: Layout) -> Snapshot:
    """All listeners, and no endpoint yet."""
    return compile_snapshot(project, layout, {}, generation=1)
