"""The control API as a table, and the OpenAPI document made from it."""

from dataclasses import dataclass
from typing import Any, Literal

from minimesh import __version__
from minimesh.control import views
from minimesh.control.authzviews import SuggestionView
from minimesh.control.schema import Schema, components, schema_of

JSON = "application/json"
NDJSON = "application/x-ndjson"

Type = Literal["string", "integer", "number"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter; `many`: may be repeated."""

    name: str
    type: Type
    summary: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to ask. answer None: 204 and no body. `stream`: one object of `answer` a line, maybe without end.

    `mistakes` are the statuses of its errors beside 400 and 500.
    """

    id: str
    method: Literal["get", "post"]
    path: str
    summary: str
    answer: object
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    body: object = None
    stream: bool = False
    mistakes: tuple[int, ...] = ()


_WINDOW = Parameter("window_ms", "number", "how far to look back, at most 15 minutes; default 60000")
_SERVICES = Parameter("service", "string", "only these services; default all", many=True)
_FOLLOW = Parameter("follow", "integer", "1: go on with what happens from now on")

OPERATIONS = (
    Operation("document", "get", "/v1/openapi.json", "This document", dict[str, Any]),
    Operation("mesh", "get", "/v1/mesh", "The mesh as a whole", views.MeshView),
    Operation(
        "services",
        "get",
        "/v1/services",
        "Every service and task: the gateway, then in the order of the file",
        list[views.ServiceView],
    ),
    Operation(
        "environment",
        "get",
        "/v1/services/{name}/env",
        "What the program of a service or task gets as its environment (first replica)",
        views.EnvView,
        mistakes=(404,),
    ),
    Operation(
        "scale",
        "post",
        "/v1/services/{name}/scale",
        "So many replicas of a service, until the file says another number; answers when those that go have ended",
        views.ReloadView,
        body=views.ScaleRequest,
        mistakes=(404, 409),
    ),
    Operation(
        "vouch",
        "post",
        "/v1/services/{name}/vouch",
        "The process that asks, known by its end of the socket, and what it starts may call as this service or task",
        None,
        204,
        mistakes=(404, 409),
    ),
    Operation(
        "change",
        "post",
        "/v1/services/{name}/{verb}",
        "start, stop or restart a service",
        None,
        204,
        mistakes=(404, 409),
    ),
    Operation(
        "changes",
        "post",
        "/v1/change",
        "start, stop or restart services in the order of their dependencies; answers when they have stopped",
        None,
        204,
        body=views.ChangeRequest,
        mistakes=(404, 409),
    ),
    Operation(
        "run_task",
        "post",
        "/v1/tasks/{name}/run",
        "Run a task now: what it writes, then how it ended",
        views.LogView | views.DroppedView | views.EndView,
        stream=True,
        mistakes=(404, 409),
    ),
    Operation(
        "ports",
        "get",
        "/v1/services/{name}/ports",
        "What a service listens on, and where each caller reaches it",
        views.PortsView,
        mistakes=(404,),
    ),
    Operation("routes", "get", "/v1/routes", "Routes of the gateway, in order of precedence", list[views.RouteView]),
    Operation(
        "route",
        "get",
        "/v1/route",
        "Which route a request to the gateway takes, and why",
        views.DecisionView,
        parameters=(
            Parameter("method", "string", "default GET"),
            Parameter("host", "string", "the Host, with or without a port"),
            Parameter("path", "string", "the target, with or without a query"),
            Parameter("content_type", "string", "with POST, application/grpc is a call of gRPC"),
        ),
    ),
    Operation(
        "suggest_rules",
        "get",
        "/v1/authz/suggest",
        "What `allow` of each service has to hold for the calls that the mesh remembers",
        list[SuggestionView],
        parameters=(
            _SERVICES,
            Parameter("since", "string", "only calls from this time on, RFC 3339"),
            Parameter("denied", "integer", "1: those that rules have refused count too"),
        ),
        mistakes=(404,),
    ),
    Operation("graph", "get", "/v1/graph", "Who may call whom, and does", views.GraphView, parameters=(_WINDOW,)),
    Operation("outside", "get", "/v1/egress", "The hosts outside that were called", list[views.OutsideView]),
    Operation("condition", "get", "/v1/condition", "What may go wrong soon", views.ConditionView),
    Operation(
        "stat",
        "get",
        "/v1/stat",
        "Traffic of each service; with `from` alone of its calls by destination, with `to` by source",
        list[views.StatView],
        parameters=(
            _WINDOW,
            _SERVICES,
            Parameter("from", "string", "only calls of this service"),
            Parameter("to", "string", "only calls to this service"),
            Parameter("by", "string", "`route` or `caller`: a row for each of them; default `service`"),
        ),
        mistakes=(404,),
    ),
    Operation("edges", "get", "/v1/edges", "Who calls whom", list[views.EdgeView], parameters=(_WINDOW,)),
    Operation(
        "live",
        "get",
        "/v1/live",
        "Mesh, services, traffic and edges again and again; ends with the mesh, whose last state is the last line",
        views.LiveView,
        parameters=(
            Parameter("every_ms", "number", "time between two lines, 100 to 60000; default 500"),
            _WINDOW,
        ),
        stream=True,
    ),
    Operation(
        "tap",
        "get",
        "/v1/tap",
        "Exchanges as they finish, at most 1,000 a second; the rest is counted",
        views.TapView | views.DroppedView,
        parameters=(
            Parameter("service", "string", "calls to this service or of it"),
            Parameter("to", "string", "calls to this service"),
            Parameter("from", "string", "calls of this service"),
            Parameter("path", "string", "paths that begin so"),
            Parameter("method", "string", "this method"),
            Parameter("status", "string", "three digits, a class such as `5xx`, or a status of gRPC: `grpc:14`"),
            Parameter("max", "integer", "end after so many"),
        ),
        stream=True,
        mistakes=(404,),
    ),
    Operation(
        "logs",
        "get",
        "/v1/logs",
        "What the programs wrote",
        views.LogView | views.DroppedView,
        parameters=(
            _SERVICES,
            Parameter("tail", "integer", "begin with so many recent lines; default 100"),
            Parameter("since", "string", "begin with recent lines from this time on, RFC 3339"),
            _FOLLOW,
        ),
        stream=True,
        mistakes=(404,),
    ),
    Operation(
        "write_logs", "post", "/v1/logs/write", "Have the files hold all lines that came so far", views.WrittenView
    ),
    Operation(
        "events",
        "get",
        "/v1/events",
        "What happened to the services and the mesh; when followed, ends with the mesh",
        views.EventView | views.DroppedView,
        parameters=(_SERVICES, Parameter("since", "string", "begin at this time, RFC 3339"), _FOLLOW),
        stream=True,
        mistakes=(404,),
    ),
    Operation("keys", "get", "/v1/keys", "The keys that were given out, none of which is shown", list[views.KeyView]),
    Operation(
        "add_key",
        "post",
        "/v1/keys",
        "Make a key, which is in the answer and is kept nowhere",
        views.NewKeyView,
        201,
        body=views.KeyRequest,
        mistakes=(409,),
    ),
    Operation(
        "revoke_key",
        "post",
        "/v1/keys/{name}/revoke",
        "Revoke a key, by its id or by the name of whoever has it, from the next request on",
        views.KeyView,
        mistakes=(404, 409),
    ),
    Operation(
        "reload",
        "post",
        "/v1/reload",
        "Read the files again and apply what differs, or nothing where there is a mistake in them",
        views.ReloadView,
        body=views.ReloadRequest,
        mistakes=(409, 422),
    ),
    Operation(
        "upgradable",
        "get",
        "/v1/upgrade",
        "Whether the program that is installed could go on with this mesh; it is started for a moment to find out",
        views.UpgradeView,
        mistakes=(409,),
    ),
    Operation(
        "upgrade",
        "post",
        "/v1/upgrade",
        "Replace the program and keep everything that runs; `image` of the mesh tells when it is done",
        views.UpgradingView,
        202,
        body=views.UpgradeRequest,
        mistakes=(409,),
    ),
    Operation(
        "down",
        "post",
        "/v1/down",
        "Stop everything; watch the events for how it goes",
        views.DownView,
        202,
        body=views.DownRequest,
    ),
)


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    used = [type_ for operation in OPERATIONS for type_ in (operation.answer, operation.body)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "minimesh control API",
            "version": __version__,
            "description": "HTTP over the Unix socket of a running mesh, for its owner only.",
        },
        "servers": [{"url": "http://localhost", "description": "the Unix socket .minimesh/control.sock"}],
        "paths": paths,
        "components": {"schemas": components([views.ErrorView, *used])},
    }


