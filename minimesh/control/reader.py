"""Reads the project that a mesh was started with, as its files are now: at `up`, and again at each reload."""

import os

from minimesh.control.report import UpOptions
from minimesh.spec.find import FILE_NAME
from minimesh.spec.load import Loaded, load


def read(options: UpOptions) -> Loaded:
    """What the files of a project say now. Raises SpecError."""
    if options.project is not None:
        return Loaded(options.project, ())
    return load(options.file or options.root / FILE_NAME, os.environ, options.further, options.overrides)
