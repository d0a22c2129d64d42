"""`[[gateway.routes]]`: which requests from outside go where."""

from minimesh.model.route import ANY_PATH, PathKind, Route
from minimesh.spec import codes, units
from minimesh.spec.auth import auth_key, auth_of
from minimesh.spec.cors import CORS
from minimesh.spec.grpc import METHOD
from minimesh.spec.kinds import DURATION, Quantity, quote
from minimesh.spec.names import Callee
from minimesh.spec.node import Node
from minimesh.spec.paths import HOST, PATH_MATCH, PREFIX
from minimesh.spec.schema import Fields, Key, Table


class To(Callee):
    """The service that a route leads to; shares of several are not built yet."""

    def read(self, node: Node) -> str:
        if node.is_table:
            message = f"{node.label}: shares of several services are part of minimesh.toml but not built yet"
            node.reject(codes.NOT_BUILT, message, f'to = "{next(iter(node.children), "orders")}"')
        return super().read(node)


class RouteTimeout(Quantity[float]):
    """A duration. A route cannot take the timeout of its service away yet, only replace it."""

    def __init__(self) -> None:
        super().__init__(DURATION.noun, "s", DURATION.example, units.duration)

    def read(self, node: Node) -> float:
        if node.value == "off":
            message = f'{node.label}: "off" on a route is part of minimesh.toml but not built yet'
            node.reject(codes.NOT_BUILT, message, 'timeout = "24h"')
        return super().read(node)


HOST_KEY = Key("host", HOST, 'the host asked for: "shop.test", or "*.shop.test" for all below; left out: any')
PATH = Key("path", PATH_MATCH, '"/a" exact, "/a/*" whole segments, "~^/v[0-9]+/" a regular expression', '"/*"')
GRPC = Key("grpc", METHOD, 'a gRPC method, "shop.Orders/List", or all of a service, "shop.Orders"')
TO = Key("to", To(), "the service that answers", required=True, unless=("redirect", "respond"))
STRIP_PREFIX = Key("strip_prefix", PREFIX, "taken off the path before the service sees it")
TIMEOUT = Key("timeout", RouteTimeout(), "in place of the service's own for whole requests")

AUTH = auth_key('in place of the gateway\'s own; "off": anybody may', "")

LATER = (
    "claim",
    "header",
    "method",
    "query",
    "redirect",
    "request_headers",
    "respond",
    "response_headers",
    "rewrite",
    "rewrite_host",
)


def _route(fields: Fields) -> Route:
    if fields.refused(PATH) or fields.refused(GRPC) or fields.refused(HOST_KEY):
        fields.node.give_up()  # it would be compared with other routes as what it is not
    route = Route(
        fields.get(TO, ""),
        fields.get(GRPC, None) or fields.get(PATH, ANY_PATH),
        fields.get(HOST_KEY, None),
        fields.get(STRIP_PREFIX, None),
        fields.get(TIMEOUT, None),
        fields.node.where,
        fields.get(CORS, None),
        auth=auth_of(fields, AUTH),
    )
    _check_strip_prefix(route, fields)
    return route


def _check_strip_prefix(route: Route, fields: Fields) -> None:
    """It must be able to stand at the beginning of what the path matches, at whole segments."""
    if route.strip_prefix is not None and route.path.grpc:
        message = "`strip_prefix` cannot stand beside `grpc`: the path of a gRPC call is its method"
        fields["strip_prefix"].note_key(codes.CONFLICT, message, "take `strip_prefix` out")
        return
    if route.strip_prefix is None or route.path.kind is PathKind.REGEX:
        return
    path, prefix = f"{route.path.value}/", f"{route.strip_prefix}/"
    if path.startswith(prefix) or (route.path.kind is PathKind.PREFIX and prefix.startswith(path)):
        return
    message = f'no request to {quote(str(route.path))} begins with the strip_prefix "{route.strip_prefix}"'
    fields["strip_prefix"].note(codes.CONFLICT, message, "take `strip_prefix` out")


ROUTE = Table(
    (HOST_KEY, PATH, GRPC, TO, STRIP_PREFIX, TIMEOUT, AUTH, CORS),
    _route,
    one_of=("path", "grpc"),
    later=LATER,
    example='{ to = "web" }',
)
