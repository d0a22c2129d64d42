"""Part `rest`: how much memory the mesh keeps after work, once nobody calls any more."""

from __future__ import annotations

import time
from pathlib import Path

import mesh
from measure import rss_bytes
from rounds import Figure
from say import say
from settings import Settings
from stage import Stage
from wrk import load

PEOPLE = Path(__file__).parent / "lua" / "shop.lua"
CONNECTIONS = 16
SLICE = 10  # seconds of load at a time
AT_MOST = 180.0  # seconds of load in all; how many requests there were stands in the figure


def rest_part(settings: Settings) -> dict[str, Figure]:
    title = f"examples/shop, {settings.requests:,} requests, then {settings.rest:g} s of rest"
    say(title)
    with Stage() as stage:
        pid, url = mesh.shop(stage)
        started = mib(pid)
        requests, lost = work(pid, url, settings.requests)
        worked = mib(pid)
        say(f"{requests:,} requests, {lost} lost; {started} MiB at the start, {worked} MiB now; resting")
        time.sleep(settings.rest)
        rested = mib(pid)
    say(f"{rested} MiB after the rest")
    row = {"started_mib": started, "worked_mib": worked, "rested_mib": rested, "requests": requests, "lost": lost}
    return {"shop": {"title": title, "hop": "memory", "base": "", "rounds": {mesh.NAME: [row]}}}


def work(pid: int, url: str, wanted: int) -> tuple[int, int]:
    """Requests through the gateway until there were so many: (requests, lost ones)."""
    requests, lost, until, seconds = 0, 0, time.monotonic() + AT_MOST, 2
    while requests < wanted and time.monotonic() < until:
        sample = load(url, [pid], seconds, CONNECTIONS, PEOPLE)
        requests += int(sample["requests"])
        lost += int(sample["lost"])
        left = (wanted - requests) / max(sample["rps"], 1.0)
        seconds = max(1, min(SLICE, round(left + 0.5)))
    return requests, lost


def mib(pid: int) -> float:
    return round(rss_bytes([pid]) / 2**20, 1)
