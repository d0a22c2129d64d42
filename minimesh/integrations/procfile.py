"""Procfile: a line `name: command` for each program, as Heroku, foreman, overmind and honcho have it."""

import re
from pathlib import Path

from minimesh.integrations.draft import Draft, Entry
from minimesh.integrations.listening import PORT, listening, takes_no_calls
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import MalformedError, read_text
from minimesh.spec.files import is_plain_file

FILES = ("Procfile.dev", "Procfile")

_LINE = re.compile(r"([A-Za-z0-9_.-]+):\s*(\S.*)")


def procfile(file: Path) -> Draft:
    """What a Procfile says. `release` is a task before all others. Raises MalformedError and OSError."""
    commands = _commands(file)
    names = fit(commands)
    released = tuple(name for name in commands if name == "release")
    env_files = (".env",) if is_plain_file(file.with_name(".env")) else ()
    entries = [
        _entry(name, names[name], line, env_files, {} if name in released else dict.fromkeys(released, ""))
        for name, line in commands.items()
    ]
    ignored = [
        name for name in FILES if name != file.name and file.name == FILES[0] and is_plain_file(file.with_name(name))
    ]
    lost = [f"{name} is not read: {file.name} is the one for this machine" for name in ignored]
    return Draft(file.name, tuple(entries), lost=tuple(lost))


def _commands(file: Path) -> dict[str, str]:
    """By name, in order. The last line for a name wins, as with foreman."""
    found: dict[str, str] = {}
    for number, line in enumerate(read_text(file).splitlines(), 1):
        line = line.replace("\0", "").strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise MalformedError(file, "expected `name: command`", number, 1, line)
        found[match[1]] = match[2]
    return found


def _entry(name: str, final: str, line: str, env_files: tuple[str, ...], needs: dict[str, str]) -> Entry:
    lost = renamed(name, final)
    if name == "release":
        return Entry(final, run=line, task=True, env_files=env_files, lost=lost)
    port = listening(line)
    works = name != "web" and port is None and takes_no_calls(name, line)
    guessed = port is None and name != "web" and not works
    return Entry(
        final,
        run=line,
        env_files=env_files,
        needs=needs,
        port=None if port == PORT else port,
        listens=not works,
        remarks=('port = "none" if it takes no calls',) if guessed else (),
        http=not guessed,
        lost=lost,
    )
