"""Runs wrk, and reads what it says.

Metrics of a round: requests; rps, a second; p50_us and p99_us, latency in microseconds; lost: socket errors, timeouts
and answers other than 2xx and 3xx; cpu_us, CPU time of the contender per request in microseconds; rss_mib.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from measure import Round, cpu_seconds, rss_bytes
from stage import BenchmarkError


def load(
    url: str,
    pids: list[int],
    seconds: int,
    connections: int,
    script: Path | None = None,
    argument: str | None = None,
) -> Round:
    """wrk for some seconds, one thread; `pids` are the contender's processes. `argument`: the script's."""
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    argv += ["-s", str(script)] if script else []
    argv += [url, "--", argument] if argument else [url]
    before = cpu_seconds(pids)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30, check=False)
    used = cpu_seconds(pids) - before
    if done.returncode:
        raise BenchmarkError(f"{' '.join(argv)}: {done.stderr or done.stdout}")
    counted = parse(done.stdout)
    cpu_us = used / max(counted["requests"], 1) * 1e6
    return {**counted, "cpu_us": round(cpu_us, 3), "rss_mib": round(rss_bytes(pids) / 2**20, 2)}


def parse(output: str) -> Round:
    """ValueError if this is not what `wrk --latency` prints."""
    return {
        "requests": int(found(r"(\d+) requests in", output)),
        "rps": float(found(r"Requests/sec:\s+([\d.]+)", output)),
        "p50_us": micros(found(r"^\s+50%\s+(\S+)", output)),
        "p99_us": micros(found(r"^\s+99%\s+(\S+)", output)),
        "lost": lost(output),
    }


def lost(output: str) -> int:
    """Socket errors and answers that were errors. Both lines are there only if there was one."""
    answers = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    sockets = re.search(r"Socket errors: (.*)", output)
    counts = [answers[1]] if answers else []
    counts += re.findall(r"\d+", sockets[1]) if sockets else []
    return sum(map(int, counts))


def found(pattern: str, output: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    if match is None:
        raise ValueError(f"no {pattern!r} in what wrk printed:\n{output}")
    return match[1]


UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}


def micros(text: str) -> float:
    """'1.25ms' -> 1250.0"""
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    if match is None or match[2] not in UNITS:
        raise ValueError(f"not a time: {text!r}")
    return float(match[1]) * UNITS[match[2]]
