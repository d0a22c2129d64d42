"""Every answer of the control API, as types. The OpenAPI document is made from these.

Durations are milliseconds (`*_ms`, floats), times RFC 3339 in UTC, shares 0 to 1. None: there is no data.
What programs wrote (`line`, `last_stderr`, `reason`) is as they wrote it: escape it before a terminal sees it.
"""

from typing import Literal, NotRequired, TypedDict

from minimesh.telemetry.accesslog import AccessLine

TapView = AccessLine

MeshState = Literal["starting", "ready", "stopping"]
Kind = Literal["gateway", "service", "task", "address"]
Secured = Literal["memory"]
LogSource = Literal["stdout", "stderr", "mesh"]


class ProblemView(TypedDict):
    """A mistake in a file; `text` is all of it as `minimesh validate` writes it, with the line and its carets."""

    code: str
    severity: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    help: str | None
    text: str


class ErrorBody(TypedDict):
    """What went wrong, for people; `help` is something to paste. where: file:line:column; evidence: lines below.

    problems: where a file cannot be used, everything found in it."""

    code: str
    message: str
    help: NotRequired[str]
    where: NotRequired[str]
    evidence: NotRequired[list[str]]
    problems: NotRequired[list[ProblemView]]


class ErrorView(TypedDict):
    """The answer with every 4xx and 5xx of the control API."""

    error: ErrorBody


class GatewayView(TypedDict):
    """Where the way in is bound: `address` is host:port, `url` is for a browser."""

    address: str
    url: str


class LoopView(TypedDict):
    """How late the mesh's loop woke up, over the last minute; and what its collector paused."""

    lag_ms: float | None
    lag_max_ms: float | None
    gc_collections: int
    gc_pause_max_ms: float | None


class UpgradedView(TypedDict):
    """The latest upgrade. pause_ms: how long callers waited; cut: requests that did not end in time.
    problem: why there was none, and the mesh is what it was; from_version is then its own."""

    from_version: str
    pause_ms: float
    cut: int
    problem: str | None


class MeshView(TypedDict):
    """The running mesh as a whole. generation: of the snapshot that the data plane has. image: one more with
    each upgrade. attest: what becomes of callers that are not who they call as; "off" where the system tells nothing
    of them."""

    project: str
    version: str
    python: str
    pid: int
    root: str
    file: str
    state: MeshState
    generation: int
    started_at: str
    image: int
    upgraded: UpgradedView | None
    hop: str
    attest: str
    trust_domain: str
    codec: str
    loop: LoopView
    resident_bytes: int | None
    gateway: GatewayView | None
    services: int
    warnings: list[str]


class InstanceView(TypedDict):
    """One replica of a service, counted from 1; exit_code and last_stderr are of its last end.

    probe: what the last readiness probe saw.
    outlook: of one that fails again and again, `next try in 16 s (5 of 5, then stops)`."""

    replica: int
    state: str
    pid: int | None
    port: int | None
    restarts: int
    up_ms: float | None
    reason: str | None
    probe: str | None
    exit_code: int | None
    last_stderr: str | None
    outlook: str | None


class ServiceView(TypedDict):
    """A service, a task or the gateway. pid, port and up_ms are of its first running replica.

    url: for a browser on this machine, through the gateway; None: it takes no calls, or the gateway is not for this
    machine alone. connections: open ones between the mesh and the service, or of the gateway's callers; None: it takes
    no calls."""

    name: str
    kind: Kind
    state: str
    ready: int
    replicas: int
    restarts: int
    up_ms: float | None
    pid: int | None
    listen: str | None
    url: str | None
    meshed: Secured | None
    connections: int | None
    reason: str | None
    instances: list[InstanceView]


class EnvView(TypedDict):
    """What a program of the service gets. env: the whole of it; mesh_env: what the mesh and
    `[services.x].env` add. The gateway has `mesh_env` alone, an address has no env."""

    env: dict[str, str]
    mesh_env: dict[str, str]
    cwd: str | None
    argv: list[str]
    shell: bool


