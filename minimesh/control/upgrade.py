"""Replacing the program under a running mesh: execve(2) in the same process, so that its children stay its own.

Nothing is taken apart before: until the very call, everything can go on as it was, and does where the call fails.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from socket import socket

import anyio
from anyio import to_thread

from minimesh.control import handover, signals, unchanged
from minimesh.control.bequeath import bequest
from minimesh.control.handover import HandoverError
from minimesh.control.lock import Lock
from minimesh.control.mesh import Mesh
from minimesh.control.report import UpOptions
from minimesh.control.teller import Teller
from minimesh.model.project import Project

CHECK_PATIENCE = 30.0
"""Seconds that the new program gets to say that it can go on."""
STILL_PATIENCE = 30.0
"""Seconds to wait for services that are stopping or starting, before callers are made to wait."""
LAST_PATIENCE = 2.0
"""Seconds for the rest, while callers wait already: a service that ends just now, a terminal that stands still."""
LOOK_EVERY = 0.005


@dataclass(frozen=True, slots=True)
class Rerun:
    """What the next image needs of this one, beside the mesh. command: what was typed, None where that is not known.

    read: the project as its files have it now; raises SpecError. on_crash: is told of a mistake of ours.
    """

    command: Sequence[str] | None
    read: Callable[[UpOptions], Project]
    lock: Lock
    control: socket
    teller: Teller
    on_crash: Callable[[Exception], None]


class Upgrader:
    """One upgrade at a time, of one mesh."""

    def __init__(self, mesh: Mesh, rerun: Rerun) -> None:
        self._mesh = mesh
        self._rerun = rerun
        self.under_way = False
        self._prints: unchanged.Prints = {}

    async def begin(self) -> str:
        """As `check`; nobody else can begin until this one has been `run`, unless it raises."""
        self.under_way = True
        try:
            version, self._prints = await self._checked()
            self._check_not_stopping()
            return version
        except BaseException:
            self.under_way = False
            raise

    async def check(self) -> str:
        """The version of the program that is installed, which says that it can go on. Raises HandoverError, and
        SpecError for a minimesh.toml that cannot be used."""
        version, _ = await self._checked()
        return version

    async def _checked(self) -> tuple[str, unchanged.Prints]:
        """With what the files are, which they have to be until the last moment."""
        command = self._rerun.command
        if command is None or not sys.executable:
            raise HandoverError("this mesh is a part of another program")
        world = self._mesh.world
        prints = await to_thread.run_sync(unchanged.prints, world, self._mesh.clock.wall())
        project = await to_thread.run_sync(self._rerun.read, world.options)
        if different := await to_thread.run_sync(unchanged.difference_of, world, project):
            raise HandoverError(f"{different} is not what this mesh runs any more: reload it first")
        return await to_thread.run_sync(_ask, [sys.executable, *command[1:]]), prints

    async def run(self, within: float | None) -> None:
        """What `begin` has begun; does not return where all goes well. A failure is noted, and the mesh goes on.

        within: seconds that an exchange may last, None for the longest time that a service has to stop."""
        try:
            async with self._mesh.changes.lock:
                await self._wait_until_still(STILL_PATIENCE)
                await self._replace(self._longest_stop() if within is None else within)
        except HandoverError as error:
            self._mesh.upgrade_failed(str(error), self._mesh.image)
        except Exception as error:  # noqa: BLE001 - a mistake here must not end the mesh, nor leave anybody waiting
            self._rerun.on_crash(error)
            self._mesh.upgrade_failed(f"{type(error).__name__}: {error}", self._mesh.image)
        finally:
            self.under_way = False

    def _check_unchanged(self) -> None:
        if not unchanged.are_same(self._prints, unchanged.prints(self._mesh.world, self._mesh.clock.wall())):
            raise HandoverError("a file of the project has changed meanwhile: reload it, then upgrade again")

    def _longest_stop(self) -> float:
        return max((program.stop.within for program in self._mesh.world.programs), default=0.0)

    async def _wait_until_still(self, patience: float) -> None:
        until = self._mesh.clock.monotonic() + patience
        while not self._mesh.supervisor.still():
            self._check_not_stopping()
            if self._mesh.clock.monotonic() > until:
                moving = ", ".join(sorted({each.name for each in self._mesh.supervisor.status() if each.pid}))
                raise HandoverError(f"after {patience:g} s something still starts or stops, of {moving}")
            await anyio.sleep(LOOK_EVERY)

    async def _replace(self, within: float) -> None:
        mesh, began = self._mesh, self._mesh.clock.monotonic()
        with self._frozen():
            await self._drain(began, within)
            cut = mesh.plane.cut_busy()
            async with self._written():
                with signals.kept() as pipe:
                    await anyio.sleep(LOOK_EVERY)  # the loop learns of those that came before
                    await self._wait_until_still(LAST_PATIENCE)
                    self._check_not_stopping()
                    # From here to the end nothing else runs in this thread, and no other thread matters.
                    self._check_unchanged()
                    self._check_written(mesh.logs.flush(LAST_PATIENCE))
                    lock, control = self._rerun.lock.descriptor, self._rerun.control.fileno()
                    self._become(bequest(mesh, lock, control, pipe, began, cut))

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        self._mesh.plane.freeze()
        try:
            yield
        finally:
            self._mesh.plane.thaw()

    async def _drain(self, began: float, within: float) -> None:
        """Until every exchange has ended or is older than `within`: what lasts so long is a stream, and not waited for.
        Tunnels are none of both: they end when they like."""
        clock = self._mesh.clock
        while self._mesh.plane.busy(clock.monotonic() - within) and clock.monotonic() - began < within:
            self._check_not_stopping()
            await anyio.sleep(LOOK_EVERY)

    def _check_not_stopping(self) -> None:
        if self._mesh.stopping:
            raise HandoverError("the mesh is being stopped")

    def _check_written(self, written: bool) -> None:
        """What a thread of ours has not written when the next image begins is written by nobody."""
        if not written:
            raise HandoverError("the disk does not keep up with what services write")

    @asynccontextmanager
    async def _written(self) -> AsyncIterator[None]:
        """What was said is on the terminal, and what was recorded in the access log; the rest stays in the pipes."""
        mesh, teller = self._mesh, self._rerun.teller
        mesh.supervisor.hold_output(True)
        try:
            with anyio.move_on_after(LAST_PATIENCE):
                self._check_written(await to_thread.run_sync(mesh.logs.flush, LAST_PATIENCE))
                while teller.behind:
                    await to_thread.run_sync(teller.flush, LAST_PATIENCE)
            async with mesh.access_log.held():
                yield
        finally:
            mesh.supervisor.hold_output(False)

    def _become(self, envelope: handover.Envelope) -> None:
        command = self._rerun.command
        assert command is not None
        descriptor = handover.store(envelope)
        kept = [envelope["lock"], envelope["signals"], *(each for each, _ in envelope["descriptors"])]
        _inheritable(kept, True)
        try:
            environ = {**os.environ, handover.VARIABLE: str(descriptor)}
            os.execve(sys.executable, [sys.executable, *command[1:]], environ)
        except OSError as error:
            raise HandoverError(f"cannot start {sys.executable}: {error.strerror}") from error
        finally:
            _inheritable(kept, False)
            os.close(descriptor)


def _inheritable(descriptors: Sequence[int], yes: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, yes)


def _ask(command: Sequence[str]) -> str:
    """Has the program start, read what it is told to run, and say so. Raises HandoverError."""
    reading, writing = os.pipe()
    try:
        reply, said = _reply(command, reading, writing)
    finally:
        os.close(reading)
    version = handover.understood(reply)
    if version is None:
        raise HandoverError(f"the program that is installed does not start: {said}")
    return version


def _reply(command: Sequence[str], reading: int, writing: int) -> tuple[bytes, str]:
    try:
        ran = subprocess.run(
            command,
            env={**os.environ, handover.CHECK_VARIABLE: str(writing)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            timeout=CHECK_PATIENCE,
            check=False,
        )
    except OSError as error:
        raise HandoverError(f"cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise HandoverError(f"the program that is installed said nothing in {CHECK_PATIENCE:g} s") from error
    finally:
        os.close(writing)
    os.set_blocking(reading, False)
    reply = b""
    with suppress(BlockingIOError):
        reply = os.read(reading, 64 * 1024)
    return reply, _telling(ran.stdout.decode(errors="replace").splitlines()) or f"it ended with {ran.returncode}"


def _telling(lines: Sequence[str]) -> str:
    """The line that says what is wrong: an error of ours, or the end of a traceback."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line.partition(": ")[2] for line in said if line.startswith("error[")]
    return next(iter((*errors, *reversed(said))), "")
