"""`[services.NAME]`: a program that the mesh starts, or one that lives elsewhere."""

from dataclasses import replace

from minimesh.model.service import (
    Breaker,
    Probe,
    Protocol,
    Ready,
    Restart,
    RestartPolicy,
    Scale,
    Service,
    Timeouts,
    Transcode,
)
from minimesh.spec import codes
from minimesh.spec.addresses import PortOrNone
from minimesh.spec.attest import LISTEN, check_listen
from minimesh.spec.auth import auth_key
from minimesh.spec.authorization import ALLOW, DENY, rules
from minimesh.spec.egress import ELSEWHERE, LISTED, Elsewhere, check_tls, is_secured
from minimesh.spec.kinds import DURATION, DURATION_RANGE, Choice, Integer, Off, Parsed
from minimesh.spec.many import ListOf
from minimesh.spec.names import name
from minimesh.spec.node import Node, Role, table_name
from minimesh.spec.opaque import NO_LIMIT, check_addresses, check_requests, timeouts_in_force
from minimesh.spec.process import CALLS, DEPENDS_ON, PROCESS_KEYS, STOP, process
from minimesh.spec.ready import READY, Asked
from minimesh.spec.scale import REPLICAS
from minimesh.spec.schema import Fields, Key, Table
from minimesh.spec.suggest import closest
from minimesh.spec.transcode import TRANSCODE
from minimesh.spec.watch import WATCH

# ---- nested tables

POLICY = Key("policy", Choice(RestartPolicy), "when it is started again", '"on-failure"')
BACKOFF = Key("backoff", DURATION_RANGE, "the first and the longest pause before a start", '"1s..30s"')
MAX = Key("max", Integer(0, 1_000_000, "10"), "starts in a row that fail before it is given up", "10")


def _restart(fields: Fields) -> Restart:
    default = Restart()
    low, high = fields.get(BACKOFF, (default.backoff_min, default.backoff_max))
    return Restart(fields.get(POLICY, default.policy), low, high, fields.get(MAX, default.max))


REQUEST = Key("request", Off(DURATION), "from its head to the end of the answer", '"off"')
CONNECT = Key("connect", DURATION, "for a connection to an endpoint", '"1s"')
IDLE = Key("idle", Off(DURATION), "without a byte either way; with tcp left out: no limit; with udp: 1m", '"5m"')


def _timeouts(fields: Fields) -> Timeouts:
    default = Timeouts()
    idle = fields.get(IDLE, default.idle)
    return Timeouts(
        fields.get(REQUEST, default.request), fields.get(CONNECT, default.connect), NO_LIMIT if idle is None else idle
    )


REQUESTS = Key("requests", Integer(1, 1_000_000, "1024"), "under way at once, at all its endpoints together", "1024")
WAITING = Key("waiting", Integer(0, 1_000_000, "1024"), "in line for that; further ones are answered 503", "1024")


def _breaker(fields: Fields) -> Breaker:
    default = Breaker()
    return Breaker(fields.get(REQUESTS, default.requests), fields.get(WAITING, default.waiting))


# ---- the service

PORT = Key("port", PortOrNone(), 'what it listens on; left out: a free one as $PORT; "none": it does not listen')
PROTOCOL = Key(
    "protocol",
    Choice(Protocol),
    "what it speaks: HTTP/1.1 and HTTP/2 as it comes, HTTP/2 alone (h2, grpc), bytes (tcp), datagrams (udp); "
    "left out: which HTTP",
)
RESTART = Key(
    "restart",
    Table((POLICY, BACKOFF, MAX), _restart, short=POLICY),
    "whether it is started again when it ends",
    '"on-failure"',
)
PROFILES = Key(
    "profiles",
    ListOf(Parsed("the name of a profile", '"full"', name), "a list of names"),
    "started only with `up --profile` and one of these",
    "[]",
)
TIMEOUT = Key(
    "timeout",
    Table((REQUEST, CONNECT, IDLE), _timeouts, short=REQUEST, later=("try",)),
    "how long calls to it may take",
    '"off"',
)
BREAKER = Key(
    "breaker",
    Off(
        Table(
            (REQUESTS, WAITING),
            _breaker,
            later=("adaptive", "eject", "failures", "probe", "slow_start"),
            example="{ requests = 64 }",
        )
    ),
    "how many requests it is asked for at most",
)

