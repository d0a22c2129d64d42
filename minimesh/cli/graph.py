"""`minimesh graph`: who may call whom, as text or for another tool to draw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Command, Option
from minimesh.cli.text import milliseconds, percent, rate
from minimesh.cli.values import choice, window

if TYPE_CHECKING:
    from minimesh.control.views import GraphView, LinkView


def graph(context: Context, *, format: str | None, time_window: float) -> int:  # noqa: A002 - the option's name
    """Of the running mesh with its traffic, else of the file."""
    view = _view(context, time_window)
    written = "json" if context.json else format or "text"
    for line in WRITERS[written](view):
        context.out.line(line)
    return Exit.OK


def _view(context: Context, time_window: float) -> GraphView:
    from minimesh.control.client import NotRunningError  # noqa: PLC0415 - the client costs 60 ms

    try:
        return cast("GraphView", context.get("/v1/graph", {"window_ms": time_window * 1000}))
    except NotRunningError:
        from minimesh.cli.project import load  # noqa: PLC0415 - only where no mesh answers
        from minimesh.control.ways import project_graph  # noqa: PLC0415

        return project_graph(load(context).project)


def text(view: GraphView) -> Iterator[str]:
    """A tree for each service that nobody calls; what was shown already is named only, and a circle is said."""
    callees: dict[str, list[LinkView]] = {}
    for link in view["links"]:
        callees.setdefault(link["source"], []).append(link)
    called = {link["destination"] for link in view["links"] if link["source"] != link["destination"]}
    shown: set[str] = set()

    def below(name: str, indent: str, path: tuple[str, ...]) -> Iterator[str]:
        links = callees.get(name, [])
        shown.add(name)
        for index, link in enumerate(links):
            last = index == len(links) - 1
            callee = link["destination"]
            mark = " (itself)" if callee == name else " (a circle)" if callee in path else ""
            again = " …" if not mark and callee in shown and callees.get(callee) else ""
            yield f"{indent}{'└─' if last else '├─'} {callee}{mark}{again}{figures(link)}"
            if not mark and not again:
                yield from below(callee, indent + ("   " if last else "│  "), (*path, callee))

    states = {node["name"]: node["state"] for node in view["nodes"]}
    first = [node["name"] for node in view["nodes"] if node["name"] not in called]
    for name in (*first, *states):  # whoever is only in a circle has no beginning but itself
        if name not in shown:
            yield f"{name}{_state(states.get(name))}"
            yield from below(name, "", (name,))


def _state(state: str | None) -> str:
    return f"  ({state})" if state not in (None, "running") else ""


def figures(link: LinkView) -> str:
    """`  27.0/s 96.10% 240ms`; nothing where there was no traffic."""
    if not link["requests"]:
        return ""
    found = f"  {rate(link['rps'])}/s {percent(link['success'])} {milliseconds(link['p99_ms'])}"
    return found if link["configured"] else f"{found} (not in minimesh.toml)"


def mermaid(view: GraphView) -> Iterator[str]:
    """A flowchart, as GitHub and GitLab draw it."""
    yield "flowchart LR"
    shapes = {"gateway": ("([", "])"), "task": ("[[", "]]"), "address": ("[(", ")]")}
    names = {node["name"]: f"n{index}" for index, node in enumerate(view["nodes"])}
    for node in view["nodes"]:
        left, right = shapes.get(node["kind"], ("[", "]"))
        yield f'  {names[node["name"]]}{left}"{node["name"]}{_state(node["state"])}"{right}'
    for link in view["links"]:
        label = figures(link).strip()
        arrow = f'-->|"{label}"|' if label else "-->"
        yield f"  {names[link['source']]} {arrow} {names[link['destination']]}"


def dot(view: GraphView) -> Iterator[str]:
    """For Graphviz."""
    yield f"digraph {json.dumps(view['project'])} {{"
    yield "  rankdir=LR; node [shape=box];"
    shapes = {"gateway": "oval", "task": "note", "address": "cylinder"}
    for node in view["nodes"]:
        shape = f" [shape={shapes[node['kind']]}]" if node["kind"] in shapes else ""
        yield f'  "{node["name"]}"{shape};'
    for link in view["links"]:
        label = figures(link).strip()
        yield f'  "{link["source"]}" -> "{link["destination"]}"' + (f' [label="{label}"];' if label else ";")
    yield "}"


def as_json(view: GraphView) -> Iterator[str]:
    yield json.dumps(view, indent=2)


WRITERS: dict[str, Callable[[GraphView], Iterator[str]]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "json": as_json,
}

COMMANDS: dict[str, Command] = {
    "graph": Command(
        graph,
        "Who may call whom: the gateway's routes, and what services depend on or call; with the traffic of\n"
        "the last minute where a mesh runs. Without one, what minimesh.toml says.",
        (
            ("minimesh graph", "as a tree"),
            ("minimesh graph --format mermaid >> README.md", "for a page that draws it"),
        ),
        options=(
            Option(
                ("--format",),
                "text, mermaid, dot or json; default text",
                "FORMAT",
                choice(*WRITERS),
            ),
            Option(
                ("-t", "--time-window"), "how far to look back, at most 15m; default 1m", "TIME", window, default=60.0
            ),
        ),
        outputs=("table", "json"),
    )
}
