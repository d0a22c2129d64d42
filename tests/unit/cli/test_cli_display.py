"""What still waits, below what stands: for a handful of services, and for a thousand."""

import io
import re

from minimesh.cli.display import MOST_SHOWN, PATIENCE, Display
from minimesh.cli.terminal import Terminal

NAMES = [f"service-{number:03}" for number in range(200)]


def display(*, width: int | None) -> tuple[Display, io.StringIO]:
    err = io.StringIO()
    return Display(Terminal(io.StringIO(), False, None), Terminal(err, width is not None, width)), err


def painted(err: io.StringIO) -> list[str]:
    """What was written below, after the last time that the cursor went up."""
    text = re.split(r"\x1b\[\d+A", err.getvalue())[-1]
    return re.sub(r"\r|\x1b\[[0-9]*[mKJ]", "", text).splitlines()


def test_no_more_is_rewritten_than_a_screen_has_room_for() -> None:
    shown, err = display(width=80)
    for name in NAMES:
        shown.wait(name, "waiting for db", 0.0)
    lines = painted(err)
    assert [line.split()[1] for line in lines[:-1]] == NAMES[:MOST_SHOWN]
    assert lines[-1] == f"  ..  and {len(NAMES) - MOST_SHOWN} more that are not ready yet"
    assert re.findall(r"\x1b\[(\d+)A", err.getvalue())[-1] == str(MOST_SHOWN + 1)


def test_who_is_ready_makes_room_for_the_next() -> None:
    shown, err = display(width=80)
    for name in NAMES[: MOST_SHOWN + 1]:
        shown.wait(name, "waiting for db", 0.0)
    assert painted(err)[-1].endswith("and 1 more that are not ready yet")
    shown.settle("ok", NAMES[0], ["ready"])
    assert [line.split()[1] for line in painted(err)[-MOST_SHOWN:]] == NAMES[1 : MOST_SHOWN + 1]
    shown.drop()
    assert painted(err) == []


def test_off_a_terminal_each_is_told_of_once_and_the_first_ones_again() -> None:
    shown, err = display(width=None)
    for moment in range(4):
        for name in NAMES:
            shown.wait(name, "waiting for db", moment * PATIENCE)
    told = [line.split()[1] for line in err.getvalue().splitlines()]
    assert told == [*NAMES, *NAMES[:MOST_SHOWN], *NAMES[:MOST_SHOWN]]
