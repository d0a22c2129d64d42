"""The logs as they lie in `.minimesh/logs`, for whoever looks further back than the mesh remembers, or after its end.

`<service>.log` is being written, `<service>.log.1` is the newest of the full ones. A line is
`2026-01-31T14:02:10.412Z REPLICA STREAM TEXT`, as `minimesh.supervise.logs` writes it. Never more than a block of a
file is held in memory.
"""

import os
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

BLOCK = 64 * 1024
MOST = 1_000_000
"""Lines that are ever held in memory at once."""
NOT_OF_SERVICES = frozenset({"mesh", "access"})
_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\d+) (stdout|stderr|mesh) ")


class Past(NamedTuple):
    """A line of a log. `time` is RFC 3339 in UTC with milliseconds, so that it can be compared as text."""

    time: str
    service: str
    replica: int
    stream: str
    line: str


Wanted: TypeAlias = Callable[[Past], bool]


class Span(NamedTuple):
    """From `since` (inclusive) until `until` (exclusive), as RFC 3339 in UTC with milliseconds; "" is no end."""

    since: str = ""
    until: str = ""

    def holds(self, time: str) -> bool:
        return self.since <= time and (not self.until or time < self.until)


def services(folder: Path) -> list[str]:
    """Names of those that have written something, by name."""
    return sorted(file.stem for file in folder.glob("*.log") if file.stem not in NOT_OF_SERVICES)


def read(folder: Path, names: list[str], span: Span) -> Iterator[Past]:
    """All lines of a span, oldest first, of all these services together."""
    _allow_files()
    return merge(*(_forward(folder, name, span) for name in names), key=lambda past: past.time)


def last(folder: Path, names: list[str], count: int, span: Span, wanted: Wanted) -> list[Past]:
    """The latest `count` lines that are wanted, oldest first. Reads no more of the files than it has to."""
    _allow_files()
    backwards = [filter(wanted, _backward(folder, name, span)) for name in names]
    latest = list(islice(merge(*backwards, key=lambda past: past.time, reverse=True), count))
    return latest[::-1]


def _forward(folder: Path, service: str, span: Span) -> Iterator[Past]:
    past = Past("", service, 1, "stdout", "")
    with ExitStack() as stack:
        for file in reversed(_opened(folder, service, span, stack)):
            for raw in file:
                past = _parse(service, raw, past)
                if span.until and past.time >= span.until:
                    return
                if span.since <= past.time:
                    yield past


def _backward(folder: Path, service: str, span: Span) -> Iterator[Past]:
    """The newest first. A line of its own that a full disk has torn is shown with the time of the line after it."""
    after = Past(span.until or "9", service, 1, "stdout", "")
    with ExitStack() as stack:
        for file in _opened(folder, service, span, stack):
            for raw in _lines_backward(file.fileno()):
                after = _parse(service, raw, after)
                if after.time < span.since:
                    return
                if not span.until or after.time < span.until:
                    yield after


def _opened(folder: Path, service: str, span: Span, stack: ExitStack) -> list[BinaryIO]:
    """The newest first, all opened before any is read: a file that is full moves on under another name meanwhile.

    What was moved between two looks is seen twice, and kept once. A file that was not touched since the span began
    has nothing of it.
    """
    names = [f"{service}.log", *(f"{service}.log.{number}" for number in _numbers(folder, service))]
    seen: set[int] = set()
    files: list[BinaryIO] = []
    for name in names:
        with suppress(OSError):
            file = stack.enter_context((folder / name).open("rb"))
            status = os.fstat(file.fileno())
            if status.st_ino not in seen and _touched(status) >= span.since[:19]:
                files.append(file)
            seen.add(status.st_ino)
    return files


def _numbers(folder: Path, service: str) -> list[int]:
    """Of the full files, and one more: the last may be moved while they are opened."""
    numbers = [file.name.rpartition(".")[2] for file in folder.glob(f"{service}.log.*")]
    found = sorted(int(number) for number in numbers if number.isdecimal())
    return [*found, found[-1] + 1] if found else [1]


def _touched(status: os.stat_result) -> str:
    """When it was last written, to the second."""
    from datetime import UTC, datetime  # noqa: PLC0415 - hardly any command looks at files

    return datetime.fromtimestamp(status.st_mtime, UTC).isoformat()[:19]


def _parse(service: str, raw: bytes, near: Past) -> Past:
    """A line; one that is damaged takes its time and stream from the one beside it."""
    raw = raw.rstrip(b"\n")
    match = _LINE.match(raw)
    if match is None:
        return near._replace(line=raw.decode("utf-8", "replace"))
    text = raw[match.end() :].decode("utf-8", "replace")
    return Past(match[1].decode(), service, int(match[2]), match[3].decode(), text)


def _lines_backward(descriptor: int) -> Iterator[bytes]:
    position = os.fstat(descriptor).st_size
    rest = b""
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        first, *whole = (os.pread(descriptor, size, position) + rest).split(b"\n")
        yield from (line for line in reversed(whole) if line)
        rest = first
    if rest:
        yield rest


def _allow_files() -> None:
    """As many as the system lets us: a thousand services have some thousand files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