def answer_schema(operation: Operation) -> Schema:
    """Of the whole answer; of one line where it is a stream."""
    return schema_of(operation.answer) if operation.answer != dict[str, Any] else {"type": "object"}


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [*map(_in_path, _names(operation.path)), *map(_in_query, operation.parameters)],
        "responses": {str(operation.status): _answer(operation)}
        | {str(status): _error(status) for status in sorted((400, *operation.mistakes, 500))},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": False, "content": {JSON: {"schema": schema_of(operation.body)}}}
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        return {"description": "done"}
    kind = NDJSON if operation.stream else JSON
    description = "one object a line" if operation.stream else "the answer"
    return {"description": description, "content": {kind: {"schema": answer_schema(operation)}}}


def _error(status: int) -> dict[str, Any]:
    meaning = {
        400: "a parameter is not right",
        404: "no such name",
        409: "not now",
        422: "a file cannot be used",
        500: "a mistake of the mesh",
    }
    return {"description": meaning[status], "content": {JSON: {"schema": schema_of(views.ErrorView)}}}


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _in_path(name: str) -> dict[str, Any]:
    allowed = {"verb": {"enum": ["start", "stop", "restart"]}}
    return {"name": name, "in": "path", "required": True, "schema": allowed.get(name, {"type": "string"})}


def _in_query(parameter: Parameter) -> dict[str, Any]:
    plain: Schema = {"type": parameter.type}
    schema = {"type": "array", "items": plain} if parameter.many else plain
    return {"name": parameter.name, "in": "query", "description": parameter.summary, "schema": schema}
