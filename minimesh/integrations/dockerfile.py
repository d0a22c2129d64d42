"""What a Dockerfile says that its container runs."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from minimesh.integrations.reading import MalformedError, mapping, read_text, text
from minimesh.spec.files import is_plain_file

_INSTRUCTION = re.compile(r"^[ \t]*(FROM|ENTRYPOINT|CMD)[ \t]+(.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


def command_of(folder: Path, build: object) -> str:
    """The command line of the last stage; "" where there is none to be read. `folder`: of the sources."""
    file = folder / (text(mapping(build).get("dockerfile")) or "Dockerfile")
    try:
        content = read_text(file) if is_plain_file(file) else ""
    except (MalformedError, OSError):
        return ""
    said: Mapping[str, str] = {}
    for name, value in _INSTRUCTION.findall(re.sub(r"[ \t]*\\\r?\n[ \t]*", " ", content)):
        said = {} if name.upper() == "FROM" else {**said, name.upper(): _words(value)}
    return " ".join(filter(None, (said.get("ENTRYPOINT"), said.get("CMD"))))


def _words(value: str) -> str:
    """A list of words, or a line for the shell, as such a line."""
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return shlex.join(text(word) for word in listed) if isinstance(listed, list) else value
