"""Parts `mesh` and `gateway`: what a small call costs, beside one nginx and the nginx pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mesh
import peers
from measure import Round
from rounds import WARM_UP, Contender, Figure, alternate
from say import say
from settings import Settings
from stage import Stage
from wrk import load

DIFFERENT = Path(__file__).parent / "lua" / "different.lua"


def mesh_part(settings: Settings) -> dict[str, Figure]:
    """web → api, hop memory, against the nginx pair."""
    with Stage() as stage:
        behind = peers.backend(stage)
        contenders = [peers.one(stage, behind), peers.pair(stage, behind), mesh.mesh_path(stage, behind)]
        return {
            "same": contest("web → api, 32 connections, all requests the same", contenders, peers.PAIR, settings, 32),
            "different": contest(
                "web → api, 32 connections, no two requests the same",
                contenders,
                peers.PAIR,
                settings,
                32,
                script=DIFFERENT,
            ),
            "single": contest("web → api, one connection", contenders, peers.PAIR, settings, 1),
        }


def gateway_part(settings: Settings) -> dict[str, Figure]:
    """gateway → api against one nginx."""
    with Stage() as stage:
        behind = peers.backend(stage)
        contenders = [peers.one(stage, behind), peers.pair(stage, behind), mesh.gateway_path(stage, behind)]
        return {
            "few": contest("gateway → api, 32 connections", contenders, peers.ONE, settings, 32),
            "many": contest("gateway → api, 256 connections", contenders, peers.ONE, settings, 256),
        }


def contest(
    title: str,
    contenders: Sequence[Contender],
    base: str,
    settings: Settings,
    connections: int,
    *,
    script: Path | None = None,
    arguments: dict[str, str] | None = None,
) -> Figure:
    """wrk at each contender in turn. `arguments`: of the script, by contender."""

    def measure(contender: Contender, seconds: int = settings.seconds) -> Round:
        argument = (arguments or {}).get(contender.name)
        return load(contender.url, contender.pids, seconds, connections, script, argument)

    say(title)
    for contender in contenders:
        measure(contender, WARM_UP)
    rounds = alternate(contenders, settings.rounds, measure, tell)
    return {"title": title, "hop": "memory", "base": base, "rounds": rounds}


def tell(sample: Round) -> str:
    lost = f", {sample['lost']} LOST" if sample["lost"] else ""
    return f"{sample['rps']:9,.0f}/s {sample['cpu_us']:7.1f} µs CPU, p50 {sample['p50_us']:.0f} µs{lost}"
