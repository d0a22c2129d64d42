"""benchmarks/: what wrk says is read right, ratios are taken round by round, pictures and pages are well-formed."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SVG = "{http://www.w3.org/2000/svg}"
Figure = dict[str, Any]
Load = Callable[[str], Any]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The benchmarks are scripts side by side, not a package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


WRK = """Running 1s test @ http://127.0.0.1:21001/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.09ms  310.10us   6.30ms   88.01%
    Req/Sec    30.25k     1.10k   31.80k    72.73%
  Latency Distribution
     50%    1.01ms
     75%    1.18ms
     90%    1.40ms
     99%  637.00us
  33120 requests in 1.10s, 8.40MB read
{errors}Requests/sec:  30062.41
Transfer/sec:      7.63MB
"""


@pytest.mark.parametrize(
    ("errors", "lost"),
    [
        ("", 0),
        ("  Socket errors: connect 1, read 20, write 300, timeout 4000\n", 4321),
        ("  Non-2xx or 3xx responses: 12\n", 12),
        ("  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 2\n", 5),
    ],
)
def test_what_wrk_says(module: Load, errors: str, lost: int) -> None:
    expected = {"requests": 33120, "rps": 30062.41, "p50_us": 1010.0, "p99_us": 637.0, "lost": lost}
    assert module("wrk").parse(WRK.format(errors=errors)) == expected


def test_what_is_not_of_wrk(module: Load) -> None:
    with pytest.raises(ValueError, match="requests in"):
        module("wrk").parse("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize(("text", "micros"), [("0.00us", 0), ("1.25ms", 1250), ("2.00s", 2e6), ("1.50m", 9e7)])
def test_times(module: Load, text: str, micros: float) -> None:
    assert module("wrk").micros(text) == pytest.approx(micros)


@pytest.mark.parametrize("text", ["", "5", "ms", "1.5 ms", "1.5y"])
def test_what_is_no_time(module: Load, text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        module("wrk").micros(text)


def figure(base: str, **rows: list[float]) -> Figure:
    """Of one metric, `cpu_us`."""
    rounds = {row: [{"cpu_us": value} for value in values] for row, values in rows.items()}
    return {"title": "a title", "hop": "memory", "base": base, "rounds": rounds}


def test_a_ratio_is_of_the_same_round(module: Load) -> None:
    """The machine was twice as slow in the second round: for both. The ratio of the medians would be 4 / 3."""
    drifting = figure("nginx", nginx=[10.0, 20.0, 30.0], minimesh=[20.0, 40.0, 15.0])
    assert module("results").ratio(drifting, "minimesh", "cpu_us") == 2.0
    assert module("results").median(drifting, "minimesh", "cpu_us") == 20.0
    assert module("results").worst(drifting, "minimesh", "cpu_us") == 40.0


@pytest.mark.parametrize(("own", "held"), [(64.0, True), (65.0, True), (66.0, False)])
def test_a_promise_is_judged(module: Load, own: float, held: bool) -> None:
    promises = module("promises")
    promise = promises.PROMISES[0]
    assert (promise.part, promise.figure, promise.limit) == ("mesh", "same", 0.65)
    same = figure("nginx-mtls-pair", **{"nginx-mtls-pair": [100.0], "minimesh": [own]})
    verdict = promises.judge(promise, {"parts": {"mesh": {"figures": {"same": same}}}})
    assert (verdict.measured, verdict.held) == (own / 100, held)


def test_what_was_not_run_is_not_judged(module: Load) -> None:
    promises = module("promises")
    assert all(promises.judge(promise, {"parts": {}}).held is None for promise in promises.PROMISES)


def test_bars(module: Load) -> None:
    svg = module("svg")
    groups = [svg.Group("<many> & few", [svg.Bar("a", 10, "10 µs"), svg.Bar("b", 40, "40 µs", own=True)])]
    picture = ET.fromstring(svg.bars("R & D", "shorter is better", groups))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts == ["R & D", "shorter is better", "<many> & few", "a", "10 µs", "b", "40 µs"]
    lengths = {rect.get("class"): float(rect.get("width", "")) for rect in picture.iter(f"{SVG}rect")}
    assert (lengths["peer"], lengths["own"]) == (svg.LONGEST / 4, svg.LONGEST)
    lowest = max(float(rect.get("y", "")) for rect in picture.iter(f"{SVG}rect"))
    assert lowest + svg.BAR < float(picture.get("height", ""))


def everything() -> dict[str, Any]:
    """Results with every part: each metric is 1 in each of three rounds."""
    call = ("requests", "rps", "p50_us", "p99_us", "lost", "cpu_us", "rss_mib")
    body = ("mib_s", "growth_mib", "cpu_ms_mib")
    three = ("nginx", "nginx-mtls-pair", "minimesh")
    sizes = ("10 services", "1,000 services")
    commands = ("minimesh up", "minimesh ps", "minimesh --help", "python -c pass")
    large = ("validate", "ps", "stat", "edges", "reload")
    life = ("cpu_percent", "idle_mib", "up_s", "down_s")
    memory = ("started_mib", "worked_mib", "rested_mib", "requests", "lost")

    def ones(base: str, rows: tuple[str, ...], metrics: tuple[str, ...]) -> Figure:
        rounds = {row: [dict.fromkeys(metrics, 1.0)] * 3 for row in rows}
        return {"title": "a title", "hop": "memory", "base": base, "rounds": rounds}

    figures = {
        "mesh": {name: ones(three[1], three, call) for name in ("same", "different", "single")},
        "gateway": {name: ones(three[0], three, call) for name in ("few", "many")},
        "bodies": {name: ones(three[0], three, body) for name in ("down", "up")},
        "idle": {"connections": ones(three[0], three, ("bytes",)), "shop": ones("", three[2:], ("cpu_percent",))},
        "scale": {name: ones(sizes[0], sizes, call) for name in ("last", "every")},
        "thousand": {
            "wall": ones("", tuple(f"minimesh {verb}" for verb in large), ("ms",)),
            "life": ones("", three[2:], life),
        },
        "start": {"wall": ones("", commands, ("ms",))},
        "rest": {"shop": ones("", three[2:], memory)},
    }
    stamp = {"at": "2026-11-24T10:00:00+00:00", "seconds": 1, "load": 0.1, "commit": "abc"}
    parts = {name: {**stamp, "figures": each} for name, each in figures.items()}
    return {"format": 1, "machine": {"kernel": "Linux"}, "parts": parts}


def test_the_page_has_every_promise_and_part(module: Load, tmp_path: Path) -> None:
    files = list(module("report").write(everything(), tmp_path))
    page = (tmp_path / "performance.md").read_text()
    assert "| not measured |" not in page
    # Twice 0.65 and once 1.5 of the pair, three lost requests, 1 % of a core.
    assert page.count("**missed**") == 5
    pictures = re.findall(r"\]\((pictures/[a-z]+\.svg)\)", page)
    assert {tmp_path / picture for picture in pictures} == {file for file in files if file.suffix == ".svg"}
    assert len(re.findall("^## ", page, re.MULTILINE)) == 1 + 8 + 3
    tables = [list(lines) for is_row, lines in groupby(page.splitlines(), lambda line: line.startswith("|")) if is_row]
    assert len(tables) == 1 + (3 + 2 + 2 + 2 + 2 + 2 + 1 + 1) + 1
    assert all(len({line.count("|") for line in lines}) == 1 for lines in tables)


def test_the_page_of_one_part(module: Load, tmp_path: Path) -> None:
    results = everything()
    results["parts"] = {"start": results["parts"]["start"]}
    assert [file.name for file in module("report").write(results, tmp_path)] == ["performance.md"]
    page = (tmp_path / "performance.md").read_text()
    assert "## Starting" in page
    assert "## Large bodies" not in page
    assert "| not measured |" in page


def test_every_part_that_runs_is_written_about(module: Load) -> None:
    assert list(module("run").PARTS) == list(module("text").SECTIONS) == list(everything()["parts"])


def test_a_process_is_measured_with_its_children(module: Load) -> None:
    measure = module("measure")
    shell = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True)
    try:
        until = time.monotonic() + 10
        while len(pids := measure.tree(shell.pid)) < 2 and time.monotonic() < until:
            pass
        assert len(pids) == 2
        assert measure.rss_bytes(pids) > measure.rss_bytes(pids[:1]) > 0
        assert 0 < measure.cpu_seconds(pids) < 5
    finally:
        os.killpg(shell.pid, 9)
        shell.wait()


def test_cpu_time_is_the_process_s_own(module: Load) -> None:
    before = time.process_time()
    measured = module("measure").cpu_seconds([os.getpid()])
    assert before <= measured <= time.process_time()


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
def test_nothing_outlives_its_stage(module: Load) -> None:
    """Also when the measurement fails, which is told together with what the processes had to say."""
    stage = module("stage")
    affinity = os.sched_getaffinity(0)
    held = stage.Stage()
    pids = []

    def fail() -> None:
        with held:
            pids.append(held.start(["sh", "-c", "echo out of memory >&2; exec sleep 60"], measured=True))
            until = time.monotonic() + 10
            while not held.errors.read_text() and time.monotonic() < until:
                pass
            raise stage.BenchmarkError("it failed")

    with pytest.raises(stage.BenchmarkError, match="it failed") as failed:
        fail()
    assert failed.value.__notes__ == ["out of memory\n"]
    assert not Path(f"/proc/{pids[0]}").exists()
    assert not held.folder.exists()
    assert os.sched_getaffinity(0) == affinity
