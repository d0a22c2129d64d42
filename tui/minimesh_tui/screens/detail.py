"""Everything that is known of one service, as lines."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.segment import Segment
from textual.strip import Strip

from minimesh.cli.text import NONE, age, escape, local_time, milliseconds, rate
from minimesh.control.views import EdgeView, EnvView, EventView
from minimesh_tui.look import Health, Look, Role
from minimesh_tui.model import Board, Row
from minimesh_tui.widgets.bars import Part
from minimesh_tui.widgets.lines import Lines

LABEL = 10
EVENTS = 12
"""The latest that are told."""


class Facts(Lines):
    """Lines of parts, scrolled."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:  # noqa: A002 - the base's name
        super().__init__(look, id=id)
        self._lines: list[list[Part]] = []

    @property
    def count(self) -> int:
        return len(self._lines)

    def show(self, lines: list[list[Part]]) -> None:
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.all_changed()
        else:
            self.changed(row for row, line in enumerate(lines) if line != before[row])

    def draw(self, index: int) -> Strip:
        return Strip([Segment(escape(text), self.look.of(role)) for text, role in self._lines[index]])


def title(row: Row, look: Look) -> list[Part]:
    """`payments   x crash-loop: exit 1: KeyError: 'STRIPE_KEY'`"""
    role = role_of(row.health)
    why = row.service["reason"] or ""
    if not why and row.health is Health.DEGRADED and row.stat and row.stat["success"] is not None:
        why = f"{good(row.stat['success'])}% of its answers are good"
    text = why if why.startswith(row.state) else f"{row.state}: {why}" if why else row.state
    return [(row.name, Role.STRONG), (f"   {look.glyphs.health[row.health]} {text}", role)]


def role_of(health: Health) -> Role:
    return Role(health.value)


def facts(row: Row, board: Board, env: EnvView | None, events: Sequence[EventView], room: int) -> list[list[Part]]:
    """What is known now; `env` comes a moment later than the rest. room: columns."""
    found = [*_program(row, env), *_last_words(row), *_outlook(row), *_instances(row), *_traffic(row, board)]
    recent = [event for event in events if event["service"] == row.name][-EVENTS:]
    found += [
        ("events" if place == 0 else "", f"{local_time(event['time'])[:8]}  {event['message']}", Role.TEXT)
        for place, event in enumerate(reversed(recent))
    ]
    lines: list[list[Part]] = []
    for label, text, role in found:
        for place, piece in enumerate(wrap(text, max(20, room - LABEL - 2), break_on_hyphens=False) or [""]):
            lines.append([(f" {'' if place else label:<{LABEL}}", Role.HEAD), (piece, role)])
    return lines


Fact = tuple[str, str, Role]


def _program(row: Row, env: EnvView | None) -> Iterator[Fact]:
    service = row.service
    if env and env["argv"]:
        yield "command", " ".join(env["argv"]), Role.STRONG
        yield "cwd", env["cwd"] or NONE, Role.TEXT
    words = [f"pid {service['pid']}" if service["pid"] is not None else "", service["kind"]]
    words += [f"up {age(service['up_ms'])}" if service["up_ms"] is not None else ""]
    words += [f"restarts {service['restarts']}" if service["restarts"] else ""]
    words += [f"meshed {service['meshed']}" if service["meshed"] else "not meshed: takes no calls and makes none"]
    if service["url"]:
        yield "url", service["url"], Role.KEY
    yield "address", "   ".join(filter(None, (service["listen"] or "none", *words))), Role.TEXT


def _last_words(row: Row) -> Iterator[Fact]:
    for instance in row.service["instances"]:
        if instance["last_stderr"] and instance["exit_code"]:
            which = f"  (replica {instance['replica']})" if len(row.service["instances"]) > 1 else ""
            yield "stderr", f"{instance['last_stderr']}{which}", Role.DOWN
            if row.health in (Health.OK, Health.DEGRADED):
                continue
            yield "", f"exit {instance['exit_code']}; the last line that it wrote", Role.DIM
            return


def _outlook(row: Row) -> Iterator[Fact]:
    """What comes of one that fails again and again."""
    told = dict.fromkeys(each["outlook"] for each in row.service["instances"] if each["outlook"])
    for place, outlook in enumerate(told):
        yield "" if place else "outlook", outlook, Role.DEGRADED


def _instances(row: Row) -> Iterator[Fact]:
    instances = row.service["instances"]
    if len(instances) == 1:
        if instances[0]["probe"]:
            yield "check", instances[0]["probe"], Role.TEXT
        return
    for place, each in enumerate(instances):
        words = [
            f"{each['replica']}  {each['state']:<10}",
            f"pid {each['pid'] or NONE}",
            f"port {each['port'] or NONE}",
        ]
        words += [f"up {age(each['up_ms'])}", f"restarts {each['restarts']}", each["reason"] or each["probe"] or ""]
        bad = each["state"] not in ("ready", "running", "completed")
        yield "" if place else "replicas", "   ".join(filter(None, words)), Role.DEGRADED if bad else Role.TEXT


def _traffic(row: Row, board: Board) -> Iterator[Fact]:
    yield from _edges("callers", board.callers(row.name), "source")
    yield from _edges("calls", board.callees(row.name), "destination")
    if row.stat and row.stat["reasons"]:
        ordered = sorted(row.stat["reasons"].items(), key=lambda item: -item[1])
        yield "failures", "   ".join(f"{reason} x{count}" for reason, count in ordered), Role.DEGRADED
    if row.stat and row.stat["grpc"]:
        ordered = sorted(row.stat["grpc"].items(), key=lambda item: -item[1])
        words = [f"{status} x{count}" for status, count in ordered]
        words.append(f"messages {row.stat['messages_in']} in, {row.stat['messages_out']} out")
        yield "gRPC", "   ".join(words), Role.TEXT
    if row.stat and row.stat["retries"]:
        yield "retries", str(row.stat["retries"]), Role.TEXT


def _edges(label: str, edges: Sequence[EdgeView], end: str) -> Iterator[Fact]:
    for place, edge in enumerate(sorted(edges, key=lambda edge: -(edge["rps"] or 0))):
        other = edge["source"] if end == "source" else edge["destination"]
        words = [f"{other:<14}", f"{rate(edge['rps'])}/s", f"{good(edge['success'])}%", milliseconds(edge["p99_ms"])]
        reasons = [f"{reason} x{count}" for reason, count in sorted(edge["reasons"].items(), key=lambda item: -item[1])]
        text = "   ".join([*words, *reasons]) if edge["requests"] else f"{other:<14}   idle"
        yield "" if place else label, text, success_role(edge["success"])


def good(success: float | None) -> str:
    """A share as percents with one decimal, rounded down: only what never failed is 100.0."""
    return NONE if success is None else f"{int(success * 1000 + 1e-6) / 10:.1f}"


def success_role(success: float | None) -> Role:
    if success is None or success >= 0.99:
        return Role.TEXT
    return Role.DEGRADED if success >= 0.9 else Role.DOWN
