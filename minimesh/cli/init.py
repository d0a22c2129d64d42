"""`minimesh init`: a minimesh.toml to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from minimesh.cli.context import FILE_NAME, Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.options import Command, Option
from minimesh.cli.text import escape, plural, some
from minimesh.cli.values import choice

if TYPE_CHECKING:
    from minimesh.integrations.join import Joined, Note

EMPTY = """\
# minimesh.toml: what `minimesh up` starts here. Units are always written: "250ms", "64KiB".
version = 1

[gateway]
# http = 7080                           # left out: 7080 where it is free, else another, printed
routes = [{ path = "/*", to = "web" }]  # path = "/api/*" takes /api and all below; also host = "a.test"

[services.web]                          # put your own program here
run = "python3 -m http.server --bind 127.0.0.1 $PORT"
# port = 3000                           # where it listens by itself; left out: a free one, given as $PORT
# ready = "/healthz"                    # what tells that it is ready; left out: as soon as it runs
# depends_on = ["orders"]               # started after [services.orders], and reaches it at $ORDERS_URL
"""
IGNORED = (".minimesh/", "minimesh.local.toml")
"""What a minimesh.toml brings that is not for the repository."""

KINDS = ("auto", "compose", "procfile", "process-compose", "dapr", "package.json", "empty")


def init(context: Context, *, origin: str, force: bool) -> int:
    """Writes minimesh.toml and adds what is not for the repository to .gitignore; changes nothing else."""
    file = context.folder() / (context.file or FILE_NAME)
    if file.exists() and not force:
        raise _in_the_way(file)
    joined = find(file.parent, origin)
    _write(file, _text(joined), force)
    ignored = ignore(file.parent)
    if context.json:
        context.object(_facts(file, joined, ignored))
    else:
        _tell(context, file, joined, ignored)
    return Exit.OK


def find(folder: Path, origin: str) -> Joined | None:
    """What is there to start from. `origin`: auto, or one kind that has to be there; None for none."""
    from minimesh.integrations.find import ORIGINS, drafts  # noqa: PLC0415 - spec and a YAML parser, for init alone
    from minimesh.integrations.join import join  # noqa: PLC0415
    from minimesh.integrations.reading import MalformedError  # noqa: PLC0415

    if origin == "empty":
        return None
    try:
        found = drafts(folder, tuple(ORIGINS) if origin == "auto" else (origin,))
    except MalformedError as error:
        raise _malformed(error, folder) from None
    joined = join(found)
    if not joined.entries and origin != "auto":
        files = " or ".join(ORIGINS[origin].files)
        why = [f"{note.service or note.file}: {note.text}" for note in joined.notes]
        raise CommandError(
            "MM421",
            f"nothing to start from in {folder}: no {files} with a service",
            exit_code=Exit.USAGE,
            evidence=why,
            help="minimesh init --from empty",
        )
    return joined


def _text(joined: Joined | None) -> str:
    from minimesh.integrations.write import write  # noqa: PLC0415

    return write(joined) if joined and joined.entries else EMPTY


def _malformed(error: Exception, folder: Path) -> CommandError:
    from minimesh.integrations.reading import MalformedError  # noqa: PLC0415

    assert isinstance(error, MalformedError)
    name = error.file.relative_to(folder)
    return CommandError(
        "MM420",
        f"{name} cannot be understood: {error.message}",
        exit_code=Exit.USAGE,
        where=f"{name}:{error.line}:{error.column}" if error.line else str(name),
        evidence=[f"{error.line} | {error.source.rstrip()}"] if error.source.strip() else [],
        help="mend it, or start from nothing: minimesh init --from empty",
    )


def _write(file: Path, text: str, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise _in_the_way(file) from None


def _in_the_way(file: Path) -> CommandError:
    return CommandError(
        "MM406",
        f"{file.name} is already there",
        exit_code=Exit.USAGE,
        where=str(file),
        help="minimesh init --force",
    )


def ignore(folder: Path) -> list[str]:
    """What was added to .gitignore: nothing where it was in there, is no file, or where there is neither it nor git."""
    file = folder / ".gitignore"
    if file.is_symlink() or file.exists():
        if not file.is_file():
            return []
    elif not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return []
    before = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    known = {line.strip().strip("/") for line in before.splitlines()}
    added = [name for name in IGNORED if name.strip("/") not in known]
    if added:
        gap = "" if not before or before.endswith("\n") else "\n"
        with file.open("a", encoding="utf-8") as target:
            target.write(gap + "".join(f"{name}\n" for name in added))
    return added


# ---- what is said


def _tell(context: Context, file: Path, joined: Joined | None, ignored: list[str]) -> None:
    if joined and joined.entries:
        _say(context, "found " + listed([f"{name} ({some(names)})" for name, names in joined.files.items()]))
    else:
        context.note("nothing found to start from" if joined else "asked for an empty start")
    for note in joined.notes if joined else ():
        _say(context, f"note: {_about(note, joined)}: {note.text}")
    git = f"; added {' and '.join(ignored)} to .gitignore" if ignored else ""
    _say(context, f"wrote {file.name}: {_counted(joined)}{git}; nothing else changed")
    containers = [] if joined is None else _containers(joined)
    start = f"docker compose up -d {' '.join(containers)} && " if containers else ""
    context.note(f"next: {start}minimesh up")


def _about(note: Note, joined: Joined | None) -> str:
    """A service, or the file; a service that was left out with its file."""
    if not note.service:
        return note.file
    left_out = joined is None or note.service not in joined.files.get(note.file, ())
    return f"{note.service} of {note.file}" if left_out else note.service


def _say(context: Context, text: str) -> None:
    """A note; on a terminal broken between words."""
    from textwrap import wrap  # noqa: PLC0415 - for init alone

    room = context.err.width
    text = escape(text)
    lines = wrap(text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) if room else [text]
    for line in lines:
        context.note(line)


def _counted(joined: Joined | None) -> str:
    """`4 services, 1 route (/ -> web)`"""
    if joined is None or not joined.entries:
        return "1 service, 1 route (/ -> web), an example to edit"
    tasks = [name for name, entry in joined.entries.items() if entry.task]
    counted = [plural(len(joined.entries) - len(tasks), "service")] + ([plural(len(tasks), "task")] if tasks else [])
    route = f"1 route (/ -> {joined.front})" if joined.front else "no route: it is not known which service is the front"
    return ", ".join([*counted, route])


def _containers(joined: Joined) -> list[str]:
    """The services that compose has to start whatever the profile, by their names there."""
    return [entry.container for entry in joined.entries.values() if entry.container and not entry.profiles]


def listed(texts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _facts(file: Path, joined: Joined | None, ignored: list[str]) -> dict[str, object]:
    """As `-o json` has it. `route`: null where the front is not known."""
    found = joined if joined and joined.entries else None
    entries = found.entries if found else {}
    return {
        "file": str(file),
        "found": [{"file": name, "names": list(names)} for name, names in found.files.items()] if found else [],
        "services": [name for name, entry in entries.items() if not entry.task] if found else ["web"],
        "tasks": [name for name, entry in entries.items() if entry.task],
        "route": (found.front or None) if found else "web",
        "containers": _containers(found) if found else [],
        "ignored": ignored,
        "notes": [
            {"file": note.file, "service": note.service or None, "text": note.text}
            for note in (joined.notes if joined else ())
        ],
    }


COMMANDS: dict[str, Command] = {
    "init": Command(
        init,
        "Write a minimesh.toml to start from: from the compose file, Procfile, process-compose.yaml, dapr.yaml\n"
        "and package.json that are here, else a short example. What cannot be carried over is told, and stands\n"
        "there as a comment. Adds .minimesh/ and minimesh.local.toml to .gitignore, and changes nothing else.",
        (
            ("minimesh init && minimesh up", "from nothing to a running mesh"),
            ("minimesh init --from procfile --force", "begin again, with the Procfile alone"),
        ),
        options=(
            Option(
                ("--from",),
                f"{', '.join(KINDS[:-1])} or {KINDS[-1]}; default auto: all that is there",
                "WHAT",
                choice(*KINDS),
                default="auto",
                name="origin",
            ),
            Option(("--force",), "overwrite a minimesh.toml that is there"),
        ),
        outputs=("table", "json"),
    )
}