class StatView(TypedDict):
    """The traffic of one service over the window asked for; by one route or of one caller where those are there.
    grpc: statuses of gRPC calls by name; messages are theirs."""

    name: str
    kind: Kind
    route: NotRequired[str]
    caller: NotRequired[str]
    ready: int | None
    replicas: int | None
    success: float | None
    rps: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    retries: int
    connections: int | None
    requests: int
    bytes_in: int
    bytes_out: int
    reasons: dict[str, int]
    grpc: dict[str, int]
    messages_in: int
    messages_out: int


class EdgeView(TypedDict):
    """Who calls whom. active: exchanges that run now. grpc and messages: as of StatView."""

    source: str
    destination: str
    rps: float | None
    success: float | None
    p50_ms: float | None
    p99_ms: float | None
    secured: Secured
    client_id: str
    requests: int
    active: int
    reasons: dict[str, int]
    grpc: dict[str, int]
    messages_in: int
    messages_out: int


class TickView(TypedDict):
    """One second that has ended: how many requests came to each service; to the gateway, from outside by it.
    Services without any are left out."""

    seconds: float
    requests: dict[str, int]


class LiveView(TypedDict):
    """Everything that a screen shows at one moment. stat and edges are over the window asked for, up to the last
    whole second; ticks are the seconds that ended since the line before, at the beginning up to 60."""

    time: str
    mesh: MeshView
    services: list[ServiceView]
    stat: list[StatView]
    edges: list[EdgeView]
    ticks: list[TickView]


class DroppedView(TypedDict):
    """How many items of a live view were left out, because there were more than anyone can read."""

    dropped: int


class LogView(TypedDict):
    """One line that a program wrote, or that the mesh says about it (stream "mesh")."""

    time: str
    service: str
    replica: int
    stream: LogSource
    line: str


class WrittenView(TypedDict):
    """Lines of services that are older than `until` are in the files now. written False: a disk does not keep up, and
    the latest are still missing."""

    until: str
    written: bool


class EventView(TypedDict):
    """Something that happened to a service or to the mesh itself."""

    time: str
    service: str
    kind: str
    message: str


class EndView(TypedDict):
    """How a task ended: completed, failed or stopped. exit_code None: it was not even started."""

    ended: str
    exit_code: int | None
    reason: str | None


class ListenView(TypedDict):
    """Where the program of a replica listens, or where a service elsewhere lives (replica 0)."""

    replica: int
    address: str


class ReachedView(TypedDict):
    """Where one caller reaches a service. variable: the one that holds the url in the caller's environment.

    The gateway has a row for the service's own name, and one for each route, with its host and path in `route`."""

    caller: str
    address: str
    url: str
    variable: str | None
    route: str | None


class PortsView(TypedDict):
    """What a service listens on, and where it is reached. shared: by all of its callers, beside the address of each."""

    name: str
    listens: list[ListenView]
    shared: str | None
    reached: list[ReachedView]


class RouteView(TypedDict):
    """A route of the gateway. order: from 1, the first that matches is taken. where: file:line. name: host and path;
    in name and path a route by a gRPC method begins with `grpc:`.

    timeout_ms: what a request may take, None for no end. requests: since the mesh started, None where none runs."""

    order: int
    name: str
    host: str | None
    path: str
    to: str
    strip_prefix: str | None
    timeout_ms: float | None
    where: str
    requests: int | None


class VerdictView(TypedDict):
    """What one route says to a request, and why."""

    route: RouteView
    matches: bool
    why: str


class DecisionView(TypedDict):
    """Where the gateway sends a request. path: canonical, as it is matched. reason: the code of the answer that the
    mesh gives by itself. forwarded: the path that the service gets. considered: every route, in order."""

    method: str
    host: str
    path: str
    taken: RouteView | None
    forwarded: str | None
    reason: str | None
    considered: list[VerdictView]


class NodeView(TypedDict):
    """A service, a task or the gateway. state None: no mesh runs."""

    name: str
    kind: Kind
    state: str | None


