"""What passes from one image of the mesh to the next about its programs, as JSON values, and the processes themselves.

After execve(2) the pid is the same, so the children are still ours to wait for; their pipes are open, and only what
was read of them without a line's end has to be passed on.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import IO, Any, NotRequired, TypedDict

from minimesh.supervise.status import InstanceStatus, State, Streak


class PartialState(TypedDict):
    """A line that has no end yet, in base64; `discarding`: the rest of it is too long to be kept."""

    text: str
    discarding: bool


class ProcessState(TypedDict):
    """A child and the descriptors of its pipes; `partial` by the names of the streams."""

    pid: int
    stdout: int
    stderr: int
    partial: dict[str, PartialState]


class InstanceState(TypedDict):
    """An instance between two turns of the loop; see Instance. Times are monotonic.

    alive: it has a life, so it waits, runs, or (again_at) will be started again. row: failures in a row. cause: of a
    crash loop. anew, turn: of a task, see minimesh.supervise.turns.
    """

    status: dict[str, Any]
    alive: bool
    row: int
    began: float
    ready_since: float | None
    again_at: float | None
    stderr: str
    cause: str
    anew: bool
    turn: tuple[str, str]
    process: NotRequired[ProcessState]


class SupervisorState(TypedDict):
    """adopted: children that came with a dead parent. strays: those that were started for a moment, for a probe."""

    instances: list[InstanceState]
    adopted: list[int]
    strays: list[int]


class Inherited:
    """A child of an earlier image, as `subprocess.Popen` shows its own."""

    def __init__(self, state: ProcessState) -> None:
        self.pid = state["pid"]
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = _pipe(state["stdout"])
        self.stderr: IO[bytes] | None = _pipe(state["stderr"])

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.returncode = 0  # as Popen has it: somebody else waited, and nobody knows any more
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _pipe(descriptor: int) -> IO[bytes]:
    os.set_inheritable(descriptor, False)
    return os.fdopen(descriptor, "rb", 0)


def status_state(status: InstanceStatus) -> dict[str, Any]:
    return asdict(status)


def status_from(state: Mapping[str, Any]) -> InstanceStatus:
    """Fields that are not known are left out, those that are missing have their defaults."""
    known = {field.name for field in fields(InstanceStatus)}
    given = {name: value for name, value in state.items() if name in known}
    streak = given.get("streak")
    return InstanceStatus(
        **{**given, "state": State(given["state"]), "streak": None if streak is None else Streak(**streak)}
    )


def partial_state(text: bytes, discarding: bool) -> PartialState:
    return {"text": b64encode(text).decode(), "discarding": discarding}


def partial_from(state: PartialState) -> tuple[bytes, bool]:
    return b64decode(state["text"]), state["discarding"]


def descriptors(state: SupervisorState) -> Iterator[int]:
    """Those that must stay open."""
    for instance in state["instances"]:
        if (process := instance.get("process")) is not None:
            yield process["stdout"]
            yield process["stderr"]
