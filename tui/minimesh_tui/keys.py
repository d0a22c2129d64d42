"""Every key there is: the help, the footer, the manual and the dispatch are made from this one table.

A key has one meaning everywhere. No Ctrl-A, -B, -J, -Q, -S, -Z (multiplexers, shells and flow control have them)
and no function keys (terminals and desktops eat them).
"""

from collections.abc import Iterator
from typing import NamedTuple

SERVICES, LOGS, EVENTS = "services", "logs", "events"
EVERYWHERE = (SERVICES, LOGS, EVENTS)
LISTS = (LOGS, EVENTS)


class Key(NamedTuple):
    """keys: as the terminal library calls them. label: for the footer, "" where it is not told there; about: one
    sentence. changes: it asks something of the mesh, so that --read-only refuses it."""

    id: str
    keys: tuple[str, ...]
    shown: str
    label: str
    about: str
    screens: tuple[str, ...] = EVERYWHERE
    changes: bool = False


KEYS = (
    Key("down", ("j", "down"), "j k Up Down", "", "one line down, up"),
    Key("up", ("k", "up"), "", "", ""),
    Key("page_down", ("pagedown",), "PgUp PgDn", "", "a page up, down"),
    Key("page_up", ("pageup",), "", "", ""),
    Key("top", ("g", "home"), "g G", "", "to the first line, to the last one"),
    Key("end", ("G", "end"), "", "", ""),
    Key("left", ("left",), "Left Right", "", "the rest of long lines", LISTS),
    Key("right", ("right",), "", "", "", LISTS),
    Key("open", ("enter",), "Enter", "open", "the service with all its details, and back", (SERVICES,)),
    Key("restart", ("r",), "r", "restart", "restart the service; asks", (SERVICES,), changes=True),
    Key("toggle", ("s",), "s", "stop/start", "stop the service, or start it; asks", (SERVICES,), changes=True),
    Key("logs", ("l",), "l", "logs", "what the service writes", (SERVICES,)),
    Key("sort", ("o",), "o", "sort", "order: as in the file, worst first, most requests, slowest", (SERVICES,)),
    Key("freeze", ("space",), "Space", "freeze", "hold still, and go on; in lists: follow the end"),
    Key("find", ("slash",), "/", "", "find in the lines", LISTS),
    Key("find_next", ("n",), "n N", "", "to the next match, to the one before", LISTS),
    Key("find_previous", ("N",), "", "", "", LISTS),
    Key("choose", ("v",), "v", "services", "whose lines are shown", LISTS),
    Key("level", ("L",), "L", "level", "the least level: all, info, warn, error", (LOGS,)),
    Key("wrap", ("w",), "w", "wrap", "break long lines", LISTS),
    Key("clear", ("z",), "z", "clear", "forget the lines on screen; the files keep them", LISTS),
    Key("window", ("t",), "t", "window", "the time that rates and latencies are of: 10s, 1m, 15m", (SERVICES,)),
    Key("filter", ("f",), "f", "", "show only what has these words; Enter on nothing shows all"),
    Key("filter_toggle", ("F",), "F", "", "the filter off, and on again"),
    Key("copy", ("y",), "y", "copy", "copy the line to the clipboard, and to a file where a terminal has none"),
    Key("again", ("U",), "U", "", "start a mesh again that has stopped", changes=True),
    Key("to_services", ("2",), "2", "", "the services"),
    Key("to_logs", ("4",), "4", "", "the logs"),
    Key("palette", ("colon",), ":", "", "a command: :logs api, :services, :events, :window 10s, :restart api"),
    Key("mouse", ("M",), "M", "", "give the mouse back to the terminal, to mark text; and take it again"),
    Key("help", ("question_mark",), "?", "", "the keys of this screen"),
    Key("back", ("escape",), "Esc", "", "one step back"),
    Key("quit", ("q", "ctrl+c"), "q Ctrl-C", "leave", "leave; the mesh stays up"),
)


def key_of(pressed: str, screen: str) -> Key | None:
    """What a key means there."""
    return _BY_KEY.get((pressed, screen))


def told(screen: str) -> Iterator[Key]:
    """The keys that the help of a screen tells, in its order."""
    return (key for key in KEYS if key.shown and screen in key.screens)


_BY_KEY = {(pressed, screen): key for key in KEYS for pressed in key.keys for screen in key.screens}
