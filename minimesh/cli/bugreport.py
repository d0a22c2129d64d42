"""`minimesh bug-report`: what somebody else needs to understand what happened, with secrets masked."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minimesh import __version__
from minimesh.cli.context import Context
from minimesh.cli.errors import CommandError, Exit, usage
from minimesh.cli.options import Command, Option
from minimesh.cli.redact import Redactor
from minimesh.cli.text import size
from minimesh.spec.secret import is_secret

if TYPE_CHECKING:
    from minimesh.control.history import Past

LINES = 500
"""Of each service's log."""
LARGEST = 512 * 1024
"""Characters of any one file in the report; of a longer one the end is taken."""


class Part(NamedTuple):
    """A file of the report. about: what it is, for whoever decides whether to send it."""

    name: str
    about: str
    text: str


def bug_report(context: Context, *, stdout: bool, output_file: str | None) -> int:
    """Writes a .tar.gz, or everything as text with --stdout. Sends nothing and asks nothing."""
    if stdout and output_file:
        raise usage("--stdout and --to are two ways out: take one")
    parts = collect(context)
    if stdout:
        for part in parts:
            context.out.line(f"===== {part.name}: {part.about}")
            context.out.line(part.text.rstrip("\n"))
        return Exit.OK
    file = Path(output_file) if output_file else Path(f"minimesh-report-{_stamp()}.tar.gz")
    _write(file, parts)
    if context.json:
        context.object({"file": str(file.absolute()), "parts": [part._replace(text="")._asdict() for part in parts]})
    else:
        context.out.line(str(file))
        for part in parts:
            context.note(f"  {part.name:<20}{size(len(part.text.encode())):>10}  {part.about}")
        context.note("secrets are masked by their names and forms; look through it before you give it away")
    return Exit.OK


def collect(context: Context) -> list[Part]:
    """Every part that there is; one that cannot be had says why instead."""
    root = context.root()
    redact = Redactor(_secrets(context, root))
    wanted: list[tuple[str, str, Callable[[], str]]] = [
        ("versions.json", "minimesh, Python and system", _versions),
        ("minimesh.toml", "the configuration", lambda: _config(context, root)),
        ("local.toml", "minimesh.local.toml, which is merged into it", lambda: _end(root / "minimesh.local.toml")),
        ("check.json", "what `minimesh check` finds", lambda: _check(context)),
        ("mesh.json", "the running mesh as a whole", lambda: _json(context, "/v1/mesh")),
        ("services.json", "states of the services", lambda: _json(context, "/v1/services")),
        (
            "traffic.json",
            "who called whom in the last 15 minutes",
            lambda: _json(context, "/v1/edges?window_ms=900000"),
        ),
        ("routes.json", "routes of the gateway", lambda: _json(context, "/v1/routes")),
        ("events.jsonl", "what happened", lambda: _events(context)),
        ("mesh.log", "what a mesh behind the terminal said", lambda: _end(root / ".minimesh" / "logs" / "mesh.log")),
        *((f"logs/{name}.log", f"its last {LINES} lines", _log_of(root, name)) for name in _logged(root)),
        *(
            (file.name, "what a mistake of minimesh left", lambda file=file: _end(file))
            for file in sorted((root / ".minimesh").glob("crash-*.txt"))
        ),
    ]
    return [Part(name, about, redact(_got(get))) for name, about, get in wanted]


def _got(get: Callable[[], str]) -> str:
    try:
        return get()[-LARGEST:]
    except Exception as error:  # noqa: BLE001 - a report is about what does not work
        return f"(not there: {type(error).__name__}: {error})\n"


def _versions() -> str:
    facts = {
        "minimesh": __version__,
        "python": sys.version,
        "implementation": platform.python_implementation(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith("MINIMESH_")},
        "terminal": {name: os.environ.get(name) for name in ("TERM", "LANG", "NO_COLOR", "SHELL")},
        "packages": dict(_packages()),
    }
    return json.dumps(facts, indent=2) + "\n"


def _packages() -> Iterator[tuple[str, str]]:
    from importlib import metadata  # noqa: PLC0415 - for this report alone

    for name in ("anyio", "h11", "httptools", "httpx", "starlette", "textual", "uvicorn", "uvloop"):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _config(context: Context, root: Path) -> str:
    return _config_file(context, root).read_text(errors="replace")


