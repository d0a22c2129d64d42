"""`[services.NAME]`: a program that the mesh starts, or one that lives elsewhere."""

from dataclasses import replace

from minimesh.model.service import Probe, Ready, Restart, RestartPolicy, Service, Timeouts
from minimesh.spec import codes
from minimesh.spec.addresses import ADDRESS, PortOrNone
from minimesh.spec.kinds import DURATION, DURATION_RANGE, Choice, Integer, Off
from minimesh.spec.many import OneOrMore
from minimesh.spec.node import Node, Role, table_name
from minimesh.spec.process import CALLS, DEPENDS_ON, PROCESS_KEYS, STOP, process
from minimesh.spec.ready import READY, Asked
from minimesh.spec.schema import Fields, Key, Table

MOST_REPLICAS = 100


class Replicas(Integer):
    """How many of a service run. Their number cannot follow the load yet."""

    def __init__(self) -> None:
        super().__init__(1, MOST_REPLICAS, "2")

    def read(self, node: Node) -> int:
        if node.is_table:
            message = f"{node.label} as a table is part of minimesh.toml but not built yet"
            node.reject(codes.NOT_BUILT, message, "replicas = 2")
        return super().read(node)


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
IDLE = Key("idle", DURATION, "without a byte either way", '"5m"')


def _timeouts(fields: Fields) -> Timeouts:
    default = Timeouts()
    return Timeouts(
        fields.get(REQUEST, default.request), fields.get(CONNECT, default.connect), fields.get(IDLE, default.idle)
    )


# ---- the service

ADDRESSES = Key("address", OneOrMore(ADDRESS), "where it is, if the mesh does not start it")
PORT = Key("port", PortOrNone(), 'what it listens on; left out: a free one as $PORT; "none": it does not listen')
RESTART = Key(
    "restart",
    Table((POLICY, BACKOFF, MAX), _restart, short=POLICY),
    "whether it is started again when it ends",
    '"on-failure"',
)
REPLICAS = Key("replicas", Replicas(), "how many of it run", "1")
TIMEOUT = Key(
    "timeout",
    Table((REQUEST, CONNECT, IDLE), _timeouts, short=REQUEST, later=("try",)),
    "how long calls to it may take",
    '"off"',
)

SERVICE_KEYS: tuple[Key[object], ...] = (
    *PROCESS_KEYS,
    ADDRESSES,
    PORT,
    READY,
    RESTART,
    REPLICAS,
    TIMEOUT,
)
# What a service with an address cannot have: nobody starts it, and it calls nobody through this mesh.
STARTED_KEYS = (*(key.name for key in PROCESS_KEYS), "port", "restart", "replicas")

LATER = (
    "allow",
    "auth",
    "balance",
    "breaker",
    "ceiling",
    "container",
    "deny",
    "egress",
    "fallback",
    "faults",
    "filters",
    "idempotent",
    "image",
    "listen",
    "mirror",
    "ports",
    "profiles",
    "protocol",
    "quotas",
    "rate_limits",
    "request_headers",
    "response_headers",
    "retries",
    "routes",
    "sticky",
    "version",
    "versions",
    "watch",
    "weight",
    "when",
)


def _service(fields: Fields) -> Service:
    _check_kind(fields)
    port = fields.get(PORT, None)
    service = Service(
        fields.node.name,
        addresses=fields.get(ADDRESSES, ()),
        depends_on=fields.get(DEPENDS_ON, ()),
        calls=tuple(dict.fromkeys(fields.get(CALLS, ()))),
        ready=_ready(fields),
        restart=fields.get(RESTART, Restart()),
        replicas=fields.get(REPLICAS, 1),
        timeouts=fields.get(TIMEOUT, Timeouts()),
        where=fields.node.key_where,
    )
    if fields.wrote("address"):
        return service
    service = replace(
        service, process=process(fields), port=port or None, has_port=port != 0, stop=fields.get(STOP, service.stop)
    )
    _check_replicas(service, fields)
    return service


def _check_kind(fields: Fields) -> None:
    """Started or elsewhere, and no key of the other."""
    node = fields.node
    if not fields.wrote("run", "address", "image", "container"):
        message = f"{table_name(node.path)} has neither `run` nor `address`"
        node.note_key(codes.MISSING, message, 'run = "python app.py"')
    if not fields.wrote("address"):
        return
    if fields.get(ADDRESSES, None) == ():
        fields["address"].note(codes.VALUE, f"`address` of {node.name} is empty", 'address = "127.0.0.1:9000"')
    for name in STARTED_KEYS:
        # `run` beside `address` is told by the table: they are alternatives.
        if name != "run" and fields.wrote(name):
            message = f"`{name}` has no meaning beside `address`: {node.name} is not started by the mesh"
            fields[name].note_key(codes.CONFLICT, message, f"take `{name}` out")


def _ready(fields: Fields) -> Ready:
    """The probe that was asked for, or the one that suits."""
    role = fields.node.reading.roles.get(fields.node.name, Role.SERVICE)
    external = fields.wrote("address")
    suits = Probe.TCP if external or fields.get(PORT, None) else Probe.RUNNING
    asked: Asked | None = fields.get(READY, None)
    if asked is None:
        return Ready(suits)
    if external and asked.probe in (Probe.LOG, Probe.EXEC):
        why = "is not started by the mesh"
    elif role is Role.WORKER and asked.probe in (Probe.HTTP, Probe.TCP):
        why = 'has port = "none"'
    else:
        return asked.ready(suits)
    if asked.node.path[0] != "defaults":
        message = f"{fields.node.name} {why}: it cannot have the probe `{asked.probe}`"
        help_ = "ready = { tcp = true }" if external else 'ready = { log = "started" }'
        asked.node.note(codes.CONFLICT, message, help_)
    return replace(asked, probe=None).ready(suits)


def _check_replicas(service: Service, fields: Fields) -> None:
    if service.replicas > 1 and service.port:
        message = f"{service.replicas} replicas of {service.name} cannot all listen on port {service.port}"
        fields["port"].note(
            codes.CONFLICT, message, f"take `port` out of [services.{service.name}] and listen on $PORT"
        )


SERVICE = Table(SERVICE_KEYS, _service, one_of=("run", "address"), later=LATER, example='{ run = "python app.py" }')
