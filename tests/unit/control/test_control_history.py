"""Logs in files, read as they were written: forward by time, backward from the end, over full files and damage."""

from pathlib import Path

import pytest

from minimesh.control import history
from minimesh.control.history import Past, Span, last, read, services
from minimesh.model.project import LogLimits
from minimesh.supervise.logs import Logs, Stream
from minimesh.testing import VirtualClock


def anything(past: Past) -> bool:
    return True


def written(folder: Path, count: int, limits: LogLimits) -> list[str]:
    """A line a second, of two services in turn."""
    clock = VirtualClock()
    texts = []
    logs = Logs(folder, limits, clock)
    for number in range(count):
        clock.advance(1.0)
        texts.append(f"line {number}")
        logs.of("web" if number % 2 else "db").add(1, Stream.STDOUT, [texts[-1]])
    logs.close()
    return texts


@pytest.mark.parametrize("block", [7, 64, 64 * 1024])
def test_both_ways_give_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(history, "BLOCK", block)
    texts = written(tmp_path, 60, LogLimits(max_size=600, keep=9))
    assert len([*tmp_path.glob("*.log.*")]) > 2
    names = services(tmp_path)
    assert names == ["db", "web"]
    forward = [past.line for past in read(tmp_path, names, Span())]
    assert forward == texts
    assert [past.line for past in last(tmp_path, names, 1_000, Span(), anything)] == texts
    assert [past.line for past in last(tmp_path, names, 7, Span(), anything)] == texts[-7:]
    assert [past.line for past in last(tmp_path, ["web"], 2, Span(), lambda past: "5" in past.line)] == [
        "line 57",
        "line 59",
    ]


def test_a_span_is_from_and_until(tmp_path: Path) -> None:
    texts = written(tmp_path, 20, LogLimits())
    times = [past.time for past in read(tmp_path, ["db", "web"], Span())]
    span = Span(times[5], times[9])
    assert [past.line for past in read(tmp_path, ["db", "web"], span)] == texts[5:9]
    assert [past.line for past in last(tmp_path, ["db", "web"], 99, span, anything)] == texts[5:9]
    assert [past.line for past in last(tmp_path, ["db", "web"], 2, Span(until=times[9]), anything)] == texts[7:9]


def test_a_line_that_is_damaged_is_shown_where_it_stands(tmp_path: Path) -> None:
    stamp = "2026-01-31T14:02:10.412Z"
    (tmp_path / "web.log").write_bytes(
        f"{stamp} 2 stderr first\n".encode() + b"torn \xff\n" + f"{stamp} 2 mesh exit 1\n".encode() + b"no end"
    )
    lines = [past.line for past in read(tmp_path, ["web"], Span())]
    assert lines == ["first", "torn �", "exit 1", "no end"]
    assert [past.line for past in last(tmp_path, ["web"], 9, Span(), anything)] == lines
    first = next(iter(read(tmp_path, ["web"], Span())))
    assert first == Past(stamp, "web", 2, "stderr", "first")


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert [*read(tmp_path, ["web"], Span())] == []
    assert last(tmp_path, ["web"], 5, Span(), anything) == []
    assert services(tmp_path / "none") == []


def test_the_logs_of_the_mesh_itself_are_not_those_of_a_service(tmp_path: Path) -> None:
    for name in ("mesh", "access", "web"):
        (tmp_path / f"{name}.log").touch()
    assert services(tmp_path) == ["web"]


def test_what_is_moved_while_it_is_read_is_neither_lost_nor_shown_twice(tmp_path: Path) -> None:
    texts = written(tmp_path, 40, LogLimits(max_size=600, keep=9))
    lines = read(tmp_path, ["web"], Span())
    first = next(lines)
    for number in range(len([*tmp_path.glob("web.log.*")]), -1, -1):
        old = tmp_path / (f"web.log.{number}" if number else "web.log")
        old.rename(tmp_path / f"web.log.{number + 1}")
    (tmp_path / "web.log").write_text("2100-01-01T00:00:00.000Z 1 stdout new\n")
    assert [first.line, *(past.line for past in lines)] == texts[1::2]