def _config_file(context: Context, root: Path) -> Path:
    return Path(context.file).absolute() if context.file else root / "minimesh.toml"


def _check(context: Context) -> str:
    from minimesh.cli.doctor import examine  # noqa: PLC0415 - only what is needed

    return json.dumps([finding._asdict() for finding in examine(context)], indent=2) + "\n"


def _json(context: Context, path: str) -> str:
    return json.dumps(context.get(path), indent=2) + "\n"


def _events(context: Context) -> str:
    return "".join(f"{json.dumps(event)}\n" for event in context.stream("/v1/events"))


def _logged(root: Path) -> list[str]:
    from minimesh.control.history import services  # noqa: PLC0415

    return services(root / ".minimesh" / "logs")


def _log_of(root: Path, name: str) -> Callable[[], str]:
    def read() -> str:
        from minimesh.control.history import Span, last  # noqa: PLC0415

        lines: list[Past] = last(root / ".minimesh" / "logs", [name], LINES, Span(), lambda past: True)
        return "".join(f"{past.time} {past.replica} {past.stream} {past.line}\n" for past in lines)

    return read


def _end(file: Path) -> str:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - LARGEST))
        return opened.read().decode("utf-8", "replace")


def _secrets(context: Context, root: Path) -> list[str]:
    """Values that must not be in the report, whatever stands before them.

    All of the env files, and those with the name of a secret of this environment and of each `env`.
    """
    from minimesh.spec.dotenv import scan_env_file  # noqa: PLC0415 - for this report alone

    files = {root / ".env"}
    named = [*os.environ.items()]
    for table in _tables(context, root):
        written = table.get("env_file", [])
        files.update(
            root / str(file).removesuffix("?") for file in (written if isinstance(written, list) else [written])
        )
        named += [(name, str(value)) for name, value in table.get("env", {}).items()]
    found: list[str] = []
    for file in files:
        try:
            found += scan_env_file(file, file.name)[0].values()
        except Exception:  # noqa: BLE001 - no such file, or one that cannot be read
            continue
    return found + [value for name, value in named if is_secret(name)]


def _tables(context: Context, root: Path) -> list[dict[str, Any]]:
    """Of the services and tasks, as they are written, and whatever else is wrong with them."""
    import tomllib  # noqa: PLC0415 - for this report alone

    found: list[object] = []
    for file in (_config_file(context, root), root / "minimesh.local.toml"):
        try:
            content = tomllib.loads(file.read_text())
            found += [table for kind in ("services", "tasks") for table in content.get(kind, {}).values()]
        except (OSError, ValueError, AttributeError):
            continue
    return [table for table in found if isinstance(table, dict) and isinstance(table.get("env", {}), dict)]


def _write(file: Path, parts: list[Part]) -> None:
    """Mode 0600: it is still about one person's work. Never over a file that is there."""
    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    folder, now = file.name.removesuffix(".tar.gz"), SystemClock().wall()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError("MM406", f"{file} is already there", exit_code=Exit.USAGE) from None
    with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for part in parts:
            content = part.text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{folder}/{part.name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, now
            archive.addfile(entry, io.BytesIO(content))


def _stamp() -> str:
    from datetime import UTC, datetime  # noqa: PLC0415

    from minimesh.model.clock import SystemClock  # noqa: PLC0415

    return datetime.fromtimestamp(SystemClock().wall(), UTC).strftime("%Y%m%d-%H%M%S")


COMMANDS: dict[str, Command] = {
    "bug-report": Command(
        bug_report,
        "Collect what somebody else needs to understand what happened: versions, configuration, states,\n"
        "events, ends of the logs, findings of check, crash files. Secrets are masked. Sends nothing anywhere.",
        (
            ("minimesh bug-report", "minimesh-report-….tar.gz in this folder"),
            ("minimesh bug-report --stdout | less", "look through it first"),
        ),
        options=(
            Option(("--stdout",), "as text, instead of a file"),
            Option(("--to",), "the file to write", "FILE", name="output_file"),
        ),
        outputs=("table", "json"),
    )
}
