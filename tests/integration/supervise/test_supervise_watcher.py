"""Real files that change under a watcher: by inotify, by looking where the kernel watches no more, and both."""

import errno
import os
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from minimesh.model.clock import SystemClock
from minimesh.supervise.watching import watcher as module
from minimesh.supervise.watching.inotify import Inotify, OnEvent
from minimesh.supervise.watching.target import Target
from minimesh.supervise.watching.watcher import Watcher

pytestmark = pytest.mark.anyio
PATIENCE = 10.0


class Seen:
    """What a watcher told of a folder."""

    def __init__(self, root: Path, inotify: Callable[[OnEvent], Inotify] = Inotify) -> None:
        self.root = root
        self.changes: list[tuple[str, list[str]]] = []
        self.troubles: list[tuple[str, str]] = []
        self.unmet: list[tuple[str, str]] = []
        self.told_to: list[float] = []
        self._told = anyio.Event()
        self.watcher = Watcher(
            SystemClock(),
            self._on_change,
            lambda text, help_: self.troubles.append((text, help_)),
            lambda key, glob: self.unmet.append((key, glob)),
            inotify,
        )

    def _on_change(self, key: str, paths: Sequence[str]) -> None:
        self.changes.append((key, [os.path.relpath(path, self.root) for path in paths]))
        self.told_to.append(self.watcher.told_to)
        self._told.set()

    async def take(self, *targets: Target) -> None:
        self.watcher.take(targets)
        with anyio.fail_after(PATIENCE):
            await self.watcher.settled.wait()

    async def next(self) -> list[str]:
        """The files of the next change."""
        with anyio.fail_after(PATIENCE):
            while not self.changes:
                self._told = anyio.Event()
                await self._told.wait()
        return self.changes.pop(0)[1]

    def write(self, **files: str) -> None:
        for name, content in files.items():
            path = self.root / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


@asynccontextmanager
async def watching(root: Path, *globs: str, inotify: Callable[[OnEvent], Inotify] = Inotify) -> AsyncIterator[Seen]:
    seen = Seen(root, inotify)
    async with anyio.create_task_group() as group:
        group.start_soon(seen.watcher.run)
        await seen.take(Target("web", root, globs))
        yield seen
        group.cancel_scope.cancel()


@pytest.fixture(params=["inotify", "polling"])
def inotify(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[OnEvent], Inotify]:
    """Both ways."""
    if request.param == "inotify":
        if sys.platform != "linux":
            pytest.skip("inotify is Linux's")
        return Inotify
    monkeypatch.setattr(module, "POLL_EVERY", 0.05)

    def nowhere(on_event: OnEvent) -> Inotify:
        raise OSError(errno.ENOSYS, "there is no inotify here")

    return nowhere


async def test_up_to_when_changes_have_been_told(tmp_path: Path, inotify: Callable[[OnEvent], Inotify]) -> None:
    async with watching(tmp_path, "*.py", inotify=inotify) as seen:
        seen.write(a_py="1")
        written = (tmp_path / "a.py").stat().st_ctime
        assert await seen.next() == ["a.py"]
        assert seen.told_to[0] < written
        with anyio.fail_after(PATIENCE):
            while seen.watcher.told_to <= written:  # noqa: ASYNC110 - nobody tells of it
                await anyio.sleep(0.01)


async def test_what_a_person_does_to_files_is_told(tmp_path: Path, inotify: Callable[[OnEvent], Inotify]) -> None:
    (tmp_path / "web").mkdir()
    async with watching(tmp_path, "web/**/*.py", inotify=inotify) as seen:
        assert seen.unmet == [("web", "web/**/*.py")]
        seen.write(web__a_py="1")
        assert await seen.next() == ["web/a.py"]
        seen.write(web__a_py="2")
        assert await seen.next() == ["web/a.py"]
        seen.write(temporary="3")  # as vim and JetBrains save
        (tmp_path / "temporary").replace(tmp_path / "web/a.py")
        assert await seen.next() == ["web/a.py"]
        seen.write(aside__deep__er__b_py="1")
        (tmp_path / "aside").rename(tmp_path / "web/new")
        assert await seen.next() == ["web/new/deep/er/b.py"]
        seen.write(web__new__deep__er__b_py="2")
        assert await seen.next() == ["web/new/deep/er/b.py"]
        (tmp_path / "web/new/deep").rename(tmp_path / "web/moved")
        assert await seen.next() == ["web/moved/er/b.py", "web/new/deep/er/b.py"]
        seen.write(web__moved__er__b_py="3")
        assert await seen.next() == ["web/moved/er/b.py"]
        shutil.rmtree(tmp_path / "web")
        assert await seen.next() == ["web/a.py", "web/moved/er/b.py"]
        seen.write(web__a_py="4")
        assert await seen.next() == ["web/a.py"]
        seen.write(web__a_py="5")
        assert await seen.next() == ["web/a.py"]


async def test_hundreds_of_files_at_once_are_one_change(tmp_path: Path) -> None:
    async with watching(tmp_path, "**/*.py") as seen:
        seen.write(**{f"d{number % 20}__f{number}_py": "1" for number in range(500)})
        assert len(await seen.next()) == 500
        seen.write(end_py="1")
        assert await seen.next() == ["end.py"]


async def test_what_was_put_back_is_no_change(tmp_path: Path) -> None:
    seen_before = {f"f{number}_py": "1" for number in range(50)}
    Seen(tmp_path).write(**seen_before)
    async with watching(tmp_path, "*.py") as seen:
        seen.write(**dict.fromkeys(seen_before, "2"))
        for name in seen_before:
            (tmp_path / name.replace("_py", ".py")).unlink()
        seen.write(**seen_before, end_py="1")
        assert await seen.next() == ["end.py"]


