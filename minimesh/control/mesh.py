"""The running mesh: owns data plane, supervisor, telemetry and what is known of them, from start to stop."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import anyio
from anyio import to_thread

from minimesh import __version__
from minimesh.control.accesswriter import AccessLogKeeper
from minimesh.control.apply import Changes
from minimesh.control.attesting import Attesting
from minimesh.control.auth.authentication import Authentication
from minimesh.control.autoscaler import Autoscaler
from minimesh.control.bypass import Bypasses
from minimesh.control.certifier import Certifier
from minimesh.control.compile import compile_snapshot, without_gateway
from minimesh.control.environment import address_variable
from minimesh.control.handover import Body
from minimesh.control.journal import MESH, Journal
from minimesh.control.layout import Layout, takes_calls
from minimesh.control.paths import StateFolder
from minimesh.control.pulse import Pulse
from minimesh.control.reflecting import Reflecting
from minimesh.control.report import Ready, Reporter, Stopped, Stopping, Upgraded
from minimesh.control.serving import Serving
from minimesh.control.telling import Telling
from minimesh.control.tune import Collector
from minimesh.control.views import MeshState, UpgradedView
from minimesh.control.watching import Watching
from minimesh.control.world import World
from minimesh.dataplane import DataPlane
from minimesh.model.clock import Clock
from minimesh.model.project import GATEWAY, Project
from minimesh.model.several import several
from minimesh.model.snapshot import Snapshot
from minimesh.supervise import logs, order
from minimesh.supervise.inherited import SupervisorState, status_from
from minimesh.supervise.runfile import Run
from minimesh.supervise.status import InstanceStatus
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
    """Everything that is settled before the start. descriptors: soft limit of children. notes: for people."""

    world: World
    folder: StateFolder
    run: Run
    descriptors: int | None = None
    notes: tuple[str, ...] = ()


class Mesh:
    """Make it on its loop, with a data plane that listens already; then `run`."""

    def __init__(
        self,
        prepared: Prepared,
        snapshot: Snapshot,
        plane: DataPlane,
        telemetry: Telemetry,
        certifier: Certifier,
        auth: Authentication,
        clock: Clock,
        report: Reporter,
    ) -> None:
        self.prepared = prepared
        self.plane = plane
        self.telemetry = telemetry
        self.codec = plane.codec
        self.certifier = certifier
        self.store = certifier.store
        self.auth = auth
        self.clock = clock
        self.state: MeshState = "starting"
        self.began = clock.monotonic()
        self.windows = Windows(telemetry.counters, self.began)
        self.journal = Journal(clock)
        self.telling = Telling(self.journal, report, clock, lambda: self.world)
        auth.note = self.telling.note
        certifier.tell = self.journal.add
        self.collector = Collector()
        self.pulse = Pulse(asyncio.get_running_loop(), clock, self._beat)
        self.logs = logs.Logs(prepared.folder.logs, prepared.world.project.logs, clock)
        self.turns = Turns(prepared.folder.tasks)
        self.supervisor = Supervisor(
            prepared.world.programs,
            run_id=prepared.run.run_id,
            logs=self.logs,
            clock=clock,
            rng=Random(),
            on_change=self._on_change,
            descriptors=prepared.descriptors,
            turns=self.turns,
            leaders=prepared.folder.leaders,
        )
        self.attesting = Attesting(
            asyncio.get_running_loop(), prepared.run.run_id, self.supervisor.running, self.telling.stranger
        )
        plane.attestor = self.attesting
        self.serving = Serving(prepared.world, snapshot, plane, clock)
        self.changes = Changes(
            prepared.world,
            prepared.folder,
            self.serving,
            self.supervisor,
            self.journal,
            report,
            clock,
            self._take_over,
            certifier,
        )
        self.autoscaler = Autoscaler(lambda: self.project, self.windows, self.changes.scale, self.telling.note)
        self.access_log = AccessLogKeeper(self.project, telemetry.ring, self.telling.note)
        self.bypasses = Bypasses(prepared.run.run_id, self._called_replicas, self.telling.bypass, self._variable)
        self.watching = Watching(prepared.world, self.supervisor, self.changes, self.journal, report, clock)
        self.reflecting = Reflecting(plane, lambda: self.project, self.serving.learn, self.telling.note)
        self.ended = anyio.Event()
        self._at_end: list[Callable[[], None]] = []
        self._report = report
        self._stop_wanted = anyio.Event()
        self._hurry = False
        self._within: float | None = None
        self._served = 0
        self.image = 1
        """How many images of the program this process has been: one more with each upgrade."""
        self.upgraded: UpgradedView | None = None
        self._inherited: SupervisorState | None = None

    def go_on(self, body: Body, image: int, upgraded: UpgradedView) -> None:
        """Before `run`: take up what an earlier image of this process was at, instead of starting."""
        self.image, self.upgraded = image, upgraded
        self.began, self.state = body["began"], body["state"]
        statuses = [status_from(each["status"]) for each in body["supervisor"]["instances"]]
        self.telling.go_on(statuses, self.began)
        self.serving.go_on(statuses)
        for status in statuses:
            self.reflecting.note(status)
        self.watching.go_on(body["watched"])
        self._served = self.telemetry.ring.total
        self._inherited = body["supervisor"]

    def upgrade_failed(self, problem: str, image: int) -> None:
        """The mesh is what it was, or (another image) has started anew."""
        self.image = image
        self.upgraded = {"from_version": __version__, "pause_ms": 0.0, "cut": 0, "problem": problem}
        self.telling.note(f"not upgraded: {problem}")

    async def run(self) -> None:
        """Starts the services and returns when the mesh has stopped: see `stop`."""
        async with AsyncExitStack() as stack:
            stack.callback(self.logs.close)
            stack.callback(self.plane.close)
            stack.callback(self.attesting.close)
            stack.callback(self.collector.close)
            self.collector.take_over(self.clock.monotonic())
            await stack.enter_async_context(self.supervisor)
            if self._inherited is not None:
                self.supervisor.take_over(self._inherited)
            stack.callback(self.logs.follow(self.telling.output))
            self.pulse.start()
            stack.callback(self.pulse.stop)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.serving.names.keep_fresh)
                tasks.start_soon(self.bypasses.watch)
                tasks.start_soon(self.access_log.run)
                tasks.start_soon(self.certifier.run)
                tasks.start_soon(self.autoscaler.run)
                tasks.start_soon(self.watching.run)
                tasks.start_soon(self.reflecting.run)
                tasks.start_soon(self.auth.run)
                tasks.start_soon(self._start if self._inherited is None else self._continue)
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
    def world(self) -> World:
        return self.changes.world

    @property
    def project(self) -> Project:
        return self.world.project

    @property
    def layout(self) -> Layout:
        return self.world.layout

    @property
    def snapshot(self) -> Snapshot:
        return self.serving.snapshot

    @property
    def stopping(self) -> bool:
        return self._stop_wanted.is_set()

    def statuses(self) -> dict[str, list[InstanceStatus]]:
        """Of all replicas and tasks, by name, in the order of the file."""
        found: dict[str, list[InstanceStatus]] = {}
        for status in self.supervisor.status():
            found.setdefault(status.name, []).append(status)
        return found

    async def _start(self) -> None:
        self.journal.add(MESH, "starting", f"starting {len(self.world.start)} services and tasks")
        if self.turns.trouble:
            self.telling.note(self.turns.trouble)
        async with self.changes.lock:
            if self.world.start == self.statuses().keys():
                self.supervisor.start_all()
            else:
                for name in self.world.start:
                    await self.supervisor.start(name, anew=False)
        await self._settle()

    async def _continue(self) -> None:
        upgraded, inherited = self.upgraded, self._inherited
        assert upgraded is not None
        assert inherited is not None
        running = len({each["status"]["name"] for each in inherited["instances"] if "process" in each})
        event = Upgraded(upgraded["from_version"], __version__, upgraded["pause_ms"] / 1e3, running, upgraded["cut"])
        self.journal.add(MESH, "upgraded", f"{event.before} → {event.version}, {event.cut} requests cut")
        self._report(event)
        if self.state == "starting":
            await self._settle()
        else:
            self.collector.started(self.clock.monotonic())

    async def _settle(self) -> None:
        await self.supervisor.settled()
        if self.stopping:
            return
        self.state = "ready"
        self.collector.started(self.clock.monotonic())
        seconds = self.clock.monotonic() - self.began
        failed = tuple(sorted({status.name for status in self.supervisor.status() if self._is_missing(status)}))
        self.journal.add(MESH, "ready", f"without {several(failed)}" if failed else f"ready in {seconds:.1f} s")
        self._report(Ready(seconds, self.gateway_url, failed))

    @property
    def gateway_url(self) -> str | None:
        """For a browser on this machine."""
        address = self.layout.gateway
        if address is None:
            return None
        return f"http://localhost:{address.port}" if address.host == "127.0.0.1" else address.url

    def _is_missing(self, status: InstanceStatus) -> bool:
        return status.name in self.world.start and not status.good

    async def _stop(self) -> None:
        """Nothing new comes in; what runs may finish; services stop, dependants first; then the rest."""
        self.state = "stopping"
        self.changes.close()
        began = self.clock.monotonic()
        running = self._running_dependants_first()
        self.journal.add(MESH, "stopping", f"stopping {several(running) or 'with no service running'}")
        self._report(Stopping(running))
        self.serving.apply(without_gateway(self.snapshot))
        await self._gateway_is_quiet(GATEWAY_PATIENCE if self._within is None else min(self._within, GATEWAY_PATIENCE))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.telling.who_stays, self._within)
            left = await self.supervisor.stop_all(self._within)
            tasks.cancel_scope.cancel()
        cut = await self.plane.drain(LAST_PATIENCE)
        await to_thread.run_sync(self.store.close)
        seconds = self.clock.monotonic() - began
        self.journal.add(MESH, "stopped", f"stopped {len(running)} in {seconds:.1f} s, {len(left)} processes left")
        self._report(Stopped(len(running), seconds, len(left), cut))
        self.serving.end()
        self.ended.set()
        for call in tuple(self._at_end):
            call()

    def _running_dependants_first(self) -> tuple[str, ...]:
        running = {status.name for status in self.supervisor.status() if status.pid is not None}
        needs = {each.name: [other.name for other in each.depends_on] for each in self.world.programs}
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
        if self.state == "ready":
            self.autoscaler.beat(now)
        self.telling.full(self.plane.full())
        self.telling.audited(self.telemetry.audits.news(now))
        self.telling.outside(self.plane.take_seen())
        served, self._served = self._served, self.telemetry.ring.total
        if not self.stopping:
            self.collector.care(now, quiet=served == self._served)

    def _variable(self, service: str) -> str:
        return address_variable(self.project.services[service])

    def _called_replicas(self) -> list[InstanceStatus]:
        """By connections, of which the kernel knows who made them."""
        services = self.project.services
        called = {name for name, service in services.items() if takes_calls(service) and not service.datagrams}
        return [each for each in self.supervisor.status() if each.name in called]

    def _on_change(self, status: InstanceStatus) -> None:
        self.serving.note(status)
        self.reflecting.note(status)
        self.telling.status(status)

    def _take_over(self, world: World) -> None:
        """What of another world concerns neither programs nor traffic."""
        self.logs.take(world.project.logs)
        self.access_log.take(world.project)
        self.telling.forget_others(world)
        self.watching.take(world)
        self.reflecting.take()
        self.auth.take(world.project)


def first_snapshot(world: World) -> Snapshot:
    """All listeners, and no endpoint yet."""
    return compile_snapshot(world.project, world.layout, {}, generation=1)
