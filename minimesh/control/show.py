"""The running mesh as the views of the control API."""

import os
import platform
import resource
from collections.abc import Iterable, Mapping, Sequence

from minimesh import __version__
from minimesh.control.apply import Applied
from minimesh.control.attesting import Stranger, in_force
from minimesh.control.compile import identity_of, service_names
from minimesh.control.environment import mesh_environment
from minimesh.control.layout import callees, callers, pairs, takes_calls
from minimesh.control.mesh import Mesh
from minimesh.control.outward import proxy_variables
from minimesh.control.traffic import Subject, call_rows, caller_rows, edge_rows, inbound_rows, route_rows, tick_view
from minimesh.control.tune import open_descriptors, resident_bytes
from minimesh.control.views import (
    ConditionView,
    EdgeView,
    EnvView,
    InstanceView,
    Kind,
    LiveView,
    LoopView,
    MeshView,
    ReloadView,
    ServiceView,
    StatView,
    StrangerView,
)
from minimesh.dataplane import Statistics
from minimesh.model.address import LOOPBACK, Address
from minimesh.model.project import GATEWAY
from minimesh.supervise.restarts import outlook
from minimesh.supervise.status import InstanceStatus, State
from minimesh.telemetry.accesslog import milliseconds, timestamp
from minimesh.telemetry.counters import CounterKey
from minimesh.telemetry.rolling import Rolling

HISTORY = 60.0
"""Seconds of traffic that a live view begins with."""

_WORST_FIRST = (
    State.CRASH_LOOP,
    State.FAILED,
    State.BACKOFF,
    State.EXITED,
    State.STOPPING,
    State.STOPPED,
    State.WAITING,
    State.PENDING,
    State.STARTING,
    State.RUNNING,
    State.READY,
    State.COMPLETED,
)

_FAILING = (State.BACKOFF, State.CRASH_LOOP)


def mesh_view(mesh: Mesh) -> MeshView:
    address = mesh.layout.gateway
    url = mesh.gateway_url
    return {
        "project": mesh.project.name,
        "version": __version__,
        "python": platform.python_version(),
        "pid": os.getpid(),
        "root": str(mesh.prepared.folder.root),
        "file": str(mesh.project.file),
        "state": mesh.state,
        "generation": mesh.snapshot.generation,
        "started_at": timestamp(mesh.prepared.run.started),
        "image": mesh.image,
        "upgraded": mesh.upgraded,
        "hop": mesh.project.hop.value,
        "attest": in_force(mesh.project.attest).value,
        "trust_domain": mesh.project.trust_domain,
        "codec": mesh.codec.name,
        "loop": _loop_view(mesh),
        "resident_bytes": resident_bytes(),
        "gateway": {"address": str(address), "url": url} if address and url else None,
        "services": len(mesh.project.services),
        "warnings": list(mesh.world.warnings),
    }


def service_views(mesh: Mesh) -> list[ServiceView]:
    """The gateway, then services and tasks in the order of the file."""
    statuses = mesh.statuses()
    now = mesh.clock.monotonic()
    statistics, urls = mesh.plane.statistics(), own_urls(mesh)
    found = [_gateway_view(mesh, statistics, now)] if mesh.layout.gateway else []
    return found + [
        _service_view(mesh, name, instances, urls.get(name), _connections(statistics, name), now)
        for name, instances in statuses.items()
    ]


def environment_view(mesh: Mesh, name: str) -> EnvView:
    """Raises KeyError."""
    if name == GATEWAY and mesh.layout.gateway:
        return _env_view(mesh_env={"GATEWAY_URL": mesh.layout.gateway.url})
    caller = callers(mesh.project).get(name)
    if caller is None:
        mesh.project.services[name]  # an address has nothing to run, any other name is not known
        return _env_view()
    program = next(program for program in mesh.world.programs if program.name == name)
    assert caller.process is not None, "callers have one"
    shell = caller.process.command.shell
    mesh_env = mesh_environment(mesh.project, mesh.layout, caller, 1)
    proxies = proxy_variables(mesh.layout.proxies.get(name), {})
    added = {each: program.env.get(each, "") for each in proxies}
    mesh_env |= {each: value for each, value in added.items() if value != mesh.world.inherited.get(each, "")}
    return _env_view(
        dict(program.env), mesh_env, str(program.cwd), list(program.argv[2:] if shell else program.argv), shell
    )


