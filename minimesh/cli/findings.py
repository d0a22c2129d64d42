"""The single looks of `minimesh check`, each a few findings. They change nothing."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from minimesh import __version__
from minimesh.cli.context import Context
from minimesh.cli.devtokens import dev_at_the_edge
from minimesh.cli.errors import CommandError
from minimesh.cli.ps import BAD, condition
from minimesh.cli.text import milliseconds, plural, size
from minimesh.cli.verbs import VERBS

if TYPE_CHECKING:
    from minimesh.control.client import Client
    from minimesh.control.views import ConditionView, EventView, MeshView, ServiceView
    from minimesh.model.project import Project

LEAST_DISK = (50 * 1024 * 1024, 1024 * 1024 * 1024)
"""Bytes free: under the first it fails, under the second it is a warning."""
LAG = (100.0, 1_000.0)
"""Milliseconds that a beat of the mesh's loop came late: from the first a warning, from the second a failure."""
PAUSE = 50.0
FEW_WATCHES, FEW_INSTANCES = 8_192, 128
FULL = 0.8
"""Share of the descriptors in use from which it is a warning."""
AROUND = "bypass"
"""The kind of the events that tell of a call that did not come by the mesh."""


class Finding(NamedTuple):
    """status: ok, open (so by choice, and there is a line that closes it), warn or fail. help: something to paste or to
    do where it is not ok."""

    group: str
    name: str
    status: str
    text: str
    help: str = ""


def about_project(context: Context, found: list[Project]) -> Iterator[Finding]:
    """The file; the project is added to `found` where it can be used."""
    from minimesh.cli.project import load, summary  # noqa: PLC0415 - the file's reader takes its time
    from minimesh.cli.rescue import rescue, tell  # noqa: PLC0415

    try:
        loaded = load(context)
    except CommandError as error:
        yield Finding("project", "config", "fail", error.message, error.help)
        return
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is a finding
        told, _ = rescue(error)
        yield from (_mistake("fail", one.facts) for one in told)
        return
    found.append(loaded.project)
    warnings = tell(loaded.warnings, context.err.width)
    name = loaded.project.file.name
    text = f"{name}: {summary(loaded.project)}, {plural(len(warnings), 'warning')}"
    yield Finding("project", "config", "ok", text)
    yield from (_mistake("warn", warning.facts) for warning in warnings)
    for provider in dev_at_the_edge(loaded.project):
        about = f"[auth.{provider}] takes tokens of `minimesh token`, and the gateway listens beyond this machine"
        yield Finding("project", "auth", "warn", about, "take `dev` out, or http = 7080")
    if any(service.watch for service in loaded.project.services.values()):
        yield from _about_inotify()


def _mistake(status: str, facts: Mapping[str, object]) -> Finding:
    line = f":{facts['line']}" if facts["line"] else ""
    where = f"{facts['file']}{line}: " if facts["file"] else ""
    return Finding("project", "config", status, f"{where}{facts['message']}", "minimesh validate")


def _about_inotify(folder: Path = Path("/proc/sys/fs/inotify")) -> Iterator[Finding]:
    """Watching files needs one watch for each folder, and editors want theirs (inotify(7))."""
    for name, few in (("max_user_watches", FEW_WATCHES), ("max_user_instances", FEW_INSTANCES)):
        try:
            limit = int((folder / name).read_text())
        except (OSError, ValueError):
            continue
        key = f"fs.inotify.{name}"
        status = "warn" if limit < few else "ok"
        yield Finding("project", "watching", status, f"{key} = {limit}", f"sudo sysctl {key}={few * 8}")


def about_folder(root: Path) -> Iterator[Finding]:
    """The state folder: whose it is, who may read it, and whether there is room."""
    from minimesh.control.usable import hindrance  # noqa: PLC0415 - each look loads only what it needs

    folder = root / ".minimesh"
    there = folder if folder.is_dir() else root
    problem = hindrance(root)
    mode = stat.S_IMODE(there.stat().st_mode)
    if problem is not None:
        yield Finding("folder", "owner", "fail", problem.message, problem.help)
    elif there is root:
        yield Finding("folder", "owner", "ok", ".minimesh will be made by the first `minimesh up`")
    elif mode & 0o077:
        yield Finding("folder", "owner", "warn", f".minimesh is open to others (mode {mode:o})", f"chmod 700 {folder}")
    else:
        yield Finding("folder", "owner", "ok", ".minimesh is yours alone")
    free = shutil.disk_usage(there).free
    level = "fail" if free < LEAST_DISK[0] else "warn" if free < LEAST_DISK[1] else "ok"
    yield Finding(
        "folder", "disk", level, f"{size(free)} free", f"make room on the disk of {there}: logs are lost without"
    )


