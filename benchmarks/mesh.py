"""minimesh as a contender: a project folder, `minimesh up` in it, and the address to call."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import scale
from client import get
from rounds import Contender
from stage import START_WITHIN, BenchmarkError, Stage, environment, free_port, minimesh

NAME = "minimesh"
SHOP = Path(__file__).parents[1] / "examples" / "shop"


def mesh_path(stage: Stage, behind: int) -> Contender:
    """web → api: the address that web has for api, which lives at the port behind. The access log is off (default)."""
    folder, port = project(stage, behind)
    pid = up(stage, folder)
    stage.wait_for(port)
    return Contender(NAME, wait_for_answer(variable(folder, "web", "API_URL") + "/"), (pid,))


def gateway_path(stage: Stage, behind: int, *, services: int = 2, routes: int = 1, name: str = NAME) -> Contender:
    """gateway → api."""
    folder, port = project(stage, behind, services=services, routes=routes)
    pid = up(stage, folder)
    stage.wait_for(port)
    return Contender(name, wait_for_answer(f"http://127.0.0.1:{port}/"), (pid,))


def project(stage: Stage, behind: int, *, services: int = 2, routes: int = 1, programs: int = 1) -> tuple[Path, int]:
    """Write a project; returns its folder and the gateway's port."""
    port = free_port()
    folder = stage.folder / f"project-{port}"
    scale.generate(folder, services, routes, f"127.0.0.1:{behind}", port, programs)
    return folder, port


def up(stage: Stage, folder: Path) -> int:
    """Start the mesh of a folder on the measured CPU; returns its pid at once."""
    return stage.start(minimesh("up"), measured=True, cwd=folder)


def shop(stage: Stage) -> tuple[int, str]:
    """A copy of examples/shop, all services ready: the mesh's pid and the gateway's URL."""
    folder = stage.folder / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".minimesh", "__pycache__"))
    pid = up(stage, folder)
    (gateway,) = (row for row in all_up(folder) if row["kind"] == "gateway")
    return pid, f"http://127.0.0.1:{gateway['listen'].rpartition(':')[2]}/"


def all_up(folder: Path) -> list[dict[str, Any]]:
    """Waits until all of a mesh runs: the rows of `minimesh ps`."""
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until:
        rows: list[dict[str, Any]] = json.loads(ask(folder, "ps", "-o", "json") or "[]")
        if rows and all(row["state"] in ("running", "ready", "completed") for row in rows):
            return rows
        time.sleep(0.2)
    raise BenchmarkError(f"{folder.name} was not ready after {START_WITHIN:g} s")


def variable(folder: Path, service: str, name: str) -> str:
    """What the mesh gives a service in this environment variable; waits for the mesh to run."""
    until = time.monotonic() + START_WITHIN
    while time.monotonic() < until:
        match = re.search(rf"^export {name}=(\S+)$", ask(folder, "env", service), re.MULTILINE)
        if match:
            return match[1].strip("'\"")
        time.sleep(0.1)
    raise BenchmarkError(f"`minimesh env {service}` has no {name} after {START_WITHIN:g} s")


def wait_for_answer(url: str) -> str:
    """Until it answers with 200; returns the URL."""
    until = time.monotonic() + START_WITHIN
    while (status := get(url)) != 200:
        if time.monotonic() > until:
            raise BenchmarkError(f"{url} still answers {status} after {START_WITHIN:g} s")
        time.sleep(0.05)
    return url


def ask(folder: Path, *command: str) -> str:
    """What a command prints; "" while it fails."""
    done = subprocess.run(
        minimesh(*command), cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout if done.returncode == 0 else ""
