"""A mesh that is not there: the views of a small shop, a source that plays them, and the screen as plain text."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from math import sin
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from textual.pilot import Pilot

from minimesh.control.client import NotRunningError, Parameters
from minimesh.control.views import EdgeView, EventView, InstanceView, LiveView, LogView, MeshView, ServiceView, StatView
from minimesh_tui.app import MeshApp
from minimesh_tui.look import Look

NOON = datetime(2026, 5, 4, 14, 2, 11, tzinfo=UTC)


def mesh_view(**changes: Any) -> MeshView:
    view: MeshView = {
        "project": "shop",
        "version": "0.1.0",
        "python": "3.11.7",
        "pid": 5000,
        "root": "/home/ada/shop",
        "file": "/home/ada/shop/minimesh.toml",
        "state": "ready",
        "generation": 3,
        "started_at": "2026-05-04T13:50:00.000Z",
        "image": 1,
        "upgraded": None,
        "attest": "observe",
        "hop": "memory",
        "trust_domain": "shop.mesh",
        "codec": "fast",
        "loop": {"lag_ms": 0.1, "lag_max_ms": 0.4, "gc_collections": 0, "gc_pause_max_ms": None},
        "resident_bytes": 40_000_000,
        "gateway": {"address": "127.0.0.1:7080", "url": "http://localhost:7080"},
        "services": 5,
        "warnings": [],
    }
    return cast("MeshView", {**view, **changes})


def instance(replica: int = 1, **changes: Any) -> InstanceView:
    view: InstanceView = {
        "replica": replica,
        "state": "ready",
        "pid": 5119 + replica,
        "port": 8100 + replica,
        "restarts": 0,
        "up_ms": 754_000.0,
        "reason": None,
        "probe": "GET /healthz 200",
        "exit_code": None,
        "last_stderr": None,
        "outlook": None,
    }
    return cast("InstanceView", {**view, **changes})


def service(name: str, instances: Sequence[InstanceView] | None = None, **changes: Any) -> ServiceView:
    instances = [instance()] if instances is None else instances
    first = instances[0] if instances else instance()
    view: ServiceView = {
        "name": name,
        "kind": "service",
        "state": "running",
        "ready": sum(each["state"] in ("ready", "running", "completed") for each in instances),
        "replicas": len(instances),
        "restarts": sum(each["restarts"] for each in instances),
        "up_ms": first["up_ms"],
        "pid": first["pid"],
        "listen": f"127.0.0.1:{first['port']}",
        "url": f"http://{name}.shop.localhost:7080",
        "meshed": "memory",
        "connections": 4,
        "reason": first["reason"],
        "instances": list(instances),
    }
    return cast("ServiceView", {**view, **changes})


def stat(name: str, rps: float = 0.0, success: float | None = None, latency: Sequence[float] = ()) -> StatView:
    p50, p95, p99 = latency or (None, None, None)
    return {
        "name": name,
        "kind": "service",
        "ready": 1,
        "replicas": 1,
        "success": success,
        "rps": rps or None,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "retries": 0,
        "connections": 2,
        "requests": int(rps * 60),
        "bytes_in": 0,
        "bytes_out": 0,
        "reasons": {},
        "grpc": {},
        "messages_in": 0,
        "messages_out": 0,
    }


def edge(source: str, destination: str, rps: float, success: float, p99: float, **reasons: int) -> EdgeView:
    return {
        "source": source,
        "destination": destination,
        "rps": rps,
        "success": success,
        "p50_ms": p99 / 4,
        "p99_ms": p99,
        "secured": "memory",
        "client_id": f"spiffe://shop.mesh/svc/{source}",
        "requests": int(rps * 60),
        "active": 0,
        "reasons": reasons,
        "grpc": {},
        "messages_in": 0,
        "messages_out": 0,
    }


CRASHED = instance(
    state="crash-loop",
    pid=None,
    port=8103,
    restarts=4,
    up_ms=None,
    probe="GET /healthz: connection refused",
    reason="exit 1: KeyError: 'STRIPE_KEY'",
    exit_code=1,
    last_stderr="KeyError: 'STRIPE_KEY'",
    outlook="next try in 16 s (5 of 5, then stops)",
)
SERVICES = [
    service("gateway", [], kind="gateway", url="http://localhost:7080", ready=1, replicas=1, up_ms=754_000.0, pid=5000,
            listen="127.0.0.1:7080"),
    service("web"),
    service("api", [instance(1), instance(2, port=8109)]),
    service("orders"),
    service("payments", [CRASHED], state="crash-loop"),
    service("db", listen="127.0.0.1:8106"),
    service("worker", [instance(probe=None, state="running", port=None)], listen=None, url=None),
    service("seed", [instance(state="completed", pid=None, port=None, up_ms=None, probe=None)], kind="task",
            state="completed", listen=None, url=None, meshed=None),
]  # fmt: skip
STATS = [
    stat("gateway", 129.4, 0.9944, (3, 22, 91)),
    stat("web", 41.2, 0.9981, (6, 19, 38)),
    stat("api", 128.9, 0.9926, (9, 40, 91)),
    stat("orders", 27.0, 0.9614, (31, 180, 240)),
    stat("payments", 9.1, 0.8134, (38, 350, 410)),
    stat("db", 115.0, 1.0, (0.8, 2, 4)),
    stat("worker"),
    stat("seed"),
]
EDGES = [
    edge("gateway", "web", 41.2, 0.9981, 38),
    edge("gateway", "api", 88.2, 0.9944, 91),
    edge("web", "api", 40.7, 1.0, 66),
    edge("api", "orders", 27.0, 0.9614, 240, timeout=4),
    edge("api", "db", 61.0, 1.0, 3),
    edge("orders", "db", 54.0, 1.0, 4),
    edge("orders", "payments", 9.1, 0.8134, 410, upstream_refused=17),
]
WAVES = {"gateway": 129, "web": 41, "api": 129, "orders": 27, "payments": 9, "db": 115}


def wave(second: int) -> float:
    return 0.55 + 0.25 * sin(second / 4.1) + 0.2 * sin(second / 1.7)


def live(
    services: Sequence[ServiceView] | None = None, traffic: bool = True, seconds: int = 60, **mesh: Any
) -> LiveView:
    """A line of the live view; `seconds` of history with a gentle wave in it."""
    ticks = [
        {
            "seconds": 1.0,
            "requests": {name: int(most * wave(s + 9 * place)) for place, (name, most) in enumerate(WAVES.items())},
        }
        for s in range(seconds)
    ]
    chosen = SERVICES if services is None else list(services)
    return cast(
        "LiveView",
        {
            "time": "2026-05-04T14:02:11.000Z",
            "mesh": mesh_view(**mesh),
            "services": chosen,
            "stat": STATS if traffic else [stat(each["name"]) for each in chosen],
            "edges": EDGES if traffic else [],
            "ticks": ticks if traffic else [{"seconds": 1.0, "requests": {}}],
        },
    )


def line(text: str, service: str = "payments", second: float = 0.0, stream: str = "stdout") -> LogView:
    time = (NOON + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return cast("LogView", {"time": time, "service": service, "replica": 1, "stream": stream, "line": text})


LOGS = [
    line("GET /charge 200 38ms order=8811", "payments", -11.4),
    line("GET / 200 6ms", "web", -10.9),
    line("INFO  order 8812 accepted, charging 1999 EUR", "orders", -9.870),
    line("Traceback (most recent call last):", second=-3.019, stream="stderr"),
    line('  File "payments/__main__.py", line 14, in <module>', second=-3.019, stream="stderr"),
    line("KeyError: 'STRIPE_KEY'", second=-3.018, stream="stderr"),
    line("exited 1 after 0.8 s; restart 4 of 5 in 8 s", second=-3.010, stream="mesh"),
    line("WARN  charge failed order=8812 status=503 x-minimesh-reason=upstream_refused", "orders", -1.130),
    line("\x1b[32mGET\x1b[0m /cart \x1b[1m200\x1b[0m 12ms", "web", -0.588),
    line("GET /orders/8812 200 9ms", "api", -0.120),
]
EVENTS: list[EventView] = [
    {"time": "2026-05-04T13:50:01.000Z", "service": "minimesh", "kind": "ready", "message": "ready in 3.4 s"},
    {"time": "2026-05-04T14:01:55.000Z", "service": "payments", "kind": "backoff", "message": "exit 1: KeyError"},
    {"time": "2026-05-04T14:02:07.000Z", "service": "payments", "kind": "crash-loop", "message": "exit 1, five times"},
]


@dataclass
class Play:
    """A source that says what the test tells it to."""

    lives: list[LiveView] = field(default_factory=lambda: [live()])
    logs: list[LogView] = field(default_factory=lambda: list(LOGS))
    running: bool = True
    posted: list[str] = field(default_factory=list)
    asked: list[tuple[str, Parameters]] = field(default_factory=list)
    _queues: dict[str, list["asyncio.Queue[list[Any] | None]"]] = field(default_factory=dict)

    async def get(self, path: str) -> Any:
        if not self.running:
            raise NotRunningError(Path("/home/ada/shop"))
        name = path.split("/")[3]
        argv = [] if name == "gateway" else ["python", "-m", name, "--port", "8103"]
        return {"env": {}, "mesh_env": {}, "cwd": f"/home/ada/shop/{name}", "argv": argv, "shell": False}

    async def post(self, path: str, body: object = None) -> Any:
        self.posted.append(path)

    async def stream(self, path: str, parameters: Parameters) -> AsyncIterator[list[Any]]:
        self.asked.append((path, parameters))
        if not self.running:
            raise NotRunningError(Path("/home/ada/shop"))
        queue: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        self._queues.setdefault(path, []).append(queue)
        told: dict[str, Sequence[object]] = {"/v1/live": self.lives, "/v1/logs": self.logs, "/v1/events": EVENTS}
        try:
            if path != "/v1/logs" or not parameters.get("since"):
                yield list(told[path])
            while (views := await queue.get()) is not None:
                yield views
        finally:
            self._queues[path].remove(queue)

    def tell(self, path: str, *views: object) -> None:
        for queue in self._queues.get(path, []):
            queue.put_nowait(list(views))

    def end(self) -> None:
        self.running = False
        for queues in self._queues.values():
            for queue in queues:
                queue.put_nowait(None)


def app(play: Play, look: Look | None = None, folder: Path = Path("/nowhere"), **options: Any) -> MeshApp:
    clock: Callable[[], datetime] = lambda: NOON  # noqa: E731 - typed
    return MeshApp(play, folder, look or Look(), ["true"], clock=clock, **options)


async def until(pilot: Pilot[None], what: Callable[[], bool]) -> None:
    """Waits for it, a while."""
    for _ in range(500):
        if what():
            return
        await pilot.pause(0.01)
    raise AssertionError("it did not come\n" + text_of(cast("MeshApp", pilot.app)))


async def settled(pilot: Pilot[None]) -> str:
    """The screen once it stays as it is."""
    shown, same = "", 0
    while same < 3:
        await pilot.pause()
        now = text_of(cast("MeshApp", pilot.app))
        shown, same = now, same + 1 if now == shown else 0
    return shown


Act = Callable[[Pilot[None], MeshApp], Awaitable[None]]


def drive(act: Act, play: Play, size: tuple[int, int] = (120, 36), look: Look | None = None, **options: Any) -> str:
    """Runs the application without a terminal, does something with it, and returns what is on the screen then."""

    async def run() -> str:
        screen = app(play, look, **options)
        async with screen.run_test(size=size) as pilot:
            await until(pilot, lambda: screen.board.mesh is not None or not play.running or not play.lives)
            await settled(pilot)
            await act(pilot, screen)
            return await settled(pilot)

    return asyncio.run(run())


def pressed(*keys: str) -> Act:
    """Keys, one after the other."""

    async def act(pilot: Pilot[None], screen: MeshApp) -> None:
        for key in keys:
            await pilot.press(key)

    return act


def text_of(screen: MeshApp) -> str:
    """What is on the screen, lines without the blanks at their ends."""
    out = StringIO()
    update = screen.screen._compositor.render_update(full=True, screen_stack=screen._background_screens)
    console = Console(width=screen.size.width, height=screen.size.height, file=out, color_system=None)
    console.print(update, end="")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
