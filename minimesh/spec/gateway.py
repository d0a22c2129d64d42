"""`[gateway]`: the way in from outside."""

from minimesh.model.project import Gateway, Limits
from minimesh.model.route import ANY_PATH, PathKind, Route
from minimesh.model.where import NOWHERE
from minimesh.spec import codes
from minimesh.spec.addresses import Listen
from minimesh.spec.auth import auth_key
from minimesh.spec.kinds import DURATION, SIZE, Integer
from minimesh.spec.many import ListOf
from minimesh.spec.networks import NETWORK
from minimesh.spec.node import Node
from minimesh.spec.route import ROUTE
from minimesh.spec.schema import Fields, Key, Table
from minimesh.spec.tcpport import TCP_PORT, check_tcp_ports

# ---- limits

HEAD = Key("head", DURATION, "for the head of a request to arrive", '"5s"')
BODY = Key("body", DURATION, "without a byte of a body that is awaited", '"10s"')
SEND = Key("send", DURATION, "for a client that does not read", '"30s"')
IDLE = Key("idle", DURATION, "for a connection between two requests", '"75s"')
HEAD_SIZE = Key("head_size", SIZE, "of a whole head", '"64KiB"')
FIELDS = Key("fields", Integer(1, 10_000, "100"), "in a head", "100")
TARGET = Key("target", SIZE, "of the path and query", '"8KiB"')
CONNECTIONS = Key("connections", Integer(1, 1_000_000, "10000"), "open at once", "10000")


def _limits(fields: Fields) -> Limits:
    default = Limits()
    return Limits(
        head=fields.get(HEAD, default.head),
        body=fields.get(BODY, default.body),
        send=fields.get(SEND, default.send),
        idle=fields.get(IDLE, default.idle),
        head_size=fields.get(HEAD_SIZE, default.head_size),
        fields=fields.get(FIELDS, default.fields),
        target=fields.get(TARGET, default.target),
        connections=fields.get(CONNECTIONS, default.connections),
    )


# ---- the gateway

HTTP = Key("http", Listen(), 'port on 127.0.0.1, or "host:port"; left out: 7080 if it is free, else another')
AUTH = auth_key("how users are known, where a route does not say otherwise")
LIMITS = Key(
    "limits",
    Table((HEAD, BODY, SEND, IDLE, HEAD_SIZE, FIELDS, TARGET, CONNECTIONS), _limits, example='{ head = "5s" }'),
    "what a client may take",
)
ROUTES = Key("routes", ListOf(ROUTE, "a list of tables"), "which requests go where", "[]")

TRUSTED_PROXIES = Key(
    "trusted_proxies",
    ListOf(NETWORK, "a list of addresses or CIDR blocks"),
    "whose X-Forwarded-For, -Proto and -Host are believed",
    "[]",
)
ALLOW_IPS = Key(
    "allow_ips",
    ListOf(NETWORK, "a list of addresses or CIDR blocks"),
    "who may come in, as trusted_proxies say who it is; left out: everybody",
)
TCP = Key("tcp", ListOf(TCP_PORT, "a list of tables"), "ports whose connections go to a service as bytes", "[]")


def _gateway(fields: Fields) -> Gateway:
    routes = fields.get(ROUTES, ())
    if routes:
        _check_routes(routes, fields["routes"].items)
    listen, tcp = fields.get(HTTP, None), fields.get(TCP, ())
    if tcp:
        check_tcp_ports(tcp, listen, fields["tcp"].items)
    return Gateway(
        listen,
        fields.get(LIMITS, Limits()),
        routes,
        fields.node.key_where,
        tcp,
        fields.get(TRUSTED_PROXIES, ()),
        _allow_ips(fields),
        fields["allow_ips"].where if fields.wrote("allow_ips") else NOWHERE,
        auth=fields.get(AUTH, None),
    )


def _allow_ips(fields: Fields) -> tuple[str, ...]:
    networks = fields.get(ALLOW_IPS, None)
    if networks == ():
        fields["allow_ips"].note(
            codes.VALUE, "`allow_ips` is empty: nobody could come in", 'allow_ips = ["127.0.0.0/8"]'
        )
    return networks or ()


def _check_routes(routes: tuple[Route, ...], nodes: list[Node]) -> None:
    """None twice, and none behind one that takes everything."""
    first: dict[tuple[str | None, object], Route] = {}
    for route, node in zip(routes, nodes, strict=True):
        other = first.setdefault((route.host, route.path), route)
        if other is not route:
            message = f"the route {route.name} is there twice; line {other.where.line} has it too"
            node.note(codes.DUPLICATE, message, "give one of them another `path` or `host`")
    for route, node in zip(routes, nodes, strict=True):
        catch_all = first.get((route.host, ANY_PATH))
        if route.path.kind is PathKind.REGEX and catch_all:
            message = f"the route {route.name} is never reached: prefixes win over regular expressions"
            node.warn(codes.SHADOWED, f"{message}, and line {catch_all.where.line} has /*", 'path = "/v1/*"')


GATEWAY = Key(
    "gateway",
    Table(
        (HTTP, TRUSTED_PROXIES, ALLOW_IPS, AUTH, LIMITS, ROUTES, TCP),
        _gateway,
        later=("https",),
        example="{ http = 7080 }",
    ),
    "the way in from outside",
)
