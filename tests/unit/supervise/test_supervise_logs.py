"""Logs: bounded in memory, rotated in files, harmless on a full disk."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from minimesh.model.project import LogLimits
from minimesh.supervise import logwriter
from minimesh.supervise.logfile import LogFile
from minimesh.supervise.logs import CHARACTERS_KEPT, LINES_KEPT, LogLine, Logs, ServiceLog, Stream
from minimesh.supervise.logwriter import Batch, LogWriter


class Noon:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_000_000_000.25


def test_a_line_goes_to_file_memory_and_followers(tmp_path: Path) -> None:
    logs = Logs(tmp_path / "logs", LogLimits(), Noon())
    seen: list[LogLine] = []
    unfollow = logs.follow(seen.extend)
    logs.of("api").add(2, Stream.STDERR, ["one", "two"])
    unfollow()
    logs.of("api").add(1, Stream.STDOUT, ["three"])
    logs.close()
    assert [line.text for line in seen] == ["one", "two"]
    assert seen[0] == LogLine(1_000_000_000.25, "api", 2, Stream.STDERR, "one", 0.0)
    assert [line.text for line in logs.of("api").tail(2)] == ["two", "three"]
    assert logs.of("api").tail(0) == []
    file = tmp_path / "logs" / "api.log"
    assert file.read_text().splitlines() == [
        "2001-09-09T01:46:40.250Z 2 stderr one",
        "2001-09-09T01:46:40.250Z 2 stderr two",
        "2001-09-09T01:46:40.250Z 1 stdout three",
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_memory_is_bounded_by_lines_and_by_characters(tmp_path: Path) -> None:
    logs = Logs(tmp_path, LogLimits(), Noon())
    log = logs.of("api")
    log.add(1, Stream.STDOUT, [str(number) for number in range(LINES_KEPT + 5)])
    assert [line.text for line in log.tail()][:1] == ["5"]
    assert len(log.tail()) == LINES_KEPT
    log.add(1, Stream.STDOUT, ["x" * 60_000] * 100)
    assert sum(len(line.text) for line in log.tail()) <= CHARACTERS_KEPT
    logs.close()


@pytest.mark.parametrize(("keep", "names"), [(2, ["log", "log.1", "log.2"]), (0, ["log"])])
def test_rotation_keeps_so_many_files(tmp_path: Path, keep: int, names: list[str]) -> None:
    file = LogFile(tmp_path / "log", LogLimits(max_size=10, keep=keep))
    for number in range(6):
        assert file.write(f"line {number}\n")
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "log").read_text() == "line 5\n"
    if keep:
        assert (tmp_path / "log.1").read_text() == "line 4\n"


def test_an_existing_file_is_continued_and_its_size_counts(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("earlier\n")
    file = LogFile(tmp_path / "log", LogLimits(max_size=20, keep=1))
    file.write("fits\n")
    file.write("does not fit\n")
    file.close()
    assert (tmp_path / "log.1").read_text() == "earlier\nfits\n"
    assert (tmp_path / "log").read_text() == "does not fit\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(tmp_path, LogLimits(), Noon())
    log = logs.of("api")
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "open", lambda *_: full)
    log.add(1, Stream.STDOUT, ["a", "b"])
    assert logs.flush()
    assert log.dropped == 2
    assert [line.text for line in log.tail()] == ["a", "b"]
    logs.close()


def test_a_folder_that_vanished_drops_until_it_is_back(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "gone" / "log", LogLimits())
    assert not file.write("lost\n")
    (tmp_path / "gone").mkdir()
    assert file.write("kept\n")
    file.close()
    assert (tmp_path / "gone" / "log").read_text() == "kept\n"


def test_a_line_torn_by_a_full_disk_does_not_run_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LogFile(tmp_path / "log", LogLimits())
    assert file.write("whole\n")
    room = iter([3])
    real = os.write

    def torn(fd: int, data: bytes) -> int:
        size = next(room, None)
        if size is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:size])

    monkeypatch.setattr(os, "write", torn)
    assert not file.write("torn\n")
    monkeypatch.setattr(os, "write", real)
    assert file.write("next\n")
    file.close()
    assert (tmp_path / "log").read_text() == "whole\ntor\nnext\n"


class Slow(LogFile):
    """A file on a disk that takes no more until it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LogLimits())
        self.at_work, self.go_on = threading.Event(), threading.Event()

    def write(self, text: str) -> bool:
        self.at_work.set()
        assert self.go_on.wait(10)
        return super().write(text)


def test_a_disk_that_stands_still_holds_up_nobody_and_its_file_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwriter, "BACKLOG", 2_000)
    writer, file, seen = LogWriter(), Slow(tmp_path / "api.log"), list[LogLine]()
    log = ServiceLog("api", file, Noon(), [seen.extend], writer)
    log.add(1, Stream.STDOUT, ["first"])
    assert file.at_work.wait(10)
    for number in range(100):
        log.add(1, Stream.STDOUT, [f"line {number} {'x' * 100}"])
    assert len(seen) == 101, "followers and memory have them all"
    assert not writer.flush(0.01)
    file.go_on.set()
    assert writer.flush()
    log.add(1, Stream.STDOUT, ["last"])
    assert writer.close()
    log.close()
    lines = file.path.read_text().splitlines()
    assert 0 < log.dropped < 100
    assert len(lines) == 102 - log.dropped + 1
    assert lines[-2].endswith(f" 1 mesh {log.dropped} lines left out: the disk does not keep up")
    assert lines[-1].endswith(" 1 stdout last")


def test_a_writer_that_was_closed_writes_again(tmp_path: Path) -> None:
    writer, file = LogWriter(), LogFile(tmp_path / "log", LogLimits())
    for number in range(2):
        assert writer.put(Batch(file, f"{number}\n", 1, lambda lines: None))
        assert writer.close()
    file.close()
    assert file.path.read_text() == "0\n1\n"
