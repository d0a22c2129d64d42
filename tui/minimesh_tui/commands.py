"""What can be typed after `:`, and what is meant by it."""

from collections.abc import Sequence
from typing import NamedTuple

from minimesh.cli.text import nearest

WINDOWS = {"10s": 10_000, "1m": 60_000, "15m": 900_000}
"""In milliseconds."""


class Order(NamedTuple):
    """A verb and its words, understood. `services` may be none where the verb can do without."""

    verb: str
    words: tuple[str, ...] = ()


class MisunderstoodError(Exception):
    """Says what was probably meant."""


VERBS = {
    "services": "the services",
    "logs": "logs [SERVICE...]",
    "events": "what happened",
    "restart": "restart SERVICE",
    "stop": "stop SERVICE",
    "start": "start SERVICE",
    "window": "window 10s|1m|15m",
    "help": "the keys",
    "quit": "leave",
}
_OF_SERVICES = ("logs", "restart", "stop", "start")
CHANGING = ("restart", "stop", "start")


def understand(line: str, services: Sequence[str]) -> Order | None:
    """None: nothing was said. Raises MisunderstoodError. A verb may be shortened as long as it is one."""
    said, *words = line.split() or [""]
    if not said:
        return None
    verbs = [verb for verb in VERBS if verb == said] or [verb for verb in VERBS if verb.startswith(said)]
    if not verbs:
        guess = nearest(said, VERBS)
        raise MisunderstoodError(f"there is no :{said}" + (f"; did you mean :{guess}?" if guess else ""))
    if len(verbs) > 1:
        raise MisunderstoodError(f":{said} could be any of {', '.join(verbs)}")
    (verb,) = verbs
    if verb in _OF_SERVICES:
        for word in words:
            if word not in services:
                guess = nearest(word, services)
                raise MisunderstoodError(f"there is no service {word}" + (f"; did you mean {guess}?" if guess else ""))
    if verb in CHANGING and len(words) != 1:
        raise MisunderstoodError(f":{verb} takes one service")
    if verb == "window" and (len(words) != 1 or words[0] not in WINDOWS):
        raise MisunderstoodError(f":window takes one of {', '.join(WINDOWS)}")
    return Order(verb, tuple(words))


def completions(services: Sequence[str]) -> list[str]:
    """Whole lines that the prompt offers."""
    return [
        *VERBS,
        *(f"{verb} {name}" for verb in _OF_SERVICES for name in services),
        *(f"window {w}" for w in WINDOWS),
    ]
