"""`minimesh init`: a minimesh.toml to start from."""

from __future__ import annotations

from pathlib import Path

from minimesh.cli.context import FILE_NAME, Context
from minimesh.cli.errors import CommandError, Exit
from minimesh.cli.found import Found, procfile, scripts
from minimesh.cli.options import Command, Option
from minimesh.cli.text import plural
from minimesh.cli.values import choice

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
STATE = ".minimesh/"


def init(context: Context, *, origin: str, force: bool) -> int:
    """Writes minimesh.toml and adds the state folder to .gitignore; changes nothing else."""
    folder = context.folder()
    file = folder / (context.file or FILE_NAME)
    found = find(folder, origin)
    _write(file, toml(found) if found else EMPTY, force)
    ignored = ignore_state(file.parent)
    services = [service.name for service in found.services] if found else ["web"]
    if context.json:
        context.object({"file": str(file), "found": found.file if found else None, "services": services})
        return Exit.OK
    context.note(f"found {found.file} ({', '.join(services)})" if found else "nothing found to start from")
    entry = found.entry if found else "web"
    route = f", 1 route (/ -> {entry})" if entry else ""
    kind = "" if found else ", an example to edit"
    git = f"; added {STATE} to .gitignore" if ignored else ""
    context.note(f"wrote {file.name}: {plural(len(services), 'service')}{route}{kind}{git}; nothing else changed")
    context.note("next: minimesh up")
    return Exit.OK


def find(folder: Path, origin: str) -> Found | None:
    """What is there to start from. `origin`: auto, or one kind that has to be there; None for none."""
    finders = {"procfile": procfile, "package.json": scripts}
    if origin == "empty":
        return None
    if origin == "auto":
        return next((found for finder in finders.values() if (found := finder(folder))), None)
    found = finders[origin](folder)
    if found is None:
        raise CommandError("MM411", f"there is nothing to run in a {origin} in {folder}", exit_code=Exit.USAGE)
    return found


def toml(found: Found) -> str:
    """A minimesh.toml of what was found."""
    lines = [f"# made from {found.file} by `minimesh init`", "version = 1"]
    if found.entry:
        lines += ["", "[gateway]", f'routes = [{{ path = "/*", to = "{found.entry}" }}]']
    for service in found.services:
        lines += ["", f"[services.{service.name}]", f"run = {quoted(service.run)}"]
        if service.listens:
            lines.append("# port = 3000    # if it does not listen on $PORT")
        else:
            lines.append('port = "none"    # takes no calls; left out: a free port, given as $PORT')
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _write(file: Path, text: str, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise CommandError(
            "MM406",
            f"{file.name} is already there",
            exit_code=Exit.USAGE,
            where=str(file),
            help="minimesh init --force",
        ) from None


def ignore_state(folder: Path) -> bool:
    """Adds the state folder to .gitignore; False if it was in there."""
    file = folder / ".gitignore"
    before = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    if {line.strip().strip("/") for line in before.splitlines()} & {STATE.strip("/")}:
        return False
    gap = "" if not before or before.endswith("\n") else "\n"
    with file.open("a", encoding="utf-8") as target:
        target.write(f"{gap}{STATE}\n")
    return True


COMMANDS: dict[str, Command] = {
    "init": Command(
        init,
        "Write a minimesh.toml to start from: from the Procfile or the scripts of package.json that are\n"
        "here, else a short example. Adds .minimesh/ to .gitignore, and changes nothing else.",
        (
            ("minimesh init && minimesh up", "from nothing to a running mesh"),
            ("minimesh init --from empty --force", "begin again with the example"),
        ),
        options=(
            Option(
                ("--from",),
                "auto, procfile, package.json or empty; default auto",
                "WHAT",
                choice("auto", "procfile", "package.json", "empty"),
                default="auto",
                name="origin",
            ),
            Option(("--force",), "overwrite a minimesh.toml that is there"),
        ),
        outputs=("table", "json"),
    )
}
