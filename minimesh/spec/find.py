"""Which minimesh.toml a folder belongs to."""

from pathlib import Path

from minimesh.spec.files import is_plain_file

FILE_NAME = "minimesh.toml"


def find_file(start: Path) -> Path | None:
    """The minimesh.toml in the folder or in the nearest folder above it; None if there is none."""
    folder = start.absolute()
    return next((file for at in (folder, *folder.parents) if is_plain_file(file := at / FILE_NAME)), None)
