"""What one image of the mesh leaves to the next across execve(2): a value in a file that has no name.

The value is JSON: the next image is another version, as a rule. Its outer part never changes, so that an image that
cannot read the rest can at least end what the other one has started. See docs/architecture.md.
"""

import gc
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, NotRequired, TypedDict, cast

from minimesh import __version__
from minimesh.control.views import EventView, MeshState
from minimesh.supervise.inherited import SupervisorState
from minimesh.telemetry.keep import CountState

FORMAT = 1
READABLE = frozenset({FORMAT})
"""Formats of `body` that this version understands."""
VARIABLE = "MINIMESH_HANDOVER"
"""In the environment of the next image: the descriptor of the value."""
CHECK_VARIABLE = "MINIMESH_HANDOVER_CHECK"
"""In the environment of a program that is only asked whether it could be the next image: where to answer."""


class ConnectionState(TypedDict):
    """An idle connection; `early`: base64 of what was read of it but not understood yet."""

    descriptor: int
    early: str


class ListenerState(TypedDict):
    """A listener's socket and its idle connections."""

    name: str
    descriptor: int
    connections: list[ConnectionState]


class PoolState(TypedDict):
    """Idle connections to an endpoint."""

    service: str
    endpoint: str
    connections: list[int]


class LayoutState(TypedDict):
    """See minimesh.control.layout.Layout. Keys are caller and callee, service and replica, before their port."""

    gateway: tuple[str, int] | None
    outbound: list[tuple[str, str, str, int]]
    replicas: list[tuple[str, int, int]]
    proxies: list[tuple[str, str, int]]


class OptionsState(TypedDict):
    """What was asked for since the start too; see minimesh.control.report.UpOptions."""

    only: list[str]
    profiles: list[str]
    further: list[str]
    overrides: list[str]
    watch: bool


class LogState(TypedDict):
    """The latest lines of a service: time, replica, stream, text, and the monotonic time that orders them."""

    service: str
    lines: list[tuple[float, int, str, str, float]]


AddressState = tuple[str, int] | tuple[str, int, bool] | tuple[str]
"""Host and port, and that it speaks TLS where it does; or the path of a socket file."""


class KeyState(TypedDict):
    """An intermediate with its key: PEM, see minimesh.identity.authority.Authority."""

    certificate: str
    chain: list[str]
    root: str
    key: str


class SvidState(TypedDict):
    """See minimesh.identity.svid.Svid; serial and issuer in hexadecimal."""

    trust_domain: str
    service: str
    serial: str
    not_before: float
    not_after: float
    chain: list[str]
    key: str
    issuer: str


class IdentityState(TypedDict):
    """What of the authority was in memory alone."""

    keys: list[KeyState]
    svids: list[SvidState]


class Body(TypedDict):
    """A running mesh. Times are monotonic, but for `started` and `watched`.

    watched: wall time up to which every change of a watched file has been seen to. frozen_at: when it began to let
    callers wait. cut: exchanges that did not end in time. control: descriptor of the
    control socket. limit: soft limit of descriptors that programs get. scaled: of services, the replicas asked for and
    those that the file had then. endpoints: of each service, name and addresses. guests: pid, service and start of
    processes that were let in as one.
    """

    started: float
    watched: float
    frozen_at: float
    cut: int
    state: MeshState
    began: float
    control: int
    limit: int | None
    start: list[str]
    options: OptionsState
    scaled: dict[str, tuple[int, int]]
    layout: LayoutState
    generation: int
    endpoints: dict[str, list[tuple[str, list[AddressState]]]]
    listeners: list[ListenerState]
    pools: list[PoolState]
    supervisor: SupervisorState
    count: CountState
    logs: list[LogState]
    journal: list[EventView]
    identity: NotRequired[IdentityState]
    guests: NotRequired[list[tuple[int, str, int]]]


class Envelope(TypedDict):
    """The part that never changes. version, image: of who wrote it. descriptors: all that are open for the next image
    alone, each with its inode; not among them: those of the lock, and of a pipe with the numbers of signals that came
    meanwhile."""

    format: int
    version: str
    run_id: str
    image: int
    lock: int
    signals: int
    descriptors: list[tuple[int, int]]
    body: Body


