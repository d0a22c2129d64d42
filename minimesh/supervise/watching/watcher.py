"""Watches files and tells whom their changes concern: by inotify where there is one, by looking every 2 s where not.

Idle it costs nothing: the kernel wakes it, and what an event is about is decided by its name alone. Looking is done in
a thread, for it is system calls and digests almost all of the time.
"""

import errno
from collections.abc import Callable, Sequence
from math import inf

import anyio
from anyio import to_thread

from minimesh.model.clock import Clock
from minimesh.supervise.watching.debounce import Debounce
from minimesh.supervise.watching.inotify import Inotify, OnEvent
from minimesh.supervise.watching.limits import instances_used_up, watches_used_up
from minimesh.supervise.watching.target import Target, roots
from minimesh.supervise.watching.tree import MOST_FILES, Found, Tree

POLL_EVERY = 2.0
POLL_SHARE = 0.05
"""Of the time at most is spent with looking at what could not be watched."""

MOMENT = 0.2
"""Seconds within which an event is heard of, and by which the kernel's clock may be behind."""

OnChange = Callable[[str, Sequence[str]], None]
"""Key of a target, and the absolute paths of its files that have changed, have come or have gone, sorted."""


class Watcher:
    """`run` it; `take` says what is to be watched. `on_change` and `on_trouble` (a sentence for people, and
    a command that helps) are called on the loop and must not wait; so is `on_unmet`, with the key of a target and a
    glob of it that no file matches."""

    def __init__(
        self,
        clock: Clock,
        on_change: OnChange,
        on_trouble: Callable[[str, str], None],
        on_unmet: Callable[[str, str], None] = lambda key, glob: None,
        inotify: Callable[[OnEvent], Inotify] = Inotify,
    ) -> None:
        self.settled = anyio.Event()
        self._clock = clock
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._on_unmet = on_unmet
        self._make_inotify = inotify
        self._inotify: Inotify | None = None
        self._trees: list[Tree] = []
        self._wanted: Sequence[Target] | None = None
        self._since = inf
        self._dirty: set[str] = set()
        self._dirty_since: float | None = None
        self._polled: set[str] = set()
        self._polled_at = inf
        self._debounce = Debounce()
        self._wake = anyio.Event()
        self._refused = 0
        self._told: set[str] = set()

    def take(self, targets: Sequence[Target], since: float = inf) -> None:
        """From now on these; `settled` is set when their files are known. since: see `Tree.start`."""
        self._wanted = tuple(targets)
        self._since = since
        self.settled = anyio.Event()
        self._wake.set()

    @property
    def folders(self) -> int:
        """How many are of interest."""
        return len({path for tree in self._trees for path in tree.folders})

    @property
    def told_to(self) -> float:
        """Wall time up to which every change has been told; before `settled`, from which on it will be."""
        now = self._clock.wall()
        if not self.settled.is_set():
            return min(self._since, now)
        event = now if self._dirty_since is None else self._dirty_since
        return min(event, self._polled_at if self._polled else now) - MOMENT

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            pause = POLL_EVERY
            while True:
                with anyio.move_on_after(pause if self._polled else None):
                    await self._wake.wait()
                self._wake = anyio.Event()
                if self._wanted is not None:
                    await self._begin()
                elif self._debounce.due is not None:
                    await self._act()
                elif self._polled:
                    began, at = self._clock.monotonic(), self._clock.wall()
                    await self._look(set(self._polled))
                    self._polled_at = at
                    pause = max(POLL_EVERY, (self._clock.monotonic() - began) / POLL_SHARE)
        finally:
            if self._inotify is not None:
                self._inotify.close()

    async def _begin(self) -> None:
        """Other targets. What of their files was known before and has changed since is told."""
        assert self._wanted is not None
        targets, self._wanted = self._wanted, None
        if self._inotify is None:
            self._open()
        known = {path: print_ for tree in self._trees for path, print_ in tree.prints.items()}
        before = {path for tree in self._trees for path in tree.folders}
        self._polled.clear()
        self._trees = [Tree(root, targets, self._watch, self._leave, known) for root in roots(targets)]
        self._polled_at = self._clock.wall()
        found = await to_thread.run_sync(self._start, self._since)
        for path in before - {path for tree in self._trees for path in tree.folders}:
            self._leave(path)
        self._tell(found)
        for key, glob in [each for tree in self._trees for each in tree.unmet()]:
            self._on_unmet(key, glob)
        if self._wanted is None:
            self.settled.set()
        if self._debounce.due is not None:
            self._wake.set()

    async def _act(self) -> None:
        """Waits until the changes are over, and looks at them."""
        while (pause := (self._debounce.due or 0.0) - self._clock.monotonic()) > 0:  # noqa: ASYNC110 - for time alone
            await anyio.sleep(pause)
        self._debounce.clear()
        dirty, self._dirty, at = self._dirty, set(), self._clock.wall()
        await self._look(dirty)
        self._dirty_since = at if self._dirty else None

    async def _look(self, paths: set[str]) -> None:
        self._tell(await to_thread.run_sync(self._looked, paths))

    def _start(self, since: float) -> Found:
        now = self._clock.wall()
        return _together([tree.start(now, since) for tree in self._trees])

    def _looked(self, paths: set[str]) -> Found:
        now = self._clock.wall()
        return _together([tree.look(tree.folders if "" in paths else paths, now) for tree in self._trees])

    def _tell(self, found: Found) -> None:
        self._polled.update(tree.root for tree in self._trees if tree.root not in tree.folders)
        if self._refused:
            refused, self._refused = self._refused, 0
            self._say_once("watches", *watches_used_up(refused, self.folders))
        if any(tree.full for tree in self._trees):
            self._say_once("files", f"there are more than {MOST_FILES:,} files to watch; those beyond are not", "")
        for key, paths in found.items():
            self._on_change(key, sorted(set(paths)))

    def _say_once(self, what: str, message: str, help_: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._on_trouble(message, help_)

    def _open(self) -> None:
        try:
            self._inotify = self._make_inotify(self._on_event)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._say_once("instances", *instances_used_up())

    def _watch(self, path: str) -> None:
        """Called in the thread that looks."""
        if self._inotify is None:
            self._polled.add(path)
            return
        try:
            self._inotify.add(path)
            self._polled.discard(path)
        except OSError as error:
            self._refused += error.errno == errno.ENOSPC and path not in self._polled
            self._polled.add(path)

    def _leave(self, path: str) -> None:
        if any(path in tree.folders for tree in self._trees):
            return
        self._polled.discard(path)
        if self._inotify is not None:
            self._inotify.forget(path)

    def _on_event(self, path: str, name: str, is_folder: bool) -> None:
        if path and not any(tree.sees(path, name, folder=is_folder) for tree in self._trees):
            return
        if self._dirty_since is None:
            self._dirty_since = self._clock.wall()
        self._dirty.add(path)
        self._debounce.note(self._clock.monotonic())
        self._wake.set()


def _together(each: Sequence[Found]) -> Found:
    found: Found = {}
    for one in each:
        for key, paths in one.items():
            found.setdefault(key, []).extend(paths)
    return found
