"""What was promised, each with where its figure stands in a results file."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable

import mesh
from results import Part, Results, median, ratio, values, worst
from rounds import Figure
from scaling import LARGE


@dataclasses.dataclass(frozen=True, slots=True)
class Promise:
    """`measured` takes a figure to a number, which stands in `holds` to `limit`. `shown`: a format of both."""

    what: str
    part: str
    figure: str
    measured: Callable[[Figure], float]
    limit: float
    shown: str
    holds: Callable[[float, float], bool] = operator.le


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """`measured` and `held` are None where the part was not run."""

    promise: Promise
    measured: float | None
    held: bool | None


def own_ratio(metric: str, row: str = mesh.NAME) -> Callable[[Figure], float]:
    """minimesh to the figure's base."""
    return lambda figure: ratio(figure, row, metric)


def own(metric: str, row: str = mesh.NAME) -> Callable[[Figure], float]:
    return lambda figure: median(figure, row, metric)


def largest(metric: str, scale: float = 1.0) -> Callable[[Figure], float]:
    return lambda figure: max(worst(figure, mesh.NAME, metric), 0) * scale


def lost(figure: Figure) -> float:
    return sum(values(figure, mesh.NAME, "lost"))


GE, LT = operator.ge, operator.lt
OF_PAIR = "{:.2f} of the nginx pair"
OF_NGINX = "{:.2f} of one nginx"
MS = "{:.0f} ms"
OF_SMALL = "{:.2f} of 10 services"

PROMISES = (
    Promise("service to service: CPU per request", "mesh", "same", own_ratio("cpu_us"), 0.65, OF_PAIR),
    Promise("service to service: requests a second", "mesh", "same", own_ratio("rps"), 1.5, OF_PAIR, GE),
    Promise("… no two requests the same: CPU per request", "mesh", "different", own_ratio("cpu_us"), 0.65, OF_PAIR),
    Promise("service to service, one connection: p50", "mesh", "single", own_ratio("p50_us"), 1.0, OF_PAIR),
    Promise("gateway: CPU per request", "gateway", "few", own_ratio("cpu_us"), 1.6, OF_NGINX),
    Promise("gateway, 256 connections: lost requests", "gateway", "many", lost, 0, "{:.0f}"),
    Promise("1 GiB down: throughput", "bodies", "down", own_ratio("mib_s"), 0.7, OF_NGINX, GE),
    Promise("1 GiB up: throughput", "bodies", "up", own_ratio("mib_s"), 0.7, OF_NGINX, GE),
    Promise("1 GiB down: growth of memory", "bodies", "down", largest("growth_mib"), 16, "{:.1f} MiB", LT),
    Promise("1 GiB up: growth of memory", "bodies", "up", largest("growth_mib"), 16, "{:.1f} MiB", LT),
    Promise("an idle connection", "idle", "connections", largest("bytes", 1 / 1024), 8, "{:.1f} KiB"),
    Promise("the idle shop: CPU", "idle", "shop", own("cpu_percent"), 0.5, "{:.2f} % of a core"),
    Promise("1,000 services: CPU per request", "scale", "last", own_ratio("cpu_us", LARGE), 1.1, OF_SMALL),
    Promise("… no two requests the same: CPU per request", "scale", "every", own_ratio("cpu_us", LARGE), 1.1, OF_SMALL),
    Promise("1,000 services: `minimesh validate`", "thousand", "wall", own("ms", "minimesh validate"), 1500, MS, LT),
    Promise(
        "1,000 services: `minimesh reload`, one changed", "thousand", "wall", own("ms", "minimesh reload"), 500, MS, LT
    ),
    Promise("1,000 services: `minimesh ps`", "thousand", "wall", own("ms", "minimesh ps"), 400, MS, LT),
    Promise("1,000 services: `minimesh stat`", "thousand", "wall", own("ms", "minimesh stat"), 400, MS, LT),
    Promise("`up` to the gateway's first byte", "start", "wall", own("ms", "minimesh up"), 500, "{:.0f} ms", LT),
    Promise("`minimesh ps`", "start", "wall", own("ms", "minimesh ps"), 150, "{:.0f} ms", LT),
    Promise("`minimesh --help`", "start", "wall", own("ms", "minimesh --help"), 150, "{:.0f} ms", LT),
    Promise("memory with the shop, after work and rest", "rest", "shop", own("rested_mib"), 64, "{:.1f} MiB", LT),
)


def judge(promise: Promise, results: Results) -> Verdict:
    part: Part | None = results["parts"].get(promise.part)
    if part is None:
        return Verdict(promise, None, None)
    measured = promise.measured(part["figures"][promise.figure])
    return Verdict(promise, measured, promise.holds(measured, promise.limit))