def about_ports(project: Project, *, running: bool) -> Iterator[Finding]:
    """Ports that the file names. While the mesh runs they are taken by it, which is as it should be."""
    from minimesh.control.holders import holder_of  # noqa: PLC0415
    from minimesh.control.ports import is_free  # noqa: PLC0415

    written = [(name, each.port) for name, each in project.services.items() if each.port and each.process]
    if project.gateway and project.gateway.listen:
        written.insert(0, ("gateway", project.gateway.listen.port))
    if running:
        if written:
            yield Finding("ports", "written", "ok", f"{plural(len(written), 'port')} in use by this mesh")
        return
    for name, port in written:
        if is_free(port):
            yield Finding("ports", name, "ok", f"{port} is free")
        else:
            holder = holder_of(port)
            held = f" by {holder}" if holder else ""
            help_ = (
                f"kill {holder.pid}" if holder and holder.pid else f"leave out {port} in minimesh.toml for a free one"
            )
            yield Finding("ports", name, "fail", f"{port} is in use{held}", help_)


def about_mesh(client: Client) -> Iterator[Finding]:
    mesh = cast("MeshView", client.get("/v1/mesh"))
    condition = cast("ConditionView", client.get("/v1/condition"))
    where = f" at {mesh['gateway']['url']}" if mesh["gateway"] else ""
    yield Finding("mesh", "running", "ok", f"{mesh['project']}, pid {mesh['pid']}, {mesh['state']}{where}")
    if mesh["version"] != __version__:
        text = f"the mesh runs {mesh['version']}, this command is {__version__}"
        help_ = "minimesh upgrade" if "upgrade" in VERBS else "minimesh down && minimesh up -d"
        yield Finding("mesh", "version", "warn", text, help_)
    else:
        yield Finding("mesh", "version", "ok", __version__)
    yield from _about_loop(mesh)
    yield from _about_descriptors(condition)
    lost = sum(condition["log_lines_lost"].values()) + condition["access_lines_lost"]
    names = [*condition["log_lines_lost"], *(["the access log"] if condition["access_lines_lost"] else [])]
    text = f"{plural(lost, 'line')} of {', '.join(names)} could not be written" if lost else "no line was lost"
    yield Finding("mesh", "logs", "warn" if lost else "ok", text, "df -h .minimesh")
    yield from about_calls_around(client)
    yield from _about_callers(mesh, condition)


def _about_loop(mesh: MeshView) -> Iterator[Finding]:
    loop = mesh["loop"]
    lag, pause = loop["lag_max_ms"], loop["gc_pause_max_ms"]
    if lag is not None:
        status = "fail" if lag >= LAG[1] else "warn" if lag >= LAG[0] else "ok"
        text = f"at most {milliseconds(lag)} late in the last minute, {milliseconds(loop['lag_ms'])} in the mean"
        yield Finding(
            "mesh", "loop", status, text, "the machine or the mesh has too much to do: top -p " + str(mesh["pid"])
        )
    if pause is not None:
        status = "warn" if pause >= PAUSE else "ok"
        text = f"{plural(loop['gc_collections'], 'collection')}, the longest took {milliseconds(pause)}"
        yield Finding("mesh", "collector", status, text, "minimesh bug-report")


def _about_descriptors(condition: ConditionView) -> Iterator[Finding]:
    used, limit = condition["descriptors"], condition["descriptors_limit"]
    if used is not None:
        status = "warn" if used > limit * FULL else "ok"
        yield Finding(
            "mesh", "descriptors", status, f"{used} of {limit} in use", "minimesh down; ulimit -n 65536; minimesh up"
        )
    for name in condition["listeners_full"]:
        yield Finding("mesh", "callers", "fail", f"{name}: callers wait to be accepted", "raise limits.connections")


def about_calls_around(client: Client) -> Iterator[Finding]:
    """Services that somebody has reached on their own ports, past the mesh, as far as the events tell."""
    for item in client.stream("/v1/events"):
        event = cast("EventView", item)
        if event.get("kind") == AROUND:
            help_ = f"minimesh port {event['service']}"
            yield Finding("mesh", "around", "warn", event["message"], help_)


def _about_callers(mesh: MeshView, condition: ConditionView) -> Iterator[Finding]:
    """Whether callers are who they call as."""
    for one in condition["unattested"]:
        text = f"{one['message']} ({plural(one['connections'], 'connection')})"
        yield Finding("mesh", "callers", "warn", text, "minimesh tap -o json")
    if mesh["attest"] == "off":
        text = "nobody looks whether callers are processes of the services as which they call"
        yield Finding("mesh", "callers", "ok", text)
    elif not condition["unattested"]:
        yield Finding("mesh", "callers", "ok", f"all that were seen are who they call as (attest = {mesh['attest']})")


def about_services(client: Client) -> Iterator[Finding]:
    services = cast("list[ServiceView]", client.get("/v1/services"))
    programs = [service for service in services if service["kind"] != "gateway"]
    well = [service for service in programs if service["state"] in ("running", "completed")]
    asked = [service for service in programs if service["state"] not in ("pending", "stopped")]
    for service in asked:
        name = service["name"]
        if service["state"] in BAD:
            yield Finding("services", name, "fail", condition(service), f"minimesh logs {name} -n 20")
        elif service not in well:
            yield Finding("services", name, "warn", condition(service), f"minimesh wait {name}")
    if well or not asked:
        yield Finding("services", "up", "ok", f"{len(well)} of {len(asked)} as they should be")