AUTH = auth_key("how the users behind its callers are known")

SERVICE_KEYS: tuple[Key[object], ...] = (
    *PROCESS_KEYS,
    ELSEWHERE,
    PORT,
    LISTEN,
    PROTOCOL,
    TRANSCODE,
    READY,
    RESTART,
    REPLICAS,
    TIMEOUT,
    BREAKER,
    AUTH,
    LISTED,
    ALLOW,
    DENY,
    WATCH,
    PROFILES,
)
# What a service with an address cannot have: nobody starts it, and it calls nobody through this mesh.
STARTED_KEYS = (*(key.name for key in PROCESS_KEYS), "port", "restart", "replicas", "watch", "egress")

LATER = (
    "balance",
    "ceiling",
    "container",
    "fallback",
    "faults",
    "filters",
    "idempotent",
    "image",
    "mirror",
    "ports",
    "quotas",
    "rate_limits",
    "request_headers",
    "response_headers",
    "retries",
    "routes",
    "sticky",
    "version",
    "versions",
    "weight",
    "when",
)


def _service(fields: Fields) -> Service:
    _check_kind(fields)
    check_requests(fields, fields.get(PROTOCOL, None))
    check_listen(fields, fields.get(PROTOCOL, None))
    elsewhere = fields.get(ELSEWHERE, Elsewhere())
    check_addresses(fields, elsewhere.addresses, fields.get(PROTOCOL, None))
    check_tls(fields, elsewhere, fields.get(PROTOCOL, None))
    port = fields.get(PORT, None)
    service = Service(
        fields.node.name,
        addresses=elsewhere.addresses,
        listen=fields.get(LISTEN, None),
        protocol=fields.get(PROTOCOL, None),
        transcode=_transcode(fields),
        depends_on=fields.get(DEPENDS_ON, ()),
        calls=tuple(dict.fromkeys(fields.get(CALLS, ()))),
        ready=_ready(fields),
        restart=fields.get(RESTART, Restart()),
        profiles=fields.get(PROFILES, ()),
        timeouts=timeouts_in_force(fields, fields.get(TIMEOUT, Timeouts()), fields.get(PROTOCOL, None)),
        breaker=fields.get(BREAKER, Breaker()),
        auth=fields.get(AUTH, None),
        tls=elsewhere.tls,
        rules=rules(fields, fields.get(PROTOCOL, None)),
        where=fields.node.key_where,
    )
    if fields.wrote("address"):
        return service
    replicas = fields.get(REPLICAS, 1)
    service = replace(
        service,
        process=process(fields),
        port=port or None,
        has_port=port != 0,
        stop=fields.get(STOP, service.stop),
        replicas=replicas if isinstance(replicas, int) else replicas.min,
        scale=replicas if isinstance(replicas, Scale) else None,
        watch=fields.get(WATCH, None),
        egress=fields.get(LISTED, ()),
    )
    _check_replicas(service, fields)
    return service


def _reject_nobody(node: Node) -> None:
    """A service that is neither started nor elsewhere. Where it is to change one that is there, it is misspelt."""
    meant = None
    if node.source is not node.reading.first:
        meant = closest(node.name, (name for name in node.reading.roles if name != node.name))
    hint = f"; did you mean `{meant}`?" if meant else ""
    if node.source.option:
        fix = node.source.renamed(node.path, meant) if meant else ""
        node.note_key(codes.UNKNOWN_NAME, f"there is no service `{node.name}`{hint}", fix)
        node.give_up()
    fix = f"[services.{meant}]" if meant else 'run = "python app.py"'
    node.note_key(codes.MISSING, f"{table_name(node.path)} has neither `run` nor `address`{hint}", fix)


