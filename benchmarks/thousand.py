"""Part `thousand`: what people wait for where a mesh has a thousand services, and what it costs while nobody calls."""

from __future__ import annotations

import json
import subprocess
import time
from functools import partial
from pathlib import Path

import mesh
import peers
from measure import Round, cpu_seconds, rss_bytes
from rounds import Figure
from say import say
from settings import Settings
from stage import START_WITHIN, BenchmarkError, Stage, environment, minimesh
from start import repeat, wall

SERVICES, ROUTES, PROGRAMS = 1000, 1000, 100
WITHIN = "of it, in the mesh"
SETTLE = 70.0  # seconds until the mesh no longer looks where programs without a probe listen


def thousand_part(settings: Settings) -> dict[str, Figure]:
    with Stage() as stage:
        behind = peers.backend(stage)
        folder, _ = mesh.project(stage, behind, services=SERVICES, routes=ROUTES, programs=PROGRAMS)
        started = time.perf_counter()
        pid = mesh.up(stage, folder)
        mesh.all_up(folder)
        up = time.perf_counter() - started
        rounds = {
            f"minimesh {verb}": repeat(settings.starts, partial(wall, minimesh(verb), folder))
            for verb in ("validate", "ps", "stat", "edges")
        }
        whole, inside = reloads(folder, settings.starts)
        rounds |= {"minimesh reload": whole, WITHIN: inside}
        for name, row in rounds.items():
            say(f"{name:20} {sorted(each['ms'] for each in row)[len(row) // 2]:.0f} ms")
        say(f"doing nothing for {SETTLE + settings.idle:g} s")
        time.sleep(SETTLE)
        before, began = cpu_seconds([pid]), time.monotonic()
        time.sleep(settings.idle)
        percent = (cpu_seconds([pid]) - before) / (time.monotonic() - began) * 100
        rest: Round = {"cpu_percent": round(percent, 3), "idle_mib": round(rss_bytes([pid]) / 2**20, 1)}
        began = time.perf_counter()
        subprocess.run(minimesh("down"), cwd=folder, env=environment(), check=True, capture_output=True, timeout=60)
        rest |= {"up_s": round(up, 2), "down_s": round(time.perf_counter() - began, 2)}
        say(f"{rest}")
    what = f"{SERVICES:,} services, {PROGRAMS} of them programs, {ROUTES:,} routes"
    return {
        "wall": {"title": f"{what}: wall time", "hop": "", "base": "", "rounds": rounds},
        "life": {"title": f"{what}: from start to stop", "hop": "memory", "base": "", "rounds": {mesh.NAME: [rest]}},
    }


def reloads(folder: Path, count: int) -> tuple[list[Round], list[Round]]:
    """One service has another command each time: the whole of `minimesh reload`, and what the mesh says it took."""
    whole: list[Round] = []
    inside: list[Round] = []
    for number in range(count + 1):
        change(folder, number)
        started = time.perf_counter()
        done = subprocess.run(
            minimesh("reload", "-o", "json"),
            cwd=folder, env=environment(), check=True, capture_output=True, timeout=START_WITHIN,
        )  # fmt: skip
        took = time.perf_counter() - started
        view = json.loads(done.stdout)
        if list(view["restarted"]) != ["web"] or view["unchanged"] != SERVICES - 1:
            raise BenchmarkError(f"not one service was changed: {view['summary']}")
        whole.append({"ms": round(took * 1000, 1)})
        inside.append({"ms": round(view["duration_ms"], 1)})
    return whole[1:], inside[1:]


def change(folder: Path, number: int) -> None:
    """Another command for `web`."""
    file = folder / "minimesh.toml"
    head, table, rest = file.read_text().partition("[services.web]\n")
    file.write_text(f'{head}{table}run = ["sleep", "{100_000 + number}"]\n{rest.partition(chr(10))[2]}')
