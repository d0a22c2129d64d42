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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from random import Random
from types import ModuleType

import anyio
from anyio import to_thread

from minimesh.control import codes, handover, signals, tune
from minimesh.control.arguments import parse
from minimesh.control.auth.authentication import Authentication
from minimesh.control.auth.keyring import Keyring
from minimesh.control.certifier import Certifier, begun
from minimesh.control.crash import write_crash
from minimesh.control.handover import HandoverError, Heir
from minimesh.control.inherit import kept_from, mesh_from, options_from
from minimesh.control.lock import Lock, LockedError, last_holder
from minimesh.control.mesh import Mesh
from minimesh.control.paths import StateFolder, UnsafeFolderError
from minimesh.control.plain import Plain, detach
from minimesh.control.prepare import chosen_codec, prepare, take_over
from minimesh.control.reader import read
from minimesh.control.registry import Entry, registered
from minimesh.control.report import (
    ConfigOk,
    IdentityOk,
    Note,
    Problem,
    Reporter,
    UpOptions,
)
from minimesh.control.settle import StartError
from minimesh.control.socket import bind_control_socket, inherited_control_socket
from minimesh.control.state import opened_state
from minimesh.control.teller import Teller
from minimesh.control.upgrade import Rerun, Upgrader
from minimesh.dataplane import DataPlane
from minimesh.dataplane.authorizing import Authorizing
from minimesh.identity.trust import Trust
from minimesh.model.clock import Clock, SystemClock
from minimesh.spec.load import Loaded
from minimesh.spec.problem import SpecError
from minimesh.spec.render import render
from minimesh.supervise.group import send
from minimesh.supervise.leftovers import sweep
from minimesh.telemetry import Telemetry

_LAST_BREATH = 5.0
TELL_PATIENCE = 2.0
EXIT_FAILED, EXIT_CONFIG = 1, 2


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is about. command: what was typed, to be run again by an upgrade; None: it cannot be."""

    options: UpOptions
    loaded: Loaded
    folder: StateFolder
    clock: Clock
    teller: Teller
    command: Sequence[str] | None = None


def run(options: UpOptions, reporter: Reporter, command: Sequence[str] | None = None) -> int:
    """Runs a mesh in this thread until it has stopped; returns the exit code.

    Everything else goes to the reporter, what keeps the mesh from running too (as a Problem). Raises SpecError for a
    minimesh.toml that cannot be used. command: `sys.orig_argv` of a program that does nothing but this. It is run
    again when the mesh is upgraded, and then comes here to go on with what is running.
    """
    clock = SystemClock()
    began = clock.monotonic()
    heir = handover.receive()
    try:
        options = options if heir is None else options_from(heir, options)
        loaded = read(options)
    except SpecError:
        if heir is not None:
            anyio.run(_end_all, heir, clock)
        raise
    if (asker := handover.asked()) is not None:
        _load_api()
        handover.answer(asker)
        return 0
    teller = Teller(reporter)
    try:
        teller(ConfigOk(loaded.project, clock.monotonic() - began, again=heir is not None))
        return _run(Setting(options, loaded, StateFolder(options.root), clock, teller, command), heir)
    finally:
        teller.close(TELL_PATIENCE)


def _run(setting: Setting, heir: Heir | None) -> int:
    folder, report = setting.folder, setting.teller
    try:
        folder.create()
        with Lock(folder.lock, heir.lock if heir else None) as lock:
            tune.tune_process()
            if heir is None or not _go_on(setting, lock, heir):
                with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                    runner.run(_live(setting, lock, heir))
            folder.run.unlink(missing_ok=True)
            folder.leaders.unlink(missing_ok=True)
    except StartError as error:
        report(error.problem)
    except LockedError:
        report(_already_running(folder))
    except (UnsafeFolderError, OSError) as error:
        report(_unusable(folder, error))
    except SpecError:
        raise
    except Exception as error:  # noqa: BLE001 - the edge: a person gets a sentence, the file has the rest
        report(write_crash(folder.path, _cause(error), setting.clock))
    else:
        return 0
    return EXIT_FAILED


def _go_on(setting: Setting, lock: Lock, heir: Heir) -> bool:
    """Runs the mesh that an earlier image has left. False: that did not work, and nothing of it is left."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_live(setting, lock, heir))
    except Exception as error:
        if heir.taken:
            raise
        cause = _cause(error)
        if not isinstance(cause, HandoverError):
            setting.teller(Note(write_crash(setting.folder.path, cause, setting.clock).message))
        heir.problem = f"could not go on where minimesh {heir.version} was, so everything starts anew: {cause}"
        anyio.run(_end_all, heir, setting.clock)
        return False
    return True


async def _end_all(heir: Heir, clock: Clock) -> None:
    """Nothing of what an earlier image has left is kept."""
    heir.abandon()
    leaders = heir.leaders()
    for pid in leaders:
        send(pid, signal.SIGKILL)
    await sweep([heir.run_id], clock, bury=heir.bury)
    # A program that is on its way out is not found any more, and cannot be buried yet.
    with anyio.move_on_after(_LAST_BREATH):
        for pid in leaders:
            with suppress(ChildProcessError):
                await to_thread.run_sync(os.waitpid, pid, 0, abandon_on_cancel=True)


