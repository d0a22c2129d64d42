"""The control API: Starlette handlers over the running mesh, one for each operation of the document."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from anyio import to_thread
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from minimesh import __version__
from minimesh.control import bodies, live, openapi, outside, refusal, runs, show, startstop, ways
from minimesh.control.apply import Applied
from minimesh.control.attesting import AVAILABLE
from minimesh.control.auth.keyring import NoSuchKeyError
from minimesh.control.authz import Wanted, suggested
from minimesh.control.handover import HandoverError
from minimesh.control.journal import MESH
from minimesh.control.mesh import Mesh
from minimesh.control.refusal import ApiError
from minimesh.control.settle import StartError
from minimesh.control.upgrade import Upgrader
from minimesh.control.views import DownView, ErrorBody, ErrorView, UpgradeView, UpgradingView, WrittenView
from minimesh.model.egress import OUTSIDE
from minimesh.spec.problem import SpecError
from minimesh.spec.suggest import closest
from minimesh.store.errors import NotWrittenError
from minimesh.telemetry.accesslog import timestamp
from minimesh.telemetry.windows import LONGEST_WINDOW

V = TypeVar("V")
Handler = Callable[[Request], Awaitable[Response]]

DEFAULT_WINDOW_MS = 60_000.0
DEFAULT_EVERY_MS = 500.0
DEFAULT_TAIL = 100
LONGEST_TAIL = 100_000
LARGEST_BODY = 64 * 1024


def application(mesh: Mesh, upgrader: Upgrader, on_crash: Callable[[Exception], None]) -> Starlette:
    """on_crash: is told what a handler raised that it should not have; the caller gets a 500."""
    api = _Api(mesh, upgrader)
    return Starlette(
        routes=[
            Route(
                operation.path,
                _guarded(operation, getattr(api, operation.id), on_crash),
                methods=[operation.method.upper()],
            )
            for operation in openapi.OPERATIONS
        ],
        exception_handlers={HTTPException: _unrouted},
    )


class _Api:
    """Methods are named as the operations."""

    def __init__(self, mesh: Mesh, upgrader: Upgrader) -> None:
        self._mesh = mesh
        self._upgrader = upgrader

    async def document(self, request: Request) -> Response:
        return JSONResponse(openapi.document())

    async def mesh(self, request: Request) -> Response:
        return JSONResponse(show.mesh_view(self._mesh))

    async def services(self, request: Request) -> Response:
        return JSONResponse(show.service_views(self._mesh))

    async def environment(self, request: Request) -> Response:
        name = self._known(request.path_params["name"])
        return JSONResponse(show.environment_view(self._mesh, name))

    async def vouch(self, request: Request) -> Response:
        name = self._known(request.path_params["name"])
        pid = request.client.port if request.client else 0
        if AVAILABLE and not (pid and self._mesh.attesting.guests.let_in(pid, name)):
            raise ApiError(409, "unknown_process", "the process that asks cannot be seen from here")
        return Response(status_code=204)

    async def change(self, request: Request) -> Response:
        name, verb = self._known(request.path_params["name"]), request.path_params["verb"]
        if verb not in ("start", "stop", "restart"):
            raise ApiError(404, "no_such_path", f"services can be started, stopped and restarted, not {verb}ed")
        if self._mesh.stopping:
            raise ApiError(409, "stopping", "the mesh is stopping")
        if name not in self._mesh.statuses():
            raise ApiError(409, "not_a_program", f"{name} is the mesh itself", "minimesh down")
        await startstop.change(self._mesh, verb, [name], None)
        return Response(status_code=204)

    async def scale(self, request: Request) -> Response:
        name, number = self._known(request.path_params["name"]), bodies.replicas(await _body(request))
        return JSONResponse(show.reload_view(await self._changed(self._mesh.changes.scale({name: number}))))

    async def reload(self, request: Request) -> Response:
        asked = bodies.asked(await _body(request))
        applied = await self._changed(self._mesh.changes.reload(asked))
        return JSONResponse(show.reload_view(applied, dry_run=asked.dry_run))

    async def _changed(self, change: Awaitable[Applied]) -> Applied:
        try:
            return await change
        except SpecError as error:
            raise refusal.of_the_file(error) from None
        except StartError as error:
            raise refusal.of_the_world(error.problem) from None

    async def changes(self, request: Request) -> Response:
        verb, names, within = _change(await _body(request))
        known = self._mesh.statuses()
        for name in names:
            if self._known(name) not in known:
                raise ApiError(409, "not_a_program", f"{name} is the mesh itself", "minimesh down")
        if self._mesh.stopping:
            raise ApiError(409, "stopping", "the mesh is stopping")
        await startstop.change(self._mesh, verb, names or [*known], within)
        return Response(status_code=204)

    async def run_task(self, request: Request) -> Response:
        name = self._known(request.path_params["name"])
        if name not in self._mesh.project.tasks:
            raise ApiError(409, "not_a_task", f"{name} is a service, not a task", f"minimesh restart {name}")
        if self._mesh.stopping:
            raise ApiError(409, "stopping", "the mesh is stopping")
        return _stream(runs.run_task(self._mesh, name))

    async def ports(self, request: Request) -> Response:
        return JSONResponse(ways.ports_view(self._mesh, self._known(request.path_params["name"])))

    async def routes(self, request: Request) -> Response:
        return JSONResponse(ways.running_routes(self._mesh))

    async def route(self, request: Request) -> Response:
        query = request.query_params
        method, host, path = query.get("method", "GET"), query.get("host", ""), query.get("path", "/")
        views = ways.running_routes(self._mesh)
        content_type = query.get("content_type", "")
        return JSONResponse(ways.decision_view(self._mesh.project, views, method, host, path, content_type))

    async def graph(self, request: Request) -> Response:
        return JSONResponse(ways.running_graph(self._mesh, _window(request.query_params)))

    async def outside(self, request: Request) -> Response:
        return JSONResponse(outside.outside_views(self._mesh))

    async def condition(self, request: Request) -> Response:
        return JSONResponse(show.condition_view(self._mesh))

    async def stat(self, request: Request) -> Response:
        query = request.query_params
        wanted = [self._known(name) for name in query.getlist("service")]
        source, destination = (self._optional(query.get(end)) for end in ("from", "to"))
        by = query.get("by", "service")
        if by not in ("service", "route", "caller"):
            raise _bad_parameter("by", by, "service, route or caller")
        return JSONResponse(show.stat_views(self._mesh, _window(query), wanted, source, destination, by))

    async def edges(self, request: Request) -> Response:
        return JSONResponse(show.edge_views(self._mesh, _window(request.query_params)))

    async def live(self, request: Request) -> Response:
        query = request.query_params
        every = _milliseconds(query, "every_ms", DEFAULT_EVERY_MS, 100, 60_000)
        return _stream(live.everything(self._mesh, every, _window(query)))

    async def tap(self, request: Request) -> Response:
        query = request.query_params
        status = query.get("status", "")
        if status and not live.is_status(status):
            raise _bad_parameter("status", status, "three digits, a class such as 5xx, or grpc:14")
        wanted = live.TapFilter(
            service=OUTSIDE if query.get("service") == OUTSIDE else self._optional(query.get("service")) or "",
            source=self._optional(query.get("from")) or "",
            destination=OUTSIDE if query.get("to") == OUTSIDE else self._optional(query.get("to")) or "",
            path=query.get("path", ""),
            method=query.get("method", ""),
            status=status,
        )
        most = _whole(query, "max", 1, 1_000_000_000) if "max" in query else None
        return _stream(live.tap(self._mesh, wanted, most))

    async def logs(self, request: Request) -> Response:
        query = request.query_params
        services = [self._known(name) for name in query.getlist("service")]
        tail = _whole(query, "tail", 0, LONGEST_TAIL, DEFAULT_TAIL)
        follow = bool(_whole(query, "follow", 0, 1, 0))
        return _stream(live.log_lines(self._mesh, services, tail, _since(query), follow))

    async def write_logs(self, request: Request) -> Response:
        until = timestamp(self._mesh.clock.wall())
        view: WrittenView = {"until": until, "written": await to_thread.run_sync(self._mesh.logs.flush)}
        return JSONResponse(view)

    async def events(self, request: Request) -> Response:
        query = request.query_params
        services = [name if name == MESH else self._known(name) for name in query.getlist("service")]
        return _stream(live.events(self._mesh, services, _since(query), bool(_whole(query, "follow", 0, 1, 0))))

    async def suggest_rules(self, request: Request) -> Response:
        query, ring = request.query_params, self._mesh.telemetry.ring
        services = [self._known(name) for name in query.getlist("service")]
        wanted = Wanted(services, _since(query), bool(_whole(query, "denied", 0, 1, 0)))
        look = partial(suggested, self._mesh.project, ring.since(0).records, ring.wall_offset, wanted)
        return JSONResponse(await to_thread.run_sync(look))

    async def keys(self, request: Request) -> Response:
        return JSONResponse(self._mesh.auth.keyring.views())

    async def add_key(self, request: Request) -> Response:
        wanted = bodies.new_key(await _body(request))
        view = await self._kept(self._mesh.auth.keyring.add(wanted.name, wanted.claims, wanted.within))
        return JSONResponse(view, status_code=201)

    async def revoke_key(self, request: Request) -> Response:
        return JSONResponse(await self._kept(self._mesh.auth.keyring.revoke(request.path_params["name"])))

    async def _kept(self, change: Awaitable[V]) -> V:
        try:
            return await change
        except NoSuchKeyError as error:
            raise ApiError(404, "no_such_key", str(error), "minimesh key ls") from None
        except NotWrittenError as error:
            raise ApiError(409, "not_written", str(error)) from None

    async def upgradable(self, request: Request) -> Response:
        self._check_not_busy()
        try:
            view: UpgradeView = {"running": __version__, "installed": await self._upgrader.check(), "problem": None}
        except (HandoverError, SpecError) as error:
            view = {"running": __version__, "installed": None, "problem": str(error)}
        return JSONResponse(view)

    async def upgrade(self, request: Request) -> Response:
        within = _within(await _body(request))
        self._check_not_busy()
        try:
            version = await self._upgrader.begin()
        except (HandoverError, SpecError) as error:
            raise ApiError(409, "not_upgradable", str(error)) from error
        self._mesh.upgraded = None
        view: UpgradingView = {"image": self._mesh.image + 1, "version": version}
        return JSONResponse(view, status_code=202, background=BackgroundTask(self._upgrader.run, within))

    def _check_not_busy(self) -> None:
        if self._mesh.stopping or self._upgrader.under_way:
            raise ApiError(409, "busy", f"the mesh is being {'stopped' if self._mesh.stopping else 'upgraded'}")

    async def down(self, request: Request) -> Response:
        within = _within(await _body(request))
        self._mesh.stop(within)
        view: DownView = {"stopping": True}
        return JSONResponse(view, status_code=202)

    def _known(self, name: str) -> str:
        known = show.names(self._mesh)
        if name not in known:
            guess = closest(name, sorted(known))
            meant = f"; did you mean {guess}?" if guess else ""
            raise ApiError(404, "no_such_service", f"there is no service {name} in this mesh{meant}", "minimesh ps -a")
        return name

    def _optional(self, name: str | None) -> str | None:
        return None if name is None else self._known(name)


def _guarded(operation: openapi.Operation, handler: Handler, on_crash: Callable[[Exception], None]) -> Handler:
    """Refuses parameters that the document does not know, and answers for what goes wrong."""
    known = {parameter.name for parameter in operation.parameters}

    async def answer(request: Request) -> Response:
        try:
            for name in request.query_params:
                if name not in known:
                    raise ApiError(400, "unknown_parameter", f"{operation.path} has no parameter {name}")
            return await handler(request)
        except ApiError as error:
            return _refusal(error.status, error.body)
        except Exception as error:  # noqa: BLE001 - the edge: a mistake here must not end the mesh
            on_crash(error)
            return _refusal(500, {"code": "internal", "message": "the mesh made a mistake"})

    return answer


async def _unrouted(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    assert isinstance(error, HTTPException), "registered for it"
    return _refusal(error.status_code, {"code": "no_such_path", "message": f"{request.method} {request.url.path}"})


def _refusal(status: int, body: ErrorBody) -> Response:
    view: ErrorView = {"error": body}
    return JSONResponse(view, status_code=status)


def _stream(views: AsyncIterator[object]) -> Response:
    async def lines() -> AsyncIterator[str]:
        async for view in views:
            yield json.dumps(view, separators=(",", ":")) + "\n"

    return StreamingResponse(lines(), media_type=openapi.NDJSON)


def _bad_parameter(name: str, value: str, expected: str) -> ApiError:
    return ApiError(400, "bad_parameter", f"{name}={value}: expected {expected}")


def _whole(query: Mapping[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    text = query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 12 or not low <= int(text) <= high:
        raise _bad_parameter(name, text or "", f"a whole number from {low} to {high}")
    return int(text)


def _window(query: Mapping[str, str]) -> float:
    """Seconds."""
    return _milliseconds(query, "window_ms", DEFAULT_WINDOW_MS, 1_000, LONGEST_WINDOW * 1e3)


def _milliseconds(query: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    """Seconds, out of a number of milliseconds."""
    text = query.get(name)
    if text is None:
        return default / 1e3
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = -1.0
    if not low <= milliseconds <= high:
        raise _bad_parameter(name, text, f"milliseconds from {low:g} to {high:g}")
    return milliseconds / 1e3


def _since(query: Mapping[str, str]) -> float | None:
    """Wall seconds."""
    text = query.get("since")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _bad_parameter("since", text, "a time as in RFC 3339, with its zone")
    return moment.timestamp()


async def _body(request: Request) -> object:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise ApiError(400, "bad_body", f"a body has at most {LARGEST_BODY} bytes")
    try:
        body = json.loads(content) if content else {}
        json.dumps(body, ensure_ascii=False).encode()  # half a character, as in "\\ud800", could not be answered with
    except (ValueError, RecursionError):
        raise ApiError(400, "bad_body", "the body is not JSON") from None
    return body


def _within(body: object) -> float | None:
    """Seconds, out of a DownRequest or an UpgradeRequest."""
    if not isinstance(body, dict) or not body.keys() <= {"within_ms"}:
        raise ApiError(400, "bad_body", 'expected {"within_ms": milliseconds or null}')
    return _within_ms(body)


def _change(body: object) -> tuple[startstop.Verb, list[str], float | None]:
    """Verb, names and seconds, out of a ChangeRequest."""
    expected = 'expected {"verb": start, stop or restart, "services": names, "within_ms": milliseconds or null}'
    if not isinstance(body, dict) or not body.keys() <= {"verb", "services", "within_ms"}:
        raise ApiError(400, "bad_body", expected)
    verb, names = body.get("verb"), body.get("services") or []
    if verb not in ("start", "stop", "restart") or not isinstance(names, list):
        raise ApiError(400, "bad_body", expected)
    return verb, [str(name) for name in names], _within_ms(body)


def _within_ms(body: Mapping[str, object]) -> float | None:
    within = body.get("within_ms")
    if within is None:
        return None
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 <= within <= 86_400_000:
        raise ApiError(400, "bad_body", "within_ms: expected milliseconds from 0 to 86400000, or null")
    return within / 1e3