def stat_views(
    mesh: Mesh, window: float, wanted: Sequence[str], source: str | None, destination: str | None, by: str
) -> list[StatView]:
    """Rows of `stat`; window in seconds, `wanted` empty for every service, by service, route or caller."""
    seen = mesh.windows.last(window, mesh.clock.monotonic())
    subjects = {subject.name: subject for subject in _subjects(mesh)}
    chosen = wanted or list(subjects)
    if by != "service":
        rows_by = route_rows if by == "route" else caller_rows
        rows = rows_by(
            seen, subjects, lambda key: source in (None, key.source) and destination in (None, key.destination)
        )
    elif source is None and destination is None:
        rows = inbound_rows(seen, [subjects[name] for name in chosen if name in subjects])
    else:
        rows = call_rows(seen, subjects, source, destination, [*_ways_in(mesh), *pairs(mesh.project)])
    return [row for row in rows if row["name"] in chosen]


def edge_views(mesh: Mesh, window: float) -> list[EdgeView]:
    seen = mesh.windows.last(window, mesh.clock.monotonic())
    return edge_rows(seen, _active(mesh), lambda name: identity_of(mesh.project, name))


class LiveTraffic:
    """What one reader of the live view is told; traffic is added up at most once a second."""

    def __init__(self, mesh: Mesh, window: float) -> None:
        now = mesh.clock.monotonic()
        self._mesh = mesh
        self._rolling = Rolling(mesh.windows, window, now)
        self._told = now - HISTORY
        self._stat: list[StatView] = []
        self._edges: list[EdgeView] = []

    def view(self) -> LiveView:
        mesh = self._mesh
        ticks = mesh.windows.ticks(self._told)
        if ticks or not self._stat:
            seen = self._rolling.advance()
            self._stat = inbound_rows(seen, _subjects(mesh))
            self._edges = edge_rows(seen, _active(mesh), lambda name: identity_of(mesh.project, name))
            self._told = self._rolling.ended
        return {
            "time": timestamp(mesh.clock.wall()),
            "mesh": mesh_view(mesh),
            "services": service_views(mesh),
            "stat": self._stat,
            "edges": self._edges,
            "ticks": [tick_view(tick) for tick in ticks],
        }


def _active(mesh: Mesh) -> dict[CounterKey, int]:
    return {counters.key: counters.active for counters in mesh.telemetry.counters.all()}


def reload_view(applied: Applied, *, dry_run: bool = False) -> ReloadView:
    change = applied.change
    return {
        "generation": applied.generation,
        "added": list(change.added),
        "removed": list(change.removed),
        "restarted": dict(change.restarted),
        "changed": dict(change.changed),
        "started": list(applied.started),
        "unchanged": change.unchanged,
        "duration_ms": milliseconds(applied.seconds),
        "dry_run": dry_run,
        "warnings": list(applied.warnings),
        "summary": applied.summary,
    }


def condition_view(mesh: Mesh) -> ConditionView:
    return {
        "descriptors": open_descriptors(),
        "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "listeners_full": sorted(mesh.plane.full()),
        "unattested": [_stranger_view(each) for each in mesh.attesting.strangers()],
        "log_lines_lost": {log.service: log.dropped for log in mesh.logs if log.dropped},
        "access_lines_lost": mesh.access_log.dropped,
    }


def _stranger_view(stranger: Stranger) -> StrangerView:
    found = stranger.found
    return {
        "caller": stranger.caller or None,
        "callee": stranger.callee,
        "program": found.program or found.why,
        "pid": found.pid or None,
        "connections": stranger.connections,
        "message": str(stranger),
    }


def names(mesh: Mesh) -> frozenset[str]:
    """Everything that can be asked for by name."""
    return frozenset((GATEWAY, *mesh.project.services, *mesh.project.tasks))


def _loop_view(mesh: Mesh) -> LoopView:
    return {
        "lag_ms": _optional_ms(mesh.pulse.mean_lag),
        "lag_max_ms": _optional_ms(mesh.pulse.longest_lag),
        "gc_collections": mesh.collector.collections,
        "gc_pause_max_ms": milliseconds(mesh.collector.longest) if mesh.collector.collections else None,
    }


def _gateway_view(mesh: Mesh, statistics: Statistics, now: float) -> ServiceView:
    up = milliseconds(now - mesh.began)
    return {
        "name": GATEWAY,
        "kind": "gateway",
        "state": "stopping" if mesh.stopping else "running",
        "ready": 0 if mesh.stopping else 1,
        "replicas": 1,
        "restarts": 0,
        "up_ms": up,
        "pid": os.getpid(),
        "listen": str(mesh.layout.gateway),
        "url": mesh.gateway_url,
        "meshed": "memory",
        "connections": _gateway_connections(statistics),
        "reason": None,
        "instances": [],
    }


