"""Processes that a person lets call as a service: those of `minimesh exec` and `minimesh call --as`.

Each is known by its pid, as the kernel tells it of whoever speaks on the control socket, and by its start, so that no
later process of the same pid is taken for it. What it starts is let in with it, as long as it is its parent.
"""

from collections.abc import Mapping

from minimesh.supervise.children import stat
from minimesh.supervise.lineage import Guest

MOST = 1_024


class Guests:
    def __init__(self) -> None:
        self._known: dict[int, Guest] = {}

    def let_in(self, pid: int, service: str) -> bool:
        """False: there is no such process to be seen, or there are too many. What it was let in as before is over."""
        self._forget_ended()
        entry = stat(pid)
        if entry is None or (len(self._known) >= MOST and pid not in self._known):
            return False
        self._known[pid] = Guest(service, entry.start)
        return True

    def known(self) -> Mapping[int, Guest]:
        return dict(self._known)

    def restore(self, known: Mapping[int, Guest]) -> None:
        """Those of an earlier image of this program."""
        self._known.update(known)

    def _forget_ended(self) -> None:
        self._known = {pid: guest for pid, guest in self._known.items() if _starts_at(pid) == guest.start}


def _starts_at(pid: int) -> int | None:
    entry = stat(pid)
    return entry.start if entry is not None else None
