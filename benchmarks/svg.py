"""Bars, as SVG: a text in, a text out. Readable in light and dark, and without colours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

WIDTH = 760
LABEL = 190  # where bars begin
LONGEST = 380  # a bar
ROW, GAP, TOP = 26, 14, 54
BAR = 16

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.muted { fill: #59636e }
.card { fill: #ffffff; stroke: #d1d9e0 }
.peer { fill: #8c959f }
.own { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .muted { fill: #9198a1 }
  .card { fill: #0d1117; stroke: #3d444d }
  .peer { fill: #656c76 }
  .own { fill: #4493f8 }
}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """`text` stands behind it. `own`: of the one whom the picture is about."""

    label: str
    value: float
    text: str
    own: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Bars under a heading; "" for none."""

    label: str
    bars: Sequence[Bar]


def bars(title: str, note: str, groups: Sequence[Group]) -> str:
    """All groups share one scale, which begins at 0. `note`: the unit, and which way is better."""
    longest = max((bar.value for group in groups for bar in group.bars), default=0) or 1
    lines: list[str] = []
    y = TOP
    for group in groups:
        if group.label:
            lines.append(f'<text x="20" y="{y + 17}" class="muted">{escape(group.label)}</text>')
            y += ROW
        for bar in group.bars:
            lines += row(bar, y, LONGEST * bar.value / longest)
            y += ROW
        y += GAP
    return document(title, note, y, lines)


def row(bar: Bar, y: int, length: float) -> list[str]:
    middle = y + 17
    kind = "own" if bar.own else "peer"
    return [
        f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{LABEL}" y="{y + 4}" width="{max(length, 1):.1f}" height="{BAR}" rx="2" class="{kind}"/>',
        f'<text x="{LABEL + length + 8:.1f}" y="{middle}">{escape(bar.text)}</text>',
    ]


def document(title: str, note: str, height: int, lines: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" class="card"/>',
            f'<text x="20" y="26" class="title">{escape(title)}</text>',
            f'<text x="20" y="44" class="muted">{escape(note)}</text>',
            *lines,
            "</svg>",
            "",
        )
    )
