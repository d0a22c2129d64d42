"""Which bars are drawn: one picture for each part where pictures say more than a table."""

from __future__ import annotations

import mesh
import peers
from results import Results, median, ratio
from rounds import Figure
from svg import Bar, Group, bars

NAMES = {peers.ONE: "one nginx", peers.PAIR: "two nginx, mTLS", mesh.NAME: "minimesh, hop memory"}


def pictures(results: Results) -> dict[str, str]:
    """SVG by part, of those that were measured."""
    parts = results["parts"]
    drawn = {}
    if "mesh" in parts:
        figures = parts["mesh"]["figures"]
        groups = [
            costs("32 connections, all requests the same", figures["same"]),
            costs("32 connections, no two requests the same", figures["different"]),
        ]
        drawn["mesh"] = bars("A call from web to api", "CPU time per request; shorter is better", groups)
    if "gateway" in parts:
        figures = parts["gateway"]["figures"]
        groups = [costs("32 connections", figures["few"]), costs("256 connections", figures["many"])]
        drawn["gateway"] = bars("A call through the gateway", "CPU time per request; shorter is better", groups)
    if "bodies" in parts:
        figures = parts["bodies"]["figures"]
        groups = [throughput("1 GiB down", figures["down"]), throughput("1 GiB up", figures["up"])]
        drawn["bodies"] = bars("Large bodies", "throughput of one connection; longer is better", groups)
    if "scale" in parts:
        figures = parts["scale"]["figures"]
        groups = [
            costs("the last route, all requests the same", figures["last"]),
            costs("every route in turn, no two requests the same", figures["every"]),
        ]
        note = "CPU time per request at the gateway; the same is best"
        drawn["scale"] = bars("1,000 services and 5,000 routes", note, groups)
    return drawn


def costs(label: str, figure: Figure) -> Group:
    return group(label, figure, "cpu_us", "µs", ".1f")


def throughput(label: str, figure: Figure) -> Group:
    return group(label, figure, "mib_s", "MiB/s", ",.0f")


def group(label: str, figure: Figure, metric: str, unit: str, form: str) -> Group:
    """A bar for each contender, with its value and its ratio to the base."""

    def bar(row: str) -> Bar:
        value = median(figure, row, metric)
        times = "" if row == figure["base"] else f" ({ratio(figure, row, metric):.2f} ×)"
        own = row not in (peers.ONE, peers.PAIR, figure["base"])
        return Bar(NAMES.get(row, row), value, f"{value:{form}} {unit}{times}", own)

    return Group(label, [bar(row) for row in figure["rounds"]])
