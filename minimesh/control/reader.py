"""Reads a project; where a mesh runs already in a process of its own, for its loop must not wait that long.

As a program, `python -m minimesh.control.reader`, it is that process: options in, what came of them out, both pickled.
"""

import gc
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

from minimesh import __version__
from minimesh.control import codes
from minimesh.control.report import Problem, UpOptions
from minimesh.spec.alone import without_order
from minimesh.spec.find import FILE_NAME
from minimesh.spec.load import Loaded, load
from minimesh.spec.problem import SpecError

_PACKAGE = Path(__file__).parents[2]
PATIENCE = 60.0


def read(options: UpOptions) -> Loaded:
    """What the files of a project say now. Raises SpecError."""
    if options.project is not None:
        return Loaded(options.project, ())
    loaded = load(options.file or options.root / FILE_NAME, os.environ, options.further, options.overrides)
    project = without_order(loaded.project, options.only) if options.alone else loaded.project
    # The document is as large as the rest, for those who ask where a value stands; a running mesh does not.
    return replace(loaded, project=project, document=None)


async def read_apart(options: UpOptions) -> Loaded:
    """The same, without holding up the loop. Raises SpecError, StartError where what is installed is another minimesh
    by now, and RuntimeError where the other process fails.

    The project must have a file."""
    from anyio import to_thread  # noqa: PLC0415 - the other process does without

    found = await to_thread.run_sync(_ask, _absolute(options))
    if isinstance(found, SpecError):
        raise found
    return found


def _absolute(options: UpOptions) -> UpOptions:
    """The same for a process in another folder."""
    file = options.file.absolute() if options.file else None
    further = tuple(path.absolute() for path in options.further)
    return replace(options, root=options.root.absolute(), file=file, further=further)


def _ask(options: UpOptions) -> Loaded | SpecError:
    import subprocess  # noqa: PLC0415 - nor does it need these

    from minimesh.control.settle import StartError  # noqa: PLC0415

    # From the folder of the package: no file of the user's own may be taken for a module.
    done = subprocess.run(
        [sys.executable, "-m", "minimesh.control.reader"],
        input=pickle.dumps(options),
        capture_output=True,
        cwd=_PACKAGE,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"the reader of minimesh.toml ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}"
        )
    # Our own child wrote it; but what is installed may be another minimesh by now than the one that runs.
    version, answer = pickle.loads(done.stdout)
    if version != __version__:
        raise StartError(
            Problem(
                codes.OTHER_VERSION,
                f"minimesh is {version} now, and this mesh runs {__version__}",
                help="minimesh upgrade",
            )
        )
    found: Loaded | SpecError = pickle.loads(answer)
    return found


def main() -> None:
    gc.disable()  # it ends before there is anything to collect
    options: UpOptions = pickle.load(sys.stdin.buffer)
    found: Loaded | SpecError
    try:
        found = read(options)
    except SpecError as error:
        found = error
    pickle.dump((__version__, pickle.dumps(found)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
