"""`minimesh up`: takes the folder and runs the mesh until it is told to stop.

As a program, `python -m minimesh.control.daemon` with the words of `minimesh.control.arguments`, it is the mesh of a
terminal that goes on without it.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import anyio
from anyio import to_thread

from minimesh.control import codes, tune
from minimesh.control.arguments import parse
from minimesh.control.crash import write_crash
from minimesh.control.lock import Lock, LockedError
from minimesh.control.mesh import Mesh
from minimesh.control.paths import StateFolder, UnsafeFolderError
from minimesh.control.prepare import chosen_codec, prepare, take_over
from minimesh.control.reader import read
from minimesh.control.registry import Entry, registered
from minimesh.control.report import (
    ConfigOk,
    Event,
    LogLine,
    Note,
    Problem,
    Ready,
    Reporter,
    ServiceEvent,
    Stopped,
    Stopping,
    Trouble,
    UpOptions,
)
from minimesh.control.settle import StartError
from minimesh.control.socket import bind_control_socket
from minimesh.control.teller import Teller
from minimesh.dataplane import DataPlane
from minimesh.model.clock import Clock, SystemClock
from minimesh.spec.load import Loaded
from minimesh.spec.problem import SpecError
from minimesh.spec.render import render
from minimesh.supervise.runfile import read_run
from minimesh.telemetry import Telemetry

TELL_PATIENCE = 2.0
EXIT_FAILED, EXIT_CONFIG = 1, 2


def run(options: UpOptions, reporter: Reporter) -> int:
    """Runs a mesh in this thread until it has stopped; returns the exit code.

    Everything else goes to the reporter, what keeps the mesh from running too (as a Problem). Raises SpecError for a
    minimesh.toml that cannot be used.
    """
    clock = SystemClock()
    began = clock.monotonic()
    loaded = read(options)
    teller = Teller(reporter)
    try:
        teller(ConfigOk(loaded.project, clock.monotonic() - began))
        return _run(options, loaded, StateFolder(options.root), clock, teller)
    finally:
        teller.close(TELL_PATIENCE)


def _run(options: UpOptions, loaded: Loaded, folder: StateFolder, clock: Clock, report: Reporter) -> int:
    try:
        folder.create()
        with Lock(folder.lock):
            tune.tune_process()
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(_live(options, loaded, folder, clock, report))
            folder.run.unlink(missing_ok=True)
            folder.leaders.unlink(missing_ok=True)
    except StartError as error:
        report(error.problem)
    except LockedError:
        report(_already_running(folder))
    except (UnsafeFolderError, OSError) as error:
        report(Problem(codes.STATE_FOLDER, f"cannot use {folder.path}: {error}"))
    except SpecError:
        raise
    except Exception as error:  # noqa: BLE001 - the edge: a person gets a sentence, the file has the rest
        report(write_crash(folder.path, _cause(error), clock))
    else:
        return 0
    return EXIT_FAILED


def _cause(error: Exception) -> Exception:
    """The one error in a group of one: tasks wrap what they raise."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _live(options: UpOptions, loaded: Loaded, folder: StateFolder, clock: Clock, report: Reporter) -> None:
    codec = chosen_codec()
    this_run = await take_over(folder, clock, report)
    telemetry = Telemetry(clock)
    plane = DataPlane(asyncio.get_running_loop(), clock, telemetry, codec=codec)
    try:
        prepared, snapshot = prepare(options, loaded, folder, this_run, plane)
        mesh = Mesh(prepared, snapshot, plane, telemetry, codec, clock, report)
        listener = bind_control_socket(folder)
    except BaseException:
        plane.close()
        folder.run.unlink(missing_ok=True)
        raise
    for warning in prepared.world.warnings:
        mesh.telling.note(warning)
    entry = Entry(str(folder.root), mesh.project.name, os.getpid(), listener.getsockname())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, mesh, listener, lambda error: report(write_crash(folder.path, error, clock)))
        with _signals(mesh), registered(entry):
            await mesh.run()


async def _serve(mesh: Mesh, listener: socket.socket, on_crash: Callable[[Exception], None]) -> None:
    """The control API, until the mesh has stopped. Its web framework is loaded while services start already."""
    api, server = await to_thread.run_sync(_load_api)
    async with server.serving(api.application(mesh, on_crash), listener):
        await mesh.ended.wait()


def _load_api() -> tuple[ModuleType, ModuleType]:
    from minimesh.control import api, server  # noqa: PLC0415

    return api, server


@contextmanager
def _signals(mesh: Mesh) -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP stops the mesh, a second SIGINT kills what still runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handlers: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGINT: lambda: mesh.kill() if mesh.stopping else mesh.stop(),
        signal.SIGTERM: mesh.stop,
        signal.SIGHUP: mesh.stop,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _already_running(folder: StateFolder) -> Problem:
    holder = read_run(folder.run)
    evidence = (f"pid {holder.pid}",) if holder else ()
    return Problem(
        codes.ALREADY_RUNNING, f"a mesh is running in {folder.root}", evidence=evidence, help="minimesh down"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry of `python -m minimesh.control.daemon`."""
    options, detached = parse(arguments)
    if detached:
        _detach(StateFolder(options.root))
    try:
        return run(options, _write)
    except SpecError as error:
        sys.stderr.write("".join(f"{render(problem)}\n" for problem in error.problems))
        return EXIT_CONFIG


def _detach(folder: StateFolder) -> None:
    """Standard output and error become the log of the mesh, standard input nothing."""
    folder.create()
    log = os.open(folder.mesh_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)


def _write(event: Event) -> None:
    """A plain line for what happens to the mesh; the services have logs of their own."""
    match event:
        case LogLine() | ConfigOk() | ServiceEvent():
            return
        case Note():
            line = f"note: {event.message}"
        case Problem():
            line = _error(event)
        case Trouble():
            line = _error(event.problem)
        case Ready():
            line = f"ready in {event.seconds:.1f} s   {event.url or ''}"
        case Stopping():
            line = f"stopping {', '.join(event.services)}"
        case Stopped():
            line = f"stopped {event.services} in {event.seconds:.1f} s, {event.left} processes left"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _error(problem: Problem) -> str:
    help_ = (f"help: {problem.help}",) if problem.help else ()
    return "\n  ".join([f"error[{problem.code}]: {problem.message}", *problem.evidence, *help_])


if __name__ == "__main__":
    sys.exit(main())
