"""The top line and the row of screens, for any width."""

from minimesh_tui.keys import EVENTS, KEYS, LOGS, SERVICES
from minimesh_tui.look import Health, Look, Role
from minimesh_tui.model import Board
from minimesh_tui.widgets.bars import Part

WIDE = 110
_WORDS = (Health.OK, Health.DEGRADED, Health.DOWN, Health.STARTING, Health.STOPPED)
_TABS = ((SERVICES, "2", "Services"), (LOGS, "4", "Logs"))


def top_line(
    board: Board, look: Look, window: str, life: tuple[str, Role], clock: str, width: int
) -> tuple[list[Part], list[Part]]:
    """What stands left and right. life: `LIVE`, or why it is not."""
    mesh = board.mesh
    right: list[Part] = [(life[0], life[1]), (f"  {clock} ", Role.TEXT)]
    if mesh is None:
        return [(" minimesh", Role.STRONG)], right
    counts = board.counts()
    many = sum(counts.values())
    left: list[Part] = [(f" {mesh['project']}", Role.STRONG)]
    left.append((f"  {many} service{'' if many == 1 else 's'}: " if width >= WIDE else f" {many}: ", Role.TEXT))
    for health in _WORDS:
        if counts[health]:
            glyph, role = look.glyphs.health[health], Role(health.value)
            text = f"{glyph} {counts[health]} {health}  " if width >= WIDE else f"{glyph}{counts[health]} "
            left.append((text, role))
    if mesh["state"] != "ready" and life[0] == "LIVE":
        left.append((f"  {mesh['state']}", Role.DEGRADED))
    right.insert(0, (f"{window} window  " if width >= WIDE else f"{window} ", Role.DIM))
    room = width - sum(len(text) for text, _ in (*left, *right)) - 1
    gateway = mesh["gateway"]
    for more in (gateway["url"] if gateway else "", f"hop {mesh['hop']}"):
        room -= len(more) + 2
        if more and room > 0:
            left.append((f"  {more}", Role.KEY if more.startswith("http") else Role.DIM))
    return left, right


def tab_row(screen: str, look: Look, width: int) -> tuple[list[Part], list[Part]]:
    """The screens there are, each with its key, and the keys that work on all of them."""
    left: list[Part] = [(" ", Role.TEXT)]
    tabs = [*_TABS, *([(EVENTS, ":", "Events")] if screen == EVENTS else [])]
    for name, key, title in tabs:
        if name == screen:
            left.append((f"[{key} {title}]", Role.STRONG))
        else:
            left += [(f" {key}", Role.KEY), (f" {title} ", Role.TEXT)]
        left.append(("  ", Role.TEXT))
    keys = [("f", "filter"), *([("/", "find")] if screen != SERVICES else []), (":", "command"), ("?", "help")]
    while keys and sum(len(text) for text, _ in left) + sum(len(label) + 4 for _, label in keys) > width:
        del keys[0]
    right: list[Part] = [part for key, label in keys for part in ((key, Role.KEY), (f" {label}  ", Role.TEXT))]
    return left, right


def footer(screen: str, width: int, read_only: bool) -> list[Part]:
    """The keys that act here, as many as fit; leaving is always told."""
    shown = [key for key in KEYS if key.label and screen in key.screens and not (read_only and key.changes)]
    *others, last = [(key.shown.split()[0], key.label) for key in shown]
    end = f"{last[1]} (mesh stays up)" if width >= 100 else last[1]
    room = width - len(last[0]) - len(end) - 4
    parts: list[Part] = [(" ", Role.TEXT)]
    for shown_as, label in others:
        room -= len(shown_as) + len(label) + 3
        if room < 0:
            break
        parts += [(shown_as, Role.KEY), (f" {label}  ", Role.TEXT)]
    return [*parts, (last[0], Role.KEY), (f" {end}", Role.TEXT)]