def _check_kind(fields: Fields) -> None:
    """Started or elsewhere, and no key of the other."""
    node = fields.node
    if not fields.wrote("run", "address", "image", "container"):
        _reject_nobody(node)
    if not fields.wrote("address"):
        return
    if fields.get(ELSEWHERE, None) == Elsewhere() and not fields["address"].is_table:
        fields["address"].note(codes.VALUE, f"`address` of {node.name} is empty", 'address = "127.0.0.1:9000"')
    for key in STARTED_KEYS:
        # `run` beside `address` is told by the table: they are alternatives.
        if key != "run" and fields.wrote(key):
            message = f"`{key}` has no meaning beside `address`: {node.name} is not started by the mesh"
            fields[key].note_key(codes.CONFLICT, message, f"take `{key}` out")


def _ready(fields: Fields) -> Ready:
    """The probe that was asked for, or the one that suits."""
    role = fields.node.reading.roles.get(fields.node.name, Role.SERVICE)
    external = fields.wrote("address")
    protocol = fields.get(PROTOCOL, None)
    listens = protocol in (Protocol.TCP, Protocol.GRPC) and role is not Role.WORKER
    connects = external or listens or fields.get(PORT, None)
    suits = Probe.TCP if connects and protocol is not Protocol.UDP else Probe.RUNNING
    asked: Asked | None = fields.get(READY, None)
    if asked is None:
        return Ready(suits)
    if external and asked.probe in (Probe.LOG, Probe.EXEC):
        why = "is not started by the mesh"
    elif role is Role.WORKER and asked.probe in (Probe.HTTP, Probe.TCP, Probe.GRPC):
        why = 'has port = "none"'
    elif protocol is Protocol.UDP and asked.probe in (Probe.HTTP, Probe.TCP, Probe.GRPC):
        why = "speaks udp"
    elif asked.probe is Probe.GRPC and any(is_secured(each) for each in fields.get(ELSEWHERE, Elsewhere()).addresses):
        why = "is reached by TLS"
    else:
        return asked.ready(suits)
    if asked.node.path[0] != "defaults":
        message = f"{fields.node.name} {why}: it cannot have the probe `{asked.probe}`"
        probe = "ready = { tcp = true }" if protocol is not Protocol.UDP else "take `ready` out"
        help_ = probe if external else 'ready = { log = "started" }'
        asked.node.note(codes.CONFLICT, message, help_)
    return replace(asked, probe=None).ready(suits)


def _transcode(fields: Fields) -> Transcode | None:
    asked, protocol = fields.get(TRANSCODE, None), fields.get(PROTOCOL, None)
    if asked is None or protocol not in (Protocol.TCP, Protocol.UDP):
        return asked
    if (node := fields["transcode"]).path[0] != "defaults":
        message = f"{fields.node.name} speaks {protocol}: there are no calls in it that REST could stand for"
        node.note(codes.CONFLICT, message, 'protocol = "grpc"')
    return None


def _check_replicas(service: Service, fields: Fields) -> None:
    most = service.scale.max if service.scale else service.replicas
    if most > 1 and service.port:
        message = f"{most} replicas of {service.name} cannot all listen on port {service.port}"
        help_ = f"take `port` out of [services.{service.name}] and listen on $PORT"
        fields["port"].note(codes.CONFLICT, message, help_)
    if service.scale and not service.has_port:
        message = f'{service.name} has port = "none": it takes no requests that its number could follow'
        fields["replicas"].note(codes.CONFLICT, message, f"replicas = {service.scale.min}")


SERVICE = Table(SERVICE_KEYS, _service, one_of=("run", "address"), later=LATER, example='{ run = "python app.py" }')
