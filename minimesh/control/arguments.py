"""UpOptions as words of a command line, and back: how a mesh is told in another process what it is to run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from minimesh.control.report import UpOptions


def words(options: UpOptions) -> list[str]:
    """What `parse` reads. A ready-made project cannot be told so."""
    file = ["--file", str(options.file)] if options.file else []
    return [
        f"--root={options.root}",
        *file,
        *(f"--further={path}" for path in options.further),
        *(f"--set={override}" for override in options.overrides),
        *(f"--profile={profile}" for profile in options.profiles),
        *(f"--only={name}" for name in options.only),
        *(["--alone"] if options.alone else []),
        *(["--watch"] if options.watch else []),
    ]


def parse(arguments: Sequence[str] | None = None) -> tuple[UpOptions, bool]:
    """The options, and whether the mesh is to leave its terminal."""
    parser = argparse.ArgumentParser(prog="minimesh.control.daemon")
    parser.add_argument("--root", type=Path, required=True, help="folder of the state folder")
    parser.add_argument("--file", type=Path, help="the minimesh.toml; default ROOT/minimesh.toml")
    parser.add_argument("--further", action="append", default=[], type=Path, metavar="FILE", help="merged into it")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="another value for a key of it")
    parser.add_argument("--profile", action="append", default=[], metavar="P", help="start what has this profile too")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="start this and what it needs")
    parser.add_argument("--alone", action="store_true", help="these alone, which then wait for nobody")
    parser.add_argument("--watch", action="store_true", help="read the files again when one of them changes")
    parser.add_argument("--detached", action="store_true", help="output goes to .minimesh/logs/mesh.log")
    given = parser.parse_args(arguments)
    options = UpOptions(
        given.root.absolute(),
        given.file,
        only=tuple(given.only),
        further=tuple(given.further),
        overrides=tuple(given.set),
        profiles=tuple(given.profile),
        alone=given.alone,
        watch=given.watch,
    )
    return options, given.detached
