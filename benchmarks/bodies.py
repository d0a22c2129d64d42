"""Part `bodies`: a large body each way; how fast, and how much memory it takes. nginx has its buffering off (peers.py).

Metrics of a round: mib_s; growth_mib, the most resident memory during the transfer less what was resident before it;
cpu_ms_mib, CPU time of the contender for each MiB.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import mesh
import peers
from client import download, upload
from measure import Round, cpu_seconds, peak_bytes, reset_peak, rss_bytes
from rounds import Contender, Figure, alternate
from say import say
from settings import Settings
from stage import BenchmarkError, Stage, free_port

MIB = 2**20


def bodies_part(settings: Settings) -> dict[str, Figure]:
    with Stage() as stage:
        behind = free_port()
        stage.start([sys.executable, Path(__file__).with_name("bulk.py"), str(behind), str(settings.body)])
        stage.wait_for(behind)
        contenders = [
            peers.one(stage, behind, streamed=True),
            peers.pair(stage, behind, streamed=True),
            mesh.mesh_path(stage, behind),
        ]
        return {
            way: {
                "title": f"web → api, {settings.body / MIB:,.0f} MiB {way}, one connection",
                "hop": "memory",
                "base": peers.ONE,
                "rounds": transfers(contenders, settings, way),
            }
            for way in ("down", "up")
        }


def transfers(contenders: list[Contender], settings: Settings, way: str) -> dict[str, list[Round]]:
    say(f"{settings.body / MIB:,.0f} MiB {way}")
    return alternate(contenders, settings.rounds, lambda contender: carry(contender, settings.body, way), tell)


def carry(contender: Contender, size: int, way: str) -> Round:
    url, pids = f"{contender.url}bulk", contender.pids
    reset_peak(pids)
    resident, used, started = rss_bytes(pids), cpu_seconds(pids), time.monotonic()
    status, count = download(url) if way == "down" else upload(url, size)
    seconds = time.monotonic() - started
    if (status, count) != (200, size):
        raise BenchmarkError(f"{contender.name}, {way}: status {status}, {count} of {size} bytes")
    return {
        "mib_s": round(size / MIB / seconds, 1),
        "growth_mib": round((peak_bytes(pids) - resident) / MIB, 2),
        "cpu_ms_mib": round((cpu_seconds(pids) - used) * 1000 / (size / MIB), 4),
    }


def tell(carried: Round) -> str:
    return f"{carried['mib_s']:7,.0f} MiB/s, memory +{max(carried['growth_mib'], 0):.1f} MiB"
