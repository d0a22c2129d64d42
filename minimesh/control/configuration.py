"""The configuration that a mesh was started with, read as its files are now: at `up`, and again at each reload."""

import os

from minimesh.control.report import UpOptions
from minimesh.spec.find import FILE_NAME
from minimesh.spec.load import Loaded, load


def read_configuration(options: UpOptions) -> Loaded:
    """The project that the options name. Raises SpecError."""
    if options.project:
        return Loaded(options.project, ())
    return load(options.file or options.root / FILE_NAME, os.environ, options.further, options.overrides)
