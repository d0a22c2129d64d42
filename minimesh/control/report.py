"""What a running mesh says to whoever started it: typed events, so that a terminal can say it well."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from minimesh.model.project import Project


@dataclass(frozen=True, slots=True)
class UpOptions:
    """How to start. root: the folder of the state folder; file: the minimesh.toml (None: `root`'s own).

    project: a ready-made one instead of a file, with the warnings that its reading gave. only: these services and
    what they depend on (empty: all whose profile is on). further, overrides: what is merged into the file, as
    `minimesh.spec.load` takes it. profiles: those asked for. watch: read
    the files again when one of them changes. alone: `only` wait for nobody, and bring nobody with them.
    """

    root: Path
    file: Path | None = None
    project: Project | None = None
    only: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    further: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    alone: bool = False
    watch: bool = False


@dataclass(frozen=True, slots=True)
class ConfigOk:
    """again: of a mesh that was running before, whose start was told already."""

    project: Project
    seconds: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class IdentityOk:
    """Everybody has a certificate. root_made: the project has a root of its own since just now. ttl: seconds that a
    certificate lives."""

    root_made: bool
    certificates: int
    ttl: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Note:
    """A warning, or what was found of an earlier run."""

    message: str


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """What happened to a replica of a service or to a task. kind is its new state (`minimesh.supervise.State`).

    message: a short line, such as `ready: GET /healthz 200` or `waiting for api: not ready`. The same kind comes again
    when the message has changed. listen: host:port; seconds: since the mesh began to start.
    """

    service: str
    replica: int
    kind: str
    message: str
    listen: str | None
    pid: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class LogLine:
    service: str
    replica: int
    stream: str
    line: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing moves any more. url: of the gateway. failed: what was asked for and is not there; it may still come."""

    seconds: float
    url: str | None
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The program was replaced under a running mesh. before, version: of the program; seconds: that callers waited.

    services: those that run on. cut: exchanges that did not finish in time."""

    before: str
    version: str
    seconds: float
    services: int
    cut: int


@dataclass(frozen=True, slots=True)
class Stopping:
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """left: processes that could not be ended. cut: exchanges that did not finish in time."""

    services: int
    seconds: float
    left: int
    cut: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the mesh cannot run: `error[MMnnn]: message`, then evidence, then something to paste."""

    code: str
    message: str
    where: str = ""
    evidence: Sequence[str] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that needs a person, while the mesh runs on."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Refused:
    """Changed files cannot be used, so nothing was changed: each mistake as `minimesh validate` tells it."""

    mistakes: tuple[str, ...]


Event: TypeAlias = (
    ConfigOk
    | IdentityOk
    | Note
    | ServiceEvent
    | LogLine
    | Ready
    | Upgraded
    | Stopping
    | Stopped
    | Problem
    | Trouble
    | Refused
)


class Reporter(Protocol):
    """Called on a thread of its own, one event at a time: a terminal that is stopped holds up nobody.

    Log lines that it does not keep up with are left out, and a Note says how many."""

    def __call__(self, event: Event, /) -> None: ...


def say_nothing(event: Event, /) -> None:
    """The reporter of a mesh that nobody watches."""