async def test_what_is_left_out_wakes_nobody(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("gen.py\nbuild/\n")
    async with watching(tmp_path, "**/*.py") as seen:
        seen.write(gen_py="1", build__x_py="1", node_modules__x_py="1", notes="1")
        (tmp_path / ".x.py.swp").write_text("1")
        seen.write(end_py="1")
        assert await seen.next() == ["end.py"]
        assert seen.watcher.folders == 1


async def test_lost_events_are_made_good(tmp_path: Path) -> None:
    makers: list[OnEvent] = []

    class Deaf(Inotify):
        def __init__(self, on_event: OnEvent) -> None:
            makers.append(on_event)
            super().__init__(lambda path, name, folder: None)

    Seen(tmp_path).write(a__b__c_py="1")
    async with watching(tmp_path, "**/*.py", inotify=Deaf) as seen:
        seen.write(a__b__c_py="2", new__d_py="1")
        makers[0]("", "", False)
        assert await seen.next() == ["a/b/c.py", "new/d.py"]


async def test_other_files_may_be_watched_while_it_runs(tmp_path: Path) -> None:
    Seen(tmp_path).write(web__a_py="1", lib__b_py="1", lib__deep__c_py="1")
    async with watching(tmp_path, "web/**/*.py") as seen:
        await seen.take(Target("web", tmp_path, ("lib/**/*.py",)))
        seen.write(web__a_py="2", lib__b_py="2")
        assert await seen.next() == ["lib/b.py"]
        await seen.take()
        seen.write(lib__b_py="3")
        await seen.take(Target("web", tmp_path, ("lib/*.py",)))
        seen.write(lib__deep__c_py="2")
        seen.write(lib__b_py="4")
        assert await seen.next() == ["lib/b.py"]


async def test_a_root_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_EVERY", 0.05)
    async with watching(tmp_path / "later", "*.py") as seen:
        seen.write(a_py="1")
        assert await seen.next() == ["a.py"]
        seen.write(a_py="2")
        assert await seen.next() == ["a.py"]
        shutil.rmtree(tmp_path / "later")
        assert await seen.next() == ["a.py"]
        seen.write(b_py="1")
        assert await seen.next() == ["b.py"]


class Scarce(Inotify):
    """As a kernel that lets a user watch two folders."""

    def add(self, path: str) -> None:
        if path not in self._numbers and len(self) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().add(path)


async def test_a_limit_is_said_once_and_the_rest_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_EVERY", 0.05)
    Seen(tmp_path).write(a__x_py="1", b__x_py="1", c__x_py="1", d__x_py="1")
    async with watching(tmp_path, "**/*.py", inotify=Scarce) as seen:
        ((text, help_),) = seen.troubles
        assert text.startswith("fs.inotify.max_user_watches")
        assert text.endswith("is used up: 3 of 5 watched folders are looked at every 2 s instead")
        assert help_.startswith("sudo sysctl fs.inotify.max_user_watches=")
        for folder in "abcd":
            seen.write(**{f"{folder}__x_py": "2"})
            assert await seen.next() == [f"{folder}/x.py"]
        shutil.rmtree(tmp_path / "a")
        shutil.rmtree(tmp_path / "b")
        changed = await seen.next()
        while len(changed) < 2:
            changed += await seen.next()
        seen.write(e__x_py="1")
        assert await seen.next() == ["e/x.py"]
        assert len(seen.troubles) == 1


async def test_without_an_instance_all_is_looked_at_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_EVERY", 0.05)

    def none_left(on_event: OnEvent) -> Inotify:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with watching(tmp_path, "*.py", inotify=none_left) as seen:
        ((text, help_),) = seen.troubles
        assert text.startswith("fs.inotify.max_user_instances")
        assert help_.startswith("sudo sysctl fs.inotify.max_user_instances=")
        seen.write(a_py="1")
        assert await seen.next() == ["a.py"]


UNDER_A_LIMIT = """
import anyio, pathlib, sys
from minimesh.model.clock import SystemClock
from minimesh.supervise.watching import watcher
from minimesh.supervise.watching.target import Target

watcher.POLL_EVERY = 0.05
root = pathlib.Path(sys.argv[1])

async def main():
    async with anyio.create_task_group() as group:
        def changed(key, paths):
            print("changed", *paths)
            group.cancel_scope.cancel()
        watched = watcher.Watcher(SystemClock(), changed, lambda text, help_: print(text))
        group.start_soon(watched.run)
        watched.take([Target("web", root, ("**/*.py",))])
        await watched.settled.wait()
        (root / "d9" / "x.py").write_text("2")

anyio.run(main)
"""


@pytest.mark.parametrize(("limit", "value"), [("max_inotify_watches", 4), ("max_inotify_instances", 0)])
async def test_the_limit_of_the_kernel_itself(tmp_path: Path, limit: str, value: int) -> None:
    """In a user namespace of its own, which has limits of its own."""
    Seen(tmp_path).write(**{f"d{number}__x_py": "1" for number in range(10)})
    lowered = f"echo {value} > /proc/sys/user/{limit} || exit 77"
    command = ["unshare", "-U", "-r", "sh", "-c", f'{lowered}; exec "$@"', "sh"]
    program = [sys.executable, "-c", textwrap.dedent(UNDER_A_LIMIT), str(tmp_path)]
    try:
        done = await anyio.run_process([*command, *program], check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    output = done.stdout.decode()
    if done.returncode == 77 or b"unshare" in done.stderr:
        pytest.skip("no user namespace may be made here")
    assert f"fs.inotify.{limit.replace('inotify', 'user')}" in output, done.stderr.decode()
    assert f"changed {tmp_path}/d9/x.py" in output
