"""The tables of docs/performance.md, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import mesh
import peers
from measure import Round
from promises import PROMISES, Verdict, judge
from results import Part, Results, median, ratio, values
from rounds import Figure
from scaling import LARGE, SMALL
from thousand import WITHIN

HOPS = {
    peers.ONE: ("one nginx", "none: one proxy"),
    peers.PAIR: ("two nginx", "mTLS 1.3 between two proxies"),
    mesh.NAME: ("**minimesh**", "memory"),
    SMALL: ("minimesh, 10 services, 10 routes", "memory"),
    WITHIN: ("… of it, in the mesh", ""),
    LARGE: ("**minimesh, 1,000 services, 5,000 routes**", "memory"),
}
# metric: heading, form
COLUMNS = {
    "requests": ("requests", "{:,.0f}"),
    "rps": ("requests/s", "{:,.0f}"),
    "p50_us": ("p50 µs", "{:,.0f}"),
    "p99_us": ("p99 µs", "{:,.0f}"),
    "cpu_us": ("CPU µs/request", "{:.1f}"),
    "lost": ("lost", "{:.0f}"),
    "mib_s": ("MiB/s", "{:,.0f}"),
    "cpu_ms_mib": ("CPU ms/MiB", "{:.3f}"),
    "growth_mib": ("memory +MiB", "{:.1f}"),
    "bytes": ("bytes each", "{:,.0f}"),
    "cpu_percent": ("CPU, % of a core", "{:.2f}"),
    "ms": ("ms", "{:.0f}"),
    "idle_mib": ("MiB", "{:.1f}"),
    "up_s": ("s until all is up", "{:.1f}"),
    "down_s": ("s for `minimesh down`", "{:.1f}"),
    "started_mib": ("MiB at the start", "{:.1f}"),
    "worked_mib": ("MiB after the load", "{:.1f}"),
    "rested_mib": ("MiB after the rest", "{:.1f}"),
}
SUMS = {"lost"}
MOST = {"growth_mib"}
LEFT_OUT = {"requests"}  # of a contest: how many there were says the rate
WITH_RANGE = {"cpu_us", "mib_s", "ms"}
COMPARED = {"cpu_us": "CPU ratio", "rps": "rate ratio", "mib_s": "ratio"}


def goals(results: Results) -> str:
    """What was promised, and what was measured."""
    rows = [goal(judge(promise, results)) for promise in PROMISES]
    return table(("", "promised", "measured", ""), rows, 4)


def goal(verdict: Verdict) -> tuple[str, ...]:
    promise = verdict.promise
    word = {"le": "at most", "lt": "under", "ge": "at least"}[promise.holds.__name__]
    limit = "none" if promise.limit == 0 else f"{word} {promise.shown.format(promise.limit)}"
    if verdict.measured is None:
        return promise.what, limit, "not measured", ""
    return promise.what, limit, promise.shown.format(verdict.measured), "kept" if verdict.held else "**missed**"


def section(text: str, part: Part, picture: str | bool) -> str:
    """Of one part: its text, its picture, a table for each figure, and when it was measured."""
    shown = [f"![{text.partition(chr(10))[0].strip('# ')}]({picture})"] if picture else []
    when = f"Measured {part['at'].replace('T', ' ').replace('+00:00', ' UTC')}"
    source = f", source {part['commit']}" if part["commit"] else ""
    busy = f", load average before it {part['load']:.2f}"
    return "\n\n".join((text, *shown, *map(figure_table, part["figures"].values()), f"{when}{source}{busy}."))


def figure_table(figure: Figure) -> str:
    rounds = figure["rounds"]
    first = next(iter(rounds.values()))
    metrics = [metric for metric in COLUMNS if metric in first[0] and not ("rps" in first[0] and metric in LEFT_OUT)]
    compared = [metric for metric in metrics if metric in COMPARED and figure["base"]]
    heads = ["", *(["hop"] if figure["hop"] else [])]
    heads += [COLUMNS[metric][0] for metric in metrics] + [COMPARED[metric] for metric in compared]
    rows = []
    for row in rounds:
        name, hop = HOPS.get(row, (f"`{row}`", ""))
        cells = [name, *([hop] if figure["hop"] else [])]
        cells += [cell(figure, row, metric) for metric in metrics]
        cells += [f"{ratio(figure, row, metric):.2f}" for metric in compared]
        rows.append(cells)
    return f"**{figure['title']}**{count(first)}\n\n{table(heads, rows, 2 if figure['hop'] else 1)}"


def count(row: Sequence[Round]) -> str:
    return f": medians of {len(row)} rounds (lowest – highest)" if len(row) > 1 else ""


def cell(figure: Figure, row: str, metric: str) -> str:
    form = COLUMNS[metric][1]
    all_of_it = values(figure, row, metric)
    if metric in SUMS:
        return form.format(sum(all_of_it))
    if metric in MOST:
        return form.format(max(*all_of_it, 0.0))
    middle = form.format(median(figure, row, metric))
    if metric not in WITH_RANGE or len(all_of_it) == 1:
        return middle
    return f"{middle} ({form.format(min(all_of_it))} – {form.format(max(all_of_it))})"


def machine_table(results: Results) -> str:
    return "## The machine\n\n" + table(("", ""), [(name, value) for name, value in results["machine"].items()], 2)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """The first columns are texts, the others numbers, which stand to the right."""
    lines = [heads, ["---"] * texts + ["---:"] * (len(heads) - texts), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
