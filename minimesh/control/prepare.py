"""Everything before the first service: what an earlier run left, ports, listeners, programs."""

import os
from collections.abc import Collection

from minimesh.control import codes, tune
from minimesh.control.holder import runs_elsewhere
from minimesh.control.mesh import Prepared, first_snapshot
from minimesh.control.paths import StateFolder
from minimesh.control.ports import are_lost
from minimesh.control.report import Note, Problem, Reporter, UpOptions
from minimesh.control.settle import StartError, remember
from minimesh.control.world import World, listening, settled
from minimesh.dataplane import FAST, Codec, DataPlane
from minimesh.dataplane.codecs import codec_named
from minimesh.model.clock import Clock
from minimesh.model.snapshot import Snapshot
from minimesh.spec.load import Loaded
from minimesh.supervise.leaders import survivors
from minimesh.supervise.leftovers import sweep
from minimesh.supervise.runfile import Run, new_run, read_run, write_run

CODEC_VARIABLE = "MINIMESH_CODEC"


async def take_over(folder: StateFolder, clock: Clock, report: Reporter) -> Run:
    """Ends what a killed run left, and says so; the folder is this run's from then on. Needs the folder's lock."""
    previous = read_run(folder.run)
    if previous is not None and runs_elsewhere(previous.pid):
        folder.leaders.unlink(missing_ok=True)
        report(
            Note(f"this folder is a copy of one whose mesh runs (pid {previous.pid}): what that started is left alone")
        )
    elif folder.run.exists():
        run_ids = [previous.run_id] if previous else []
        leftovers = await sweep(run_ids, clock, also=lambda: survivors(folder.leaders))
        ended = ", ".join(f"{leftover.pid} {leftover.command[:60]}" for leftover in leftovers)
        what = f"stopped {len(leftovers)} leftover processes ({ended})" if leftovers else "nothing of it is left"
        pid = f"pid {previous.pid}" if previous else f"{folder.run.name} was damaged"
        report(Note(f"previous run ({pid}) did not stop cleanly: took over its lock, {what}"))
    run = new_run(clock.wall())
    write_run(folder.run, run)
    return run


def prepare(
    options: UpOptions, loaded: Loaded, folder: StateFolder, run: Run, plane: DataPlane
) -> tuple[Prepared, Snapshot]:
    """Settles all ports and has the data plane listen. Raises StartError or SpecError."""

    def make(avoid: Collection[int]) -> World:
        return settled(options, loaded, folder, avoid=avoid)

    lost = (f"{folder.ports} was damaged: ports are chosen anew",) if are_lost(folder.ports) else ()
    world = listening(make, lambda world: plane.apply(first_snapshot(world)))
    remember(folder, world.project, world.layout)
    return Prepared(world, folder, run, tune.raise_descriptor_limit(), lost), first_snapshot(world)


def chosen_codec() -> Codec:
    """Raises StartError for a $MINIMESH_CODEC that is not known."""
    name = os.environ.get(CODEC_VARIABLE) or FAST.name
    try:
        return codec_named(name)
    except ValueError as error:
        problem = Problem(codes.UNKNOWN_CODEC, f"{CODEC_VARIABLE}: {error}", help=f"unset {CODEC_VARIABLE}")
        raise StartError(problem) from error
