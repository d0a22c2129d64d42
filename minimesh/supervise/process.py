"""One process in a group of its own: started, listened to, waited for.

Popen, a pidfd and plain pipes rather than the loop's subprocesses: the same under uvloop and asyncio, nobody
else waits for our children, what was written before the end can be read at the end, and the pipes are ours
to keep.
"""

import asyncio
import errno
import os
import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import anyio

from minimesh.supervise.children import RUN_VARIABLE, Children
from minimesh.supervise.inherited import Inherited, ProcessState, partial_from, partial_state
from minimesh.supervise.kin import INSTANCE_VARIABLE
from minimesh.supervise.lines import LineCutter
from minimesh.supervise.logs import Stream

CHUNK = 16 * 1024
"""Bytes read in one turn of the loop: a service that floods its log must not hold up requests."""
LAST_WORDS = 64
"""Chunks read at the end at most: a pipe holds 64 KiB, but whoever left the group may go on writing."""
ASK_EVERY = 0.05
_TEMPORARY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

HAS_PRLIMIT = hasattr(resource, "prlimit")

Output = Callable[[Stream, list[str]], None]


class SpawnError(Exception):
    """The program cannot be started; the text says why. `hopeless`: nor can it be a second later."""

    def __init__(self, text: str, *, hopeless: bool) -> None:
        super().__init__(text)
        self.hopeless = hopeless


@dataclass(frozen=True, slots=True)
class Spawner:
    """What all processes of a run share. `descriptors`: their soft limit of open files, None for the mesh's."""

    run_id: str
    children: Children
    descriptors: int | None = None

    def spawn(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: Output, instance: str) -> "Process":
        """Starts a program in a session and group of its own. instance: what its processes are known by.

        Raises SpawnError.
        """
        full = {"PYTHONUNBUFFERED": "1", **env, RUN_VARIABLE: self.run_id, INSTANCE_VARIABLE: instance}
        try:
            popen = subprocess.Popen(
                argv if HAS_PRLIMIT else limited(argv, self.descriptors),
                cwd=cwd,
                env=full,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _spawn_error(error, argv[0], cwd) from error
        self.children.add(popen.pid)
        if HAS_PRLIMIT and self.descriptors is not None:
            _limit_descriptors(popen.pid, self.descriptors)
        return Process(popen, self.children, output)

    def inherit(self, state: ProcessState, output: Output) -> "Process":
        """A process that an earlier image of this program started."""
        self.children.add(state["pid"])
        cutters = {Stream(name): LineCutter(*partial_from(partial)) for name, partial in state["partial"].items()}
        return Process(Inherited(state), self.children, output, cutters)


class Child(Protocol):
    """What is needed of a Popen."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def stderr(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...


class Process:
    """A started process. Its output comes to a callback, in the order in which the pipes give it."""

    def __init__(
        self, popen: Child, children: Children, output: Output, cutters: Mapping[Stream, LineCutter] | None = None
    ) -> None:
        """cutters: with the beginnings of lines that were read before."""
        self._popen = popen
        self._children = children
        self._output = output
        self._pidfd = _pidfd(popen.pid)
        self._cutters: dict[int, tuple[Stream, LineCutter]] = {}
        self._loop = asyncio.get_running_loop()
        for pipe, stream in ((popen.stdout, Stream.STDOUT), (popen.stderr, Stream.STDERR)):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._cutters[pipe.fileno()] = (stream, (cutters or {}).get(stream) or LineCutter())
            self._loop.add_reader(pipe.fileno(), self._read, pipe.fileno())

    @property
    def pid(self) -> int:
        """Also the number of its group and session."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def waited_for(self) -> bool:
        """Somebody has asked for its exit code and got it."""
        return self._popen.returncode is not None

    async def wait(self) -> int:
        """Returns the exit code as soon as the process has ended."""
        if self._pidfd is not None and self.poll() is None:
            await anyio.wait_readable(self._pidfd)
        while (code := self.poll()) is None:  # noqa: ASYNC110 - only where there is no pidfd
            await anyio.sleep(ASK_EVERY)
        return code

    def drain(self) -> None:
        """Takes what is in the pipes."""
        for fd in tuple(self._cutters):
            for _ in range(LAST_WORDS):
                if not self._read(fd):
                    break

    def close(self) -> None:
        """After the end: lets go of pipes and pid. Whoever still holds a pipe's other end loses it."""
        self.drain()
        for fd in tuple(self._cutters):
            self._shut(fd)
        for pipe in (self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            pipe.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        self._children.remove(self.pid)

    def hold(self) -> None:
        """Reads no output, until `release`: the pipes keep it."""
        for fd in self._cutters:
            self._loop.remove_reader(fd)

    def release(self) -> None:
        for fd in self._cutters:
            self._loop.add_reader(fd, self._read, fd)

    def hand_over(self) -> ProcessState:
        """For the next image of this program."""
        stdout, stderr = self._popen.stdout, self._popen.stderr
        assert stdout is not None
        assert stderr is not None
        partial = {stream.value: partial_state(*cutter.rest) for stream, cutter in self._cutters.values()}
        return {"pid": self.pid, "stdout": stdout.fileno(), "stderr": stderr.fileno(), "partial": partial}

    def _read(self, fd: int) -> bool:
        stream, cutter = self._cutters[fd]
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._hand_over(stream, cutter.feed(data))
        else:
            self._shut(fd)
        return bool(data)

    def _shut(self, fd: int) -> None:
        stream, cutter = self._cutters.pop(fd)
        self._loop.remove_reader(fd)
        self._hand_over(stream, cutter.end())

    def _hand_over(self, stream: Stream, lines: list[str]) -> None:
        if lines:
            self._output(stream, lines)


def _pidfd(pid: int) -> int | None:
    """None where there is no such thing: the process is then asked ASK_EVERY."""
    with suppress(AttributeError, OSError):
        return os.pidfd_open(pid)
    return None


def _limit_descriptors(pid: int, soft: int) -> None:
    """prlimit(2) right after the start, where there is one: `limited` comes without the short moment of the
    higher limit, but its shell drops variables whose names it does not like and hides which program was
    not found."""
    with suppress(OSError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        within = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (within, hard))


def limited(argv: Sequence[str], soft: int | None) -> Sequence[str]:
    """The same program with a soft limit of descriptors, by way of a shell that becomes it."""
    if soft is None:
        return argv
    return ("/bin/sh", "-c", 'ulimit -Sn "$0" && exec "$@"', str(soft), *argv)


def _spawn_error(error: OSError | ValueError, program: str, cwd: Path) -> SpawnError:
    if isinstance(error, ValueError):
        return SpawnError(f"cannot start {program!r}: {error}", hopeless=True)
    if not cwd.is_dir():
        return SpawnError(f"cannot start: the folder {cwd} does not exist", hopeless=True)
    match error:
        case FileNotFoundError():
            return SpawnError(f"cannot start: there is no program {program}", hopeless=True)
        case PermissionError():
            return SpawnError(f"cannot start: {program} is not executable", hopeless=True)
        case _:
            temporary = isinstance(error, BlockingIOError) or error.errno in _TEMPORARY
            return SpawnError(f"cannot start {program}: {error.strerror}", hopeless=not temporary)
