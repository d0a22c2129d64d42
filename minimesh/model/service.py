"""A service and a task, as minimesh.toml describes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from minimesh.model.address import Address, Dialable
from minimesh.model.auth import Auth
from minimesh.model.authorization import Rules
from minimesh.model.egress import Listed, Origination
from minimesh.model.template import Template
from minimesh.model.transcoding import Api
from minimesh.model.where import NOWHERE, Where


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. A shell command is one part that /bin/sh runs; else each part is an argument."""

    argv: tuple[Template, ...]
    shell: bool

    def __str__(self) -> str:
        return " ".join(map(str, self.argv))


class Condition(StrEnum):
    """When a dependency lets its dependants start."""

    READY = "ready"
    STARTED = "started"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Dependency:
    name: str
    condition: Condition
    where: Where = NOWHERE


class Protocol(StrEnum):
    """What a service speaks. HTTP: HTTP/1.1 and HTTP/2, told apart by what arrives; H2, GRPC: HTTP/2 alone;
    TCP: bytes that the mesh does not look at; UDP: datagrams, likewise."""

    HTTP = "http"
    H2 = "h2"
    GRPC = "grpc"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Transcode:
    """How it is known what a service can be asked as REST: by the api of a descriptor set, else by reflection."""

    descriptors: Path | None = None
    api: Api | None = None


class Probe(StrEnum):
    """How readiness is told. RUNNING: as soon as the process runs."""

    HTTP = "http"
    TCP = "tcp"
    GRPC = "grpc"
    LOG = "log"
    EXEC = "exec"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Ready:
    """The readiness probe. `target`: a path (HTTP), a regular expression (LOG), a shell command (EXEC), the full
    name of a gRPC service or "" for all of them (GRPC)."""

    probe: Probe
    target: str = ""
    every: float = 0.5
    timeout: float = 1.0
    within: float = 30.0


class RestartPolicy(StrEnum):
    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Restart:
    """Restarts wait backoff_min seconds, doubling up to backoff_max; after `max` in a row no more."""

    policy: RestartPolicy = RestartPolicy.ON_FAILURE
    backoff_min: float = 1.0
    backoff_max: float = 30.0
    max: int = 10


@dataclass(frozen=True, slots=True)
class Stop:
    """The signal to the process group, and the seconds until SIGKILL."""

    signal: str = "TERM"
    within: float = 10.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Replicas by load: as many as keep each at `rps` requests a second or below, from `min` to `max`."""

    min: int
    max: int
    rps: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Files whose change concerns a running service. Globs count from `root`; what .gitignore names is left out.

    `signal` is sent to its process group (`"HUP"`); "": the service is restarted.
    """

    root: Path
    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    signal: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """When a task runs at `up`. always: each time; else once, and again when what `changed` names (globs that count
    from `root`) is not as it was when the task last completed."""

    always: bool = True
    changed: tuple[str, ...] = ()
    root: Path = Path()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. request: from its head to the end of the answer; idle: no byte either way, `inf` for no limit."""

    request: float | None = None
    connect: float = 1.0
    idle: float = 300.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What a service is spared: `requests` may be under way at once, all its endpoints together, and `waiting` more
    wait for one of them to be over."""

    requests: int = 1024
    waiting: int = 1024


@dataclass(frozen=True, slots=True)
class EnvFile:
    path: Path
    optional: bool
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Process:
    """What services and tasks have in common: a program in an environment."""

    command: Command
    cwd: Path
    env: Mapping[str, Template] = field(default_factory=dict)
    env_files: tuple[EnvFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A name that people call. It has either a process (we start it) or addresses (it lives elsewhere).

    `listen` is one more address at which the mesh takes calls to it, the same for all callers.
    `port` is what its program listens on; None with `has_port`: the mesh chooses one for each replica.
    `replicas` is how many it starts with; with `scale` their number follows the load. `profiles`: started only
    where one of them is asked for; empty: always. `protocol`: None where nothing was said. `egress`: what it may reach
    that is no service; `tls`: of one whose addresses speak it.
    """

    name: str
    process: Process | None = None
    addresses: tuple[Dialable, ...] = ()
    has_port: bool = True
    port: int | None = None
    listen: Address | None = None
    protocol: Protocol | None = None
    transcode: Transcode | None = None
    depends_on: tuple[Dependency, ...] = ()
    calls: tuple[str, ...] = ()
    ready: Ready = Ready(Probe.RUNNING)
    restart: Restart = Restart()
    stop: Stop = Stop()
    replicas: int = 1
    scale: Scale | None = None
    profiles: tuple[str, ...] = ()
    watch: Watch | None = None
    timeouts: Timeouts = Timeouts()
    breaker: Breaker | None = Breaker()
    auth: Auth | None = None
    tls: Origination = Origination()
    egress: tuple[Listed, ...] = ()
    rules: Rules = Rules()
    where: Where = NOWHERE

    @property
    def opaque(self) -> bool:
        """What is said to it is bytes, which the mesh passes on and does not look at."""
        return self.protocol is Protocol.TCP or self.datagrams

    @property
    def datagrams(self) -> bool:
        """What is said to it comes in datagrams, without a connection."""
        return self.protocol is Protocol.UDP

    @property
    def callees(self) -> tuple[str, ...]:
        """The services that this one may call, in order of mention, each once.

        Tasks among the dependencies are in here too: whoever compiles leaves out what takes no calls.
        """
        return tuple(dict.fromkeys((*(dependency.name for dependency in self.depends_on), *self.calls)))


@dataclass(frozen=True, slots=True)
class Task:
    """Runs to its end before those that depend on it."""

    name: str
    process: Process
    depends_on: tuple[Dependency, ...] = ()
    calls: tuple[str, ...] = ()
    stop: Stop = Stop()
    when: When = When()
    egress: tuple[Listed, ...] = ()
    where: Where = NOWHERE

    @property
    def callees(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(dependency.name for dependency in self.depends_on), *self.calls)))
