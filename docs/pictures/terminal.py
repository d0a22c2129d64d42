"""Turn what a terminal shows into an SVG picture: `tmux capture-pane -pe | python terminal.py OUT.svg TITLE`.

Reads text with SGR escapes on stdin. Only what minimesh prints is understood: bold, dim, reverse and 16 colours.
"""

import re
import sys
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from unicodedata import east_asian_width

WIDTH, HEIGHT, MARGIN, BAR = 8.4, 18, 16, 34
INK, PAPER = "#d8dee9", "#1b1f27"
COLOURS = ["#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9"]
BRIGHT = ["#6b7589", "#ff8b94", "#b5e890", "#ffd68a", "#8cc8ff", "#e0a3f0", "#7fd8e0", "#ffffff"]
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")


@dataclass(frozen=True)
class Style:
    colour: str = INK
    paper: str | None = None
    bold: bool = False
    dim: bool = False
    reverse: bool = False

    def settled(self) -> "Style":
        """Where it is reverse, with ink and paper in each other's place."""
        return replace(self, colour=self.paper or PAPER, paper=self.colour) if self.reverse else self


def styled(style: Style, codes: str) -> Style:
    for code in [int(part or 0) for part in codes.split(";")]:
        if code == 0:
            style = Style()
        elif code == 1:
            style = replace(style, bold=True)
        elif code == 2:
            style = replace(style, dim=True)
        elif 30 <= code <= 37:
            style = replace(style, colour=COLOURS[code - 30])
        elif 90 <= code <= 97:
            style = replace(style, colour=BRIGHT[code - 90])
        elif code == 39:
            style = replace(style, colour=INK)
        elif code == 7:
            style = replace(style, reverse=True)
        elif 40 <= code <= 47:
            style = replace(style, paper=COLOURS[code - 40])
        elif 100 <= code <= 107:
            style = replace(style, paper=BRIGHT[code - 100])
    return style


def spans(line: str) -> list[tuple[Style, str]]:
    found, style = [], Style()
    for index, part in enumerate(ESCAPE.split(line)):
        if index % 2:
            style = styled(style, part)
        elif part:
            found.append((style.settled(), part))
    return found


def columns(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def text_of(line: str, row: int) -> str:
    column, parts = 0, []
    y = BAR + MARGIN + row * HEIGHT
    for style, text in spans(line):
        if style.paper:
            parts.append(
                f'<rect x="{MARGIN + column * WIDTH:.1f}" y="{y - 0.76 * HEIGHT:.1f}" fill="{style.paper}" '
                f'width="{columns(text) * WIDTH:.1f}" height="{HEIGHT}"/>'
            )
        if text.strip():
            lead = len(text) - len(text.lstrip())
            weight = ' font-weight="bold"' if style.bold else ""
            faint = ' opacity="0.65"' if style.dim else ""
            shown = text.strip()
            parts.append(
                f'<text x="{MARGIN + (column + lead) * WIDTH:.1f}" y="{y}" fill="{style.colour}"{weight}{faint} '
                f'textLength="{columns(shown) * WIDTH:.1f}" xml:space="preserve">{escape(shown)}</text>'
            )
        column += columns(text)
    return "".join(parts)


def picture(text: str, title: str) -> str:
    lines = text.rstrip("\n").split("\n")
    wide = max(columns(ESCAPE.sub("", line).rstrip()) for line in lines) * WIDTH + 2 * MARGIN
    high = BAR + MARGIN + len(lines) * HEIGHT
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 20 * index}" cy="17" r="6" fill="{colour}"/>'
        for index, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" width="{wide:.0f}" height="{high}" '
        f'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,\'DejaVu Sans Mono\',monospace" font-size="14">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" rx="10" fill="{PAPER}"/>{dots}'
        f'<text x="{wide / 2:.0f}" y="22" fill="#8a94a6" text-anchor="middle" font-size="13">{escape(title)}</text>'
        + "".join(text_of(line, row) for row, line in enumerate(lines))
        + "</svg>\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(sys.stdin.read(), sys.argv[2]))