def own_urls(mesh: Mesh) -> dict[str, str]:
    """Where a service answers by its own name."""
    gateway = mesh.layout.gateway
    names = service_names(mesh.project, mesh.layout)
    return {name: f"http://{route.host}:{gateway.port}" for name, route in names.items()} if gateway else {}


def _service_view(
    mesh: Mesh,
    name: str,
    instances: Sequence[InstanceStatus],
    url: str | None,
    connections: int | None,
    now: float,
) -> ServiceView:
    state = min((status.state for status in instances), key=_WORST_FIRST.index)
    worst = next(status for status in instances if status.state is state)
    shown = [_instance_view(status, now) for status in instances]
    running = [view for view in shown if view["pid"] is not None]
    return {
        "name": name,
        "kind": _kind(mesh, name, instances),
        "state": State.RUNNING.value if state is State.READY else state.value,
        "ready": sum(status.serving or status.state is State.COMPLETED for status in instances),
        "replicas": len(instances),
        "restarts": sum(status.restarts for status in instances),
        "up_ms": running[0]["up_ms"] if running else None,
        "pid": running[0]["pid"] if running else None,
        "listen": _listen(mesh, name, shown),
        "url": url,
        "meshed": "memory" if _is_meshed(mesh, name) else None,
        "connections": connections,
        "reason": worst.reason or mesh.plane.trouble(name) or None,
        "instances": shown,
    }


def _instance_view(status: InstanceStatus, now: float) -> InstanceView:
    runs = status.pid is not None and status.started_at is not None
    return {
        "replica": status.replica,
        "state": status.state.value,
        "pid": status.pid,
        "port": status.port,
        "restarts": status.restarts,
        "up_ms": milliseconds(now - status.started_at) if runs and status.started_at is not None else None,
        "reason": status.reason or None,
        "probe": status.probe or None,
        "exit_code": status.exit_code,
        "last_stderr": status.last_stderr or None,
        "outlook": outlook(status.streak, now) if status.streak and status.state in _FAILING else None,
    }


def _listen(mesh: Mesh, name: str, instances: Sequence[InstanceView]) -> str | None:
    """Where its program listens, or where it lives; of several replicas the first."""
    service = mesh.project.services.get(name)
    if service and service.addresses:
        return str(service.addresses[0])
    port = instances[0]["port"]
    return str(Address(LOOPBACK[0], port)) if port is not None else None


def _is_meshed(mesh: Mesh, name: str) -> bool:
    service = mesh.project.services.get(name)
    if service is not None and takes_calls(service):
        return True
    caller = mesh.project.tasks.get(name) or (service if service and service.process else None)
    return caller is not None and bool(callees(mesh.project, caller))


def _kind(mesh: Mesh, name: str, instances: Sequence[InstanceStatus]) -> Kind:
    if instances[0].task:
        return "task"
    service = mesh.project.services.get(name)  # None: it is about to go
    return "address" if service and service.addresses else "service"


def _subjects(mesh: Mesh) -> Iterable[Subject]:
    statistics = mesh.plane.statistics()
    if mesh.layout.gateway:
        yield Subject(GATEWAY, "gateway", 0 if mesh.stopping else 1, 1, _gateway_connections(statistics))
    for name, instances in mesh.statuses().items():
        ready = sum(status.serving for status in instances)
        yield Subject(name, _kind(mesh, name, instances), ready, len(instances), _connections(statistics, name))


def _gateway_connections(statistics: Statistics) -> int:
    """At all its ports: a service has no `:` in its name."""
    return sum(one.connections for name, one in statistics.listeners.items() if name.partition(":")[0] == GATEWAY)


def _connections(statistics: Statistics, service: str) -> int | None:
    endpoints = statistics.upstreams.get(service)
    return None if endpoints is None else sum(each.active + each.idle for each in endpoints.values())


def _ways_in(mesh: Mesh) -> Iterable[tuple[str, str]]:
    """The gateway and the services that its routes lead to."""
    routes = mesh.project.gateway.routes if mesh.project.gateway else ()
    return dict.fromkeys((GATEWAY, route.to) for route in routes)


def _env_view(
    env: Mapping[str, str] = {},
    mesh_env: Mapping[str, str] = {},
    cwd: str | None = None,
    argv: Sequence[str] = (),
    shell: bool = False,
) -> EnvView:
    return {"env": dict(env), "mesh_env": dict(mesh_env), "cwd": cwd, "argv": list(argv), "shell": shell}


def _optional_ms(seconds: float | None) -> float | None:
    return None if seconds is None else milliseconds(seconds)
