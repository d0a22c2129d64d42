"""Services as other tools' files in a folder tell them. A file that cannot be understood tells none."""

import json
import re
from pathlib import Path
from typing import NamedTuple

_PROCESS = re.compile(r"([A-Za-z0-9_.-]+):\s*(\S.*)")
RESERVED = frozenset({"gateway", "self"})


class Program(NamedTuple):
    """A service to be. `listens`: it takes calls on $PORT."""

    name: str
    run: str
    listens: bool


class Found(NamedTuple):
    """`file`: where it was told. `entry`: the service that the gateway's route leads to."""

    file: str
    services: tuple[Program, ...]
    entry: str | None


def procfile(folder: Path) -> Found | None:
    """Each line `name: command` of a Procfile. `web`, and whatever mentions PORT, listens, as with foreman."""
    services: dict[str, Program] = {}
    for line in _text(folder / "Procfile").splitlines():
        match = _PROCESS.fullmatch(line.strip())
        if match:
            name = service_name(match[1])
            services[name] = Program(name, match[2], name == "web" or "PORT" in match[2])
    if not services:
        return None
    listening = [service.name for service in services.values() if service.listens]
    entry = "web" if "web" in services else next(iter(listening), None)
    return Found("Procfile", tuple(services.values()), entry)


def scripts(folder: Path) -> Found | None:
    """The script `dev`, else `start`, of package.json, run by the package manager whose lock file is there."""
    try:
        package = json.loads(_text(folder / "package.json") or "null")
        known = package["scripts"]
        script = next(name for name in ("dev", "start") if name in known)
    except (ValueError, TypeError, KeyError, StopIteration):
        return None
    locks = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}
    manager = next((tool for lock, tool in locks.items() if (folder / lock).exists()), "npm")
    return Found("package.json", (Program("web", f"{manager} run {script}", True),), "web")


def service_name(text: str) -> str:
    """The nearest name that minimesh.toml takes: lower case, digits and hyphens, a letter first."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    if not name or not name[0].isalpha():
        name = f"s-{name}".rstrip("-")
    return f"{name}-1" if name in RESERVED else name


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
