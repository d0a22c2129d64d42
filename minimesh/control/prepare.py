"""Everything before the first service: what an earlier run left, ports, listeners, programs."""

import os

from minimesh.control import codes, tune
from minimesh.control.layout import Layout
from minimesh.control.mesh import Prepared, first_snapshot
from minimesh.control.paths import StateFolder
from minimesh.control.programs import programs, selected
from minimesh.control.report import Note, Problem, Reporter, UpOptions
from minimesh.control.settle import StartError, cannot_listen, check_written_ports, may_choose_again, settle
from minimesh.dataplane import FAST, Codec, DataPlane, ListenError
from minimesh.dataplane.codecs import codec_named
from minimesh.model.clock import Clock
from minimesh.model.project import Project
from minimesh.model.snapshot import Snapshot
from minimesh.spec.load import Loaded
from minimesh.supervise.leaders import survivors
from minimesh.supervise.leftovers import sweep
from minimesh.supervise.runfile import Run, new_run, read_run, write_run

CODEC_VARIABLE = "MINIMESH_CODEC"
OTHER_PORTS = 5
"""How often other ports are tried, where somebody takes one between our looking and our binding."""


async def take_over(folder: StateFolder, clock: Clock, report: Reporter) -> Run:
    """Ends what a killed run left, and says so; the folder is this run's from then on. Needs the folder's lock."""
    previous = read_run(folder.run)
    if previous is not None:
        leftovers = await sweep([previous.run_id], clock, also=lambda: survivors(folder.leaders))
        ended = ", ".join(f"{leftover.pid} {leftover.command[:60]}" for leftover in leftovers)
        what = f"stopped {len(leftovers)} leftover processes ({ended})" if leftovers else "nothing of it is left"
        report(Note(f"previous run (pid {previous.pid}) did not stop cleanly: took over its lock, {what}"))
    run = new_run(clock.wall())
    write_run(folder.run, run)
    return run


def prepare(
    options: UpOptions, loaded: Loaded, folder: StateFolder, run: Run, plane: DataPlane
) -> tuple[Prepared, Snapshot]:
    """Settles all ports and has the data plane listen. Raises StartError or SpecError."""
    project = loaded.project
    try:
        start = selected(project, options.only, options.profiles)
    except KeyError as error:
        raise StartError(
            Problem(codes.UNKNOWN_SERVICE, f"there is no service or task {error.args[0]}", help="minimesh validate")
        ) from None
    check_written_ports(project)
    layout, snapshot = _listen(project, folder, plane)
    prepared = Prepared(
        project,
        folder,
        layout,
        programs(project, layout, os.environ),
        start,
        run,
        (*options.warnings, *(f"{warning.where}: {warning.message}" for warning in loaded.warnings)),
        tune.raise_descriptor_limit(),
    )
    return prepared, snapshot


def chosen_codec() -> Codec:
    """Raises StartError for a $MINIMESH_CODEC that is not known."""
    name = os.environ.get(CODEC_VARIABLE) or FAST.name
    try:
        return codec_named(name)
    except ValueError as error:
        problem = Problem(codes.UNKNOWN_CODEC, f"{CODEC_VARIABLE}: {error}", help=f"unset {CODEC_VARIABLE}")
        raise StartError(problem) from error


def _listen(project: Project, folder: StateFolder, plane: DataPlane) -> tuple[Layout, Snapshot]:
    taken: set[int] = set()
    while True:
        layout = settle(project, folder, taken)
        snapshot = first_snapshot(project, layout)
        try:
            plane.apply(snapshot)
        except ListenError as error:
            if not may_choose_again(project, error.listener) or len(taken) >= OTHER_PORTS:
                raise cannot_listen(project, error.listener, error.error) from error
            taken.add(error.listener.address.port)
        else:
            return layout, snapshot
