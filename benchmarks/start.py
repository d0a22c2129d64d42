"""Part `start`: how long until the gateway answers, and how long a command takes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mesh
from client import head
from measure import Round
from rounds import Figure
from say import say
from settings import Settings
from stage import START_WITHIN, BenchmarkError, Stage, environment, free_port, minimesh


def start_part(settings: Settings) -> dict[str, Figure]:
    with Stage() as stage:
        rounds = {
            "minimesh up": repeat(settings.starts, partial(first_byte, stage)),
            **commands(stage, settings.starts),
        }
    for name, row in rounds.items():
        say(f"{name:16} {sorted(each['ms'] for each in row)[len(row) // 2]:.0f} ms")
    return {"wall": {"title": "wall time from the start of the process", "hop": "", "base": "", "rounds": rounds}}


def commands(stage: Stage, count: int) -> dict[str, list[Round]]:
    """Each until it has ended; `ps` asks a running mesh."""
    folder, port = empty_project(stage)
    mesh.up(stage, folder)
    stage.wait_for(port)
    argvs = {
        "minimesh ps": minimesh("ps"),
        "minimesh --help": minimesh("--help"),
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    return {name: repeat(count, partial(wall, argv, folder)) for name, argv in argvs.items()}


def repeat(count: int, measure: Callable[[], float]) -> list[Round]:
    measure()  # compiles what is imported
    return [{"ms": round(measure() * 1000, 1)} for _ in range(count)]


def wall(argv: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(argv, cwd=folder, env=environment(), check=True, capture_output=True, timeout=START_WITHIN)
    return time.perf_counter() - started


def first_byte(stage: Stage) -> float:
    """Seconds from the start of `minimesh up` to the first byte of an answer (a 404: there are no routes)."""
    folder, port = empty_project(stage)
    started = time.perf_counter()
    pid = mesh.up(stage, folder)
    try:
        while time.perf_counter() - started < START_WITHIN:
            if answers(port):
                return time.perf_counter() - started
            time.sleep(0.002)
    finally:
        stage.end(pid)
    raise BenchmarkError(f"no byte from the gateway after {START_WITHIN:g} s")


def answers(port: int) -> bool:
    """Whether a first byte comes."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(head("GET", f"http://127.0.0.1:{port}/"))
            return len(connection.recv(1)) == 1
    except OSError:
        return False


def empty_project(stage: Stage) -> tuple[Path, int]:
    """A gateway and nothing else: its folder and port."""
    port = free_port()
    folder = stage.folder / f"empty-{port}"
    folder.mkdir()
    (folder / "minimesh.toml").write_text(f'version = 1\n\n[mesh]\nhop = "memory"\n\n[gateway]\nhttp = {port}\n')
    return folder, port