class HandoverError(Exception):
    """What was left cannot be taken over; the text says why."""


class Heir:
    """What an earlier image of this process has left."""

    def __init__(self, envelope: Envelope) -> None:
        self.version = envelope["version"]
        self.run_id = envelope["run_id"]
        self.lock = envelope["lock"]
        self.signals = envelope["signals"]
        self.image = envelope["image"]
        self.problem: str | None = None
        """Why it could not be taken over; nothing of it is left then."""
        self.taken = False
        """Whoever has it is responsible for what was left from now on."""
        self._envelope = envelope

    @property
    def body(self) -> Body:
        """Raises HandoverError where another version would be needed to read it."""
        if self._envelope["format"] not in READABLE:
            raise HandoverError(
                f"minimesh {self.version} left its state in format {self._envelope['format']}, "
                f"and {__version__} reads {', '.join(map(str, sorted(READABLE)))}"
            )
        return self._envelope["body"]

    def abandon(self) -> None:
        """Closes what was left open, but for the lock. What was taken over of it is closed by whoever did."""
        gc.collect()
        for descriptor, inode in self._envelope["descriptors"]:
            with suppress(OSError):
                if os.fstat(descriptor).st_ino == inode:
                    os.close(descriptor)

    def leaders(self) -> list[int]:
        """The pids of the programs that run, as far as they can be read."""
        with suppress(HandoverError, LookupError, TypeError):
            return [each["process"]["pid"] for each in self.body["supervisor"]["instances"] if "process" in each]
        return []

    def bury(self) -> None:
        """Waits for all children that have ended: whatever they are, nobody else does any more."""
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def seal(run_id: str, image: int, lock: int, signals: int, descriptors: Iterable[int], body: Body) -> Envelope:
    """The whole value."""
    return {
        "format": FORMAT,
        "version": __version__,
        "run_id": run_id,
        "image": image,
        "lock": lock,
        "signals": signals,
        "descriptors": [(each, os.fstat(each).st_ino) for each in descriptors],
        "body": body,
    }


def store(envelope: Envelope) -> int:
    """The descriptor of a file that holds the value, inheritable, in no folder: it may hold secrets."""
    descriptor = _nameless()
    data = memoryview(json.dumps(envelope, separators=(",", ":")).encode())
    while data:
        data = data[os.write(descriptor, data) :]
    os.set_inheritable(descriptor, True)
    return descriptor


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("minimesh-handover")
    with tempfile.TemporaryFile() as file:  # unlinked already, mode 0600
        return os.dup(file.fileno())


def due(environ: Mapping[str, str] = os.environ) -> bool:
    """This process is the next image of a running mesh, or is asked whether it could be."""
    return VARIABLE in environ or CHECK_VARIABLE in environ


def receive(environ: MutableMapping[str, str] = os.environ) -> Heir | None:
    """What an earlier image has left, if there was one. Nobody gets it twice."""
    given = environ.pop(VARIABLE, None)
    if given is None:
        return None
    with os.fdopen(int(given), "rb") as file:
        file.seek(0)
        return Heir(cast("Envelope", json.load(file)))


def asked(environ: MutableMapping[str, str] = os.environ) -> int | None:
    """Where to answer whether this program could be the next image."""
    given = environ.pop(CHECK_VARIABLE, None)
    return None if given is None else int(given)


def answer(descriptor: int) -> None:
    """Yes, as this version, if the state is in one of these formats."""
    os.write(descriptor, json.dumps({"version": __version__, "formats": sorted(READABLE)}).encode())


def understood(reply: bytes) -> str | None:
    """The version of a program that could be the next image; None: it did not say so. Raises HandoverError."""
    try:
        said: Any = json.loads(reply)
        version, formats = str(said["version"]), list(said["formats"])
    except (ValueError, KeyError, TypeError):
        return None
    if FORMAT not in formats:
        raise HandoverError(f"minimesh {version} cannot take over from {__version__}: it reads formats {formats}")
    return version