class LinkView(TypedDict):
    """Who may call whom, or does. configured: by minimesh.toml. The figures are those of an edge."""

    source: str
    destination: str
    configured: bool
    rps: float | None
    success: float | None
    p99_ms: float | None
    requests: int
    active: int


class GraphView(TypedDict):
    """The mesh as a picture: nodes in the order of the file, the gateway first."""

    project: str
    nodes: list[NodeView]
    links: list[LinkView]


class OutsideView(TypedDict):
    """A host outside that a caller has asked its proxy for. host: with its port, or `other` for all that are too many
    to be counted by name. listed: in `egress` of the caller, as the file has it now. refused: of the requests."""

    source: str
    host: str
    listed: bool
    requests: int
    refused: int


class StrangerView(TypedDict):
    """A program that calls as a service whose process it is not. caller None: it came by the address that several
    share. connections: since the start, of all its processes; pid: of the first, None where it could not be told."""

    caller: str | None
    callee: str
    program: str
    pid: int | None
    connections: int
    message: str


class ConditionView(TypedDict):
    """What may go wrong soon. listeners_full: those whose callers wait. Lost lines are not in the files."""

    descriptors: int | None
    descriptors_limit: int
    listeners_full: list[str]
    log_lines_lost: dict[str, int]
    unattested: list[StrangerView]
    access_lines_lost: int


class ChangeRequest(TypedDict):
    """services: none or left out for all. within_ms: how long each gets to stop; None: what it says for itself."""

    verb: Literal["start", "stop", "restart"]
    services: NotRequired[list[str]]
    within_ms: NotRequired[float | None]


class KeyView(TypedDict):
    """A key of `minimesh key`, never the key itself. state: `good`, `expired` or `revoked`."""

    id: str
    name: str
    state: str
    claims: dict[str, object]
    created: str
    expires: str | None


class NewKeyView(KeyView):
    """The only time that it is seen: `key` is kept nowhere."""

    key: str


class KeyRequest(TypedDict):
    """claims: what it says of whoever has it. within_ms: for how long it is good; null: until it is revoked."""

    name: str
    claims: NotRequired[dict[str, object]]
    within_ms: NotRequired[float | None]


class UpgradeView(TypedDict):
    """The program that runs, and the one that an upgrade would replace it by. problem: why it could not."""

    running: str
    installed: str | None
    problem: str | None


class UpgradeRequest(TypedDict):
    """within_ms: how long requests get to end; None: the longest `stop.within` there is."""

    within_ms: NotRequired[float | None]


class UpgradingView(TypedDict):
    """The upgrade has begun. It is done when the mesh's `image` is this one, off when `upgraded` has a problem."""

    image: int
    version: str


class DownRequest(TypedDict):
    """within_ms: how long services get to stop; None: what each says for itself."""

    within_ms: NotRequired[float | None]


class DownView(TypedDict):
    """The mesh has begun to stop."""

    stopping: bool


class ReloadRequest(TypedDict):
    """only: start these too where they do not run, with what they need (empty: everything); None: leave what is
    stopped as it is. profiles: turn these on. further, overrides: the files and values (`gateway.http=7444`) that are
    merged into minimesh.toml, instead of those until now. dry_run: only tell what would be done. watch: read
    the files again whenever one of them changes."""

    only: NotRequired[list[str] | None]
    profiles: NotRequired[list[str]]
    further: NotRequired[list[str] | None]
    overrides: NotRequired[list[str] | None]
    dry_run: NotRequired[bool]
    watch: NotRequired[bool]


class ScaleRequest(TypedDict):
    """How many replicas there are to be, until the file says another number."""

    replicas: int


class ReloadView(TypedDict):
    """What a change of the running mesh touched. restarted, changed: with what is different, in words.

    unchanged: how many services and tasks. summary: all of it in one line."""

    generation: int
    added: list[str]
    removed: list[str]
    restarted: dict[str, str]
    changed: dict[str, str]
    started: list[str]
    unchanged: int
    duration_ms: float
    dry_run: bool
    warnings: list[str]
    summary: str
