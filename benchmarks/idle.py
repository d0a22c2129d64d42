"""Part `idle`: what connections cost that do nothing, and what a mesh costs whose services do nothing."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import ExitStack

import mesh
import peers
from client import connect, exchange
from measure import Round, cpu_seconds, rss_bytes
from rounds import Contender, Figure
from say import say
from settings import Settings
from stage import BenchmarkError, Stage

WARM_UP = 200  # connections opened, used and closed before the memory is read
SETTLE = 1.0  # seconds for what ends late
SPARE = 200  # descriptors for everything else


def idle_part(settings: Settings) -> dict[str, Figure]:
    return {"connections": connections(settings), "shop": shop(settings)}


def connections(settings: Settings) -> Figure:
    """Each connection has had one answer and is kept open."""
    allow_descriptors(settings.connections + SPARE)
    title = f"{settings.connections:,} idle keep-alive connections at the gateway"
    say(title)
    with Stage() as stage:
        behind = peers.backend(stage)
        contenders = [peers.one(stage, behind), peers.pair(stage, behind), mesh.gateway_path(stage, behind)]
        rounds = {contender.name: [bytes_each(contender, settings.connections)] for contender in contenders}
    return {"title": title, "hop": "memory", "base": peers.ONE, "rounds": rounds}


def bytes_each(contender: Contender, count: int) -> Round:
    """Growth of resident memory, per connection."""
    hold(contender, WARM_UP).close()
    time.sleep(SETTLE)
    before = rss_bytes(contender.pids)
    with hold(contender, count):
        time.sleep(SETTLE)
        each = (rss_bytes(contender.pids) - before) / count
    say(f"           {contender.name:16} {each / 1024:.2f} KiB each")
    return {"bytes": round(each, 1), "connections": count}


def hold(contender: Contender, count: int) -> ExitStack:
    """So many open connections, each of which has had an answer."""
    held = ExitStack()
    for _ in range(count):
        connection: socket.socket = held.enter_context(connect(contender.url))
        status = exchange(connection, contender.url)
        if status != 200:
            held.close()
            raise BenchmarkError(f"{contender.name} answered {status}")
    return held


def shop(settings: Settings) -> Figure:
    """CPU time of the mesh's own process, while nobody calls."""
    title = f"examples/shop, nobody calls, {settings.idle:g} s"
    say(title)
    with Stage() as stage:
        pid, _ = mesh.shop(stage)
        time.sleep(3 * SETTLE)
        before, started = cpu_seconds([pid]), time.monotonic()
        time.sleep(settings.idle)
        percent = (cpu_seconds([pid]) - before) / (time.monotonic() - started) * 100
    say(f"           {mesh.NAME:16} {percent:.2f} % of a core")
    return {"title": title, "hop": "memory", "base": "", "rounds": {mesh.NAME: [{"cpu_percent": round(percent, 3)}]}}


def allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (-1, resource.RLIM_INFINITY) and hard < count:
        raise BenchmarkError(f"{count} file descriptors are needed and {hard} allowed (ulimit -Hn)")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