def _cause(error: Exception) -> Exception:
    """The one error in a group of one: tasks wrap what they raise."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _live(setting: Setting, lock: Lock, heir: Heir | None) -> None:
    folder, clock, report = setting.folder, setting.clock, setting.teller
    codec = chosen_codec()
    telemetry = Telemetry(clock)
    goes_on = heir if heir is not None and heir.problem is None else None
    async with _certified(setting, goes_on) as certifier:
        keyring = Keyring(certifier.store, clock.wall)
        await keyring.load()
        auth = Authentication(folder, keyring, clock)
        auth.take(setting.loaded.project)
        loop = asyncio.get_running_loop()
        rules = Authorizing(clock.wall, telemetry.counters, telemetry.audits)
        keepers = (auth.before, auth.behind, rules)
        plane = DataPlane(loop, clock, telemetry, codec=codec, gatekeepers=keepers, guardians=(rules,))
        auth.serve(plane)
        try:
            if goes_on is None:
                mesh, listener = await _begin(setting, plane, telemetry, certifier, auth)
            else:
                mesh = await mesh_from(
                    goes_on, setting.options, setting.loaded, plane, telemetry, certifier, auth, report
                )
                listener = inherited_control_socket(goes_on.body["control"])
        except BaseException:
            plane.close()
            raise
        if heir is not None and heir.problem is not None:
            mesh.upgrade_failed(heir.problem, heir.image + 1)

        def on_crash(error: Exception) -> None:
            report(write_crash(folder.path, error, clock))

        rerun = Rerun(setting.command, lambda options: read(options).project, lock, listener, report, on_crash)
        entry = Entry(str(folder.root), mesh.project.name, os.getpid(), listener.getsockname())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_serve, mesh, Upgrader(mesh, rerun), listener, on_crash)
            with _signals(mesh), registered(entry):
                if heir is not None:
                    heir.taken = True
                    signals.hear(heir.signals)
                await mesh.run()


@asynccontextmanager
async def _certified(setting: Setting, heir: Heir | None) -> AsyncIterator[Certifier]:
    """The authority of this run, with a certificate for everybody before anybody starts. Raises StartError."""
    folder, clock, project = setting.folder, setting.clock, setting.loaded.project
    began = clock.monotonic()
    store = await to_thread.run_sync(opened_state, folder)
    try:
        had_root = any(folder.ca.glob("*.key"))
        kept = kept_from(heir) if heir else None
        certifier = await begun(Trust(project.trust_domain), store, folder.ca, project, clock, Random(), kept)
        if heir is None:
            made = certifier.makes_its_own and not had_root
            count, ttl = len(certifier.trust.contents.svids), project.issuing.svid_ttl
            setting.teller(IdentityOk(made, count, ttl, clock.monotonic() - began))
        yield certifier
    finally:
        await to_thread.run_sync(store.close)


async def _begin(
    setting: Setting, plane: DataPlane, telemetry: Telemetry, certifier: Certifier, auth: Authentication
) -> tuple[Mesh, socket.socket]:
    """A mesh that starts, and its control socket."""
    folder, clock, report = setting.folder, setting.clock, setting.teller
    this_run = await take_over(folder, clock, report)
    try:
        prepared, snapshot = prepare(setting.options, setting.loaded, folder, this_run, plane)
        mesh = Mesh(prepared, snapshot, plane, telemetry, certifier, auth, clock, report)
        listener = bind_control_socket(folder)
    except BaseException:
        folder.run.unlink(missing_ok=True)
        raise
    for note in (*prepared.notes, *prepared.world.warnings):
        mesh.telling.note(note)
    return mesh, listener


async def _serve(
    mesh: Mesh, upgrader: Upgrader, listener: socket.socket, on_crash: Callable[[Exception], None]
) -> None:
    """The control API, until the mesh has stopped. Its web framework is loaded while services start already."""
    api, server = await to_thread.run_sync(_load_api)
    async with server.serving(api.application(mesh, upgrader, on_crash), listener):
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


def _unusable(folder: StateFolder, error: Exception) -> Problem:
    return Problem(codes.STATE_FOLDER, f"cannot use {folder.path}: {error}")


def _already_running(folder: StateFolder) -> Problem:
    holder = last_holder(folder.lock)
    evidence = (f"pid {holder}",) if holder else ()
    return Problem(
        codes.ALREADY_RUNNING, f"a mesh is running in {folder.root}", evidence=evidence, help="minimesh down"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry of `python -m minimesh.control.daemon`."""
    options, detached = parse(arguments)
    folder, starter = StateFolder(options.root), None
    try:
        if detached and not handover.due():
            starter = detach(folder)
        return run(options, Plain(starter), sys.orig_argv if arguments is None else None)
    except SpecError as error:
        text = "".join(f"{render(problem)}\n" for problem in error.problems)
        for stream in (sys.stderr, *([starter] if starter else [])):
            stream.write(text)
        return EXIT_CONFIG
    except (UnsafeFolderError, OSError) as error:
        Plain()(_unusable(folder, error))
        return EXIT_FAILED
    finally:
        if starter is not None:
            starter.close()


if __name__ == "__main__":
    sys.exit(main())
